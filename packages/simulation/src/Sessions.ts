/**
 * Every session of a run, as it is on the wire: in which channels it is, as those who are in it were told, and since when the broker
 * that is up has it attached. What is said here is the truth that the broker's word is held against.
 */
import type { Label, MemberId, MeshId, PublicKey, SessionId } from "@claudemesh/domain/Ids"
import { inboxKey } from "./History.ts"

/** `unknown`: it was asked for, and there was no answer. `since`: in virtual time. */
export interface InChannel {
  readonly state: "in" | "out" | "unknown"
  readonly sinceMillis: number
}

export interface Session {
  readonly mesh: MeshId
  readonly member: MemberId
  readonly key: PublicKey
  readonly id: SessionId
  isTransient: boolean
  tags: ReadonlyArray<Label>
  readonly channels: Map<Label, InChannel>
  /** Somebody asked for dnd there, which outlives its process; whether a later status arrived is not known. */
  mayBeInDnd: boolean
  /** Connections that the broker has, and since when it has one or has none any more. Forgotten when it crashes. */
  attached: number
  attachedSinceMillis: number | undefined
  cutOffSinceMillis: number | undefined
  /** It is expected back for a lease from here on, also by the next broker. Undefined: it is attached, or has said goodbye. */
  lostAtMillis: number | undefined
  /** Its last attachment is certainly in the store: the next broker knows of it. */
  isRecorded: boolean
}

/** A store that is silent until its call's deadline, is asked again, and is slow. */
const recordedAfterMillis = 30_000

const isRecordedBy = ({ attachedSinceMillis }: Session, nowMillis: number): boolean =>
  attachedSinceMillis !== undefined && nowMillis - attachedSinceMillis > recordedAfterMillis

export type SessionName = Pick<Session, "mesh" | "member" | "key" | "id">

export class Sessions {
  readonly #all = new Map<string, Session>()

  get all(): ReadonlyArray<Session> {
    return [...this.#all.values()]
  }

  find(mesh: MeshId, member: MemberId, id: SessionId): Session | undefined {
    return this.#all.get(inboxKey(mesh, member, id))
  }

  of({ id, key, member, mesh }: SessionName): Session {
    const name = inboxKey(mesh, member, id)
    const found = this.#all.get(name)
    if (found !== undefined) return found
    const made: Session = {
      mesh,
      member,
      key,
      id,
      isTransient: false,
      tags: [],
      channels: new Map(),
      mayBeInDnd: false,
      attached: 0,
      attachedSinceMillis: undefined,
      cutOffSinceMillis: undefined,
      lostAtMillis: undefined,
      isRecorded: false,
    }
    this.#all.set(name, made)
    return made
  }

  attached(session: Session, as: Pick<Session, "isTransient" | "tags">, nowMillis: number): void {
    session.isTransient = as.isTransient
    session.tags = as.tags
    session.attached += 1
    session.attachedSinceMillis = nowMillis
    session.lostAtMillis = undefined
    session.isRecorded = false
  }

  detached(session: Session, saidGoodbye: boolean, nowMillis: number): void {
    session.attached -= 1
    if (session.attached > 0) return
    session.isRecorded = isRecordedBy(session, nowMillis)
    session.attachedSinceMillis = undefined
    session.cutOffSinceMillis = saidGoodbye ? undefined : nowMillis
    session.lostAtMillis = session.cutOffSinceMillis
  }

  /** The broker that knew of them is gone. */
  brokerCrashed(nowMillis: number): void {
    for (const session of this.#all.values()) {
      const isRecorded = session.isRecorded || isRecordedBy(session, nowMillis)
      const lostAtMillis = session.attached > 0 ? nowMillis : session.lostAtMillis
      session.lostAtMillis = isRecorded ? lostAtMillis : undefined
      session.attached = 0
      session.attachedSinceMillis = undefined
      session.cutOffSinceMillis = undefined
    }
  }
}
