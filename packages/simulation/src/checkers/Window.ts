/**
 * Watches one connection as the broker sees it: no push before the hello's answer, never more unacked than the hello
 * allowed, none twice while it is unacked, none of another mesh, nothing that the session's status keeps back, and no
 * second hello. What is refused with "nothing was stored" is counted for the run.
 */
import type { Label, MemberId, MeshId, MessageId, PublicKey, SessionId } from "@claudemesh/domain/Ids"
import { messageIdOf } from "@claudemesh/domain/trust/MessageIdentity"
import { ClientMessageId } from "@claudemesh/domain/Ids"
import { decodeBrokerFrame } from "@claudemesh/domain/wire/BrokerFrame"
import { Option } from "effect"
import type { History } from "../History.ts"
import type { Authenticated, LeaseHolder, Leases } from "./Leases.ts"
import { Told, type ToldSession } from "./Told.ts"

interface SeenFrame {
  readonly type: string
  readonly id?: string
  readonly meshId?: MeshId
  readonly memberId?: MemberId
  readonly pubkey?: PublicKey
  readonly sessionId?: SessionId
  readonly messageId?: MessageId
  readonly messageIds?: ReadonlyArray<MessageId>
  readonly maxInFlight?: number
  readonly status?: string
  readonly priority?: string
  readonly code?: string
  readonly instance?: string
  readonly redelivered?: boolean
  readonly transient?: boolean
  readonly source?: string
  readonly forSeconds?: number
  readonly tags?: ReadonlyArray<Label>
}

/** Of a list that is asked for to compare it with what was told. */
export const comparisonId = "compare"
/** Between a request's effect and its answer, where the broker's clock is set meanwhile: nothing else is between them. */
const askedMillisMax = 1_000

/** How long it may take to load a mesh. */
const loadingMillis = 10_000

/** Refusals that promise that nothing was stored. */
const storesNothing: ReadonlySet<string> = new Set(["rate_limited", "backlog_full", "unknown_target", "unsealed"])

/** For each message that was refused: how often it came to the broker, and how often that was the answer. */
export class Refusals {
  readonly #counts = new Map<MessageId, { came: number; refused: number }>()

  came(id: MessageId): void {
    this.#of(id).came += 1
  }

  refused(id: MessageId): void {
    this.#of(id).refused += 1
  }

  /** Every time it came it was refused: it must not be in the store. */
  get always(): ReadonlyArray<MessageId> {
    return [...this.#counts].filter(([, { came, refused }]) => came === refused).map(([id]) => id)
  }

  #of(id: MessageId): { came: number; refused: number } {
    const found = this.#counts.get(id) ?? { came: 0, refused: 0 }
    this.#counts.set(id, found)
    return found
  }
}

export interface WindowOptions {
  readonly history: History
  readonly refusals: Refusals
  readonly leases: Leases
  /** The broker's own time. */
  readonly nowMillis: () => number
  readonly workingTtlMillis: number
  /** How long another process is silent before its session may be taken from it. */
  readonly instanceSilentMillis: number
  readonly broken: (what: string) => void
  readonly pushed: (messageId: MessageId) => void
  readonly attached: (who: Authenticated) => void
  /** A session was said to have left. */
  readonly left: (mesh: MeshId, who: ToldSession) => void
  /** Sessions for which something else than a hand has ever reported: what their status is follows from more than is seen here. */
  readonly hooked: Set<string>
  /** All of this incarnation of the broker. */
  readonly others: () => Iterable<Window>
}

export class Window {
  authenticated: Authenticated | undefined
  #hello: Authenticated | undefined
  #max = 0
  #hellos = 0
  /** The status that was asked for, by request; and the one that was confirmed, with its end. */
  readonly #asked = new Map<string, { readonly status: string; readonly forSeconds: number | undefined }>()
  #closedUntilMillis = Number.NEGATIVE_INFINITY
  #isDnd = false
  readonly #pulls = new Set<string>()
  readonly #unacked = new Set<MessageId>()

  #heardAtMillis = 0
  #leases: LeaseHolder | undefined
  #closedAtMillis: number | undefined
  /** Closed by the broker, for a newer connection. */
  replacedAtMillis: number | undefined

  readonly told: Told

  constructor(readonly options: WindowOptions) {
    this.told = new Told(options.broken, (who) => {
      if (this.#hello !== undefined) options.left(this.#hello.mesh, who)
    })
  }

  /** What it has and has not acked; of that, what it has leased. */
  get unacked(): ReadonlySet<MessageId> {
    return this.#unacked
  }

  get leased(): ReadonlySet<MessageId> {
    return this.#leases?.granted ?? new Set()
  }

  get isClosed(): boolean {
    return this.#closedAtMillis !== undefined
  }

  /** Whatever its client still says, or is told, means nothing. */
  closed(): void {
    if (this.#closedAtMillis === undefined) this.#closedAtMillis = this.options.nowMillis()
    if (this.#leases !== undefined) this.options.leases.closed(this.#leases)
  }

  /** Its mesh took it when its socket had closed already: it was attached for that moment, and is expected back. */
  #attachedTooLate(): void {
    if (this.#hello === undefined || this.authenticated !== undefined) return
    this.authenticated = this.#hello
    this.options.attached(this.authenticated)
  }

  received(text: string | undefined): void {
    if (this.#hellos > 1) this.options.broken("the broker went on with a connection that said hello twice")
    const frame: SeenFrame = JSON.parse(text ?? "{}")
    this.#heardAtMillis = this.options.nowMillis()
    const { messageIds = [], id = "" } = frame
    const leases = this.#leases
    switch (frame.type) {
      case "hello":
        this.#hellos += 1
        if (this.#hellos > 1) return
        this.#max = frame.maxInFlight ?? 0
        this.#hello = helloOf(frame)
        return
      case "client_ack":
        for (const messageId of messageIds) {
          this.#unacked.delete(messageId)
          this.#checkAck(messageId)
        }
        if (leases !== undefined) this.options.leases.acked(leases, messageIds)
        return
      case "lease":
        if (leases !== undefined) this.options.leases.asked(leases, id, messageIds)
        return
      case "release":
        for (const messageId of messageIds) this.options.history.released.add(messageId)
        if (leases !== undefined) this.options.leases.released(leases, messageIds)
        return
      case "pull":
        this.#pulls.add(id)
        return
      case "set_status":
        // From here to the answer either status may be in force.
        if (frame.source !== undefined && frame.source !== "manual") {
          this.options.hooked.add(this.#name)
          if (!this.#isDnd) this.#closedUntilMillis = Number.NEGATIVE_INFINITY
          return
        }
        this.#closedUntilMillis = Number.NEGATIVE_INFINITY
        this.#asked.set(id, { status: frame.status ?? "", forSeconds: frame.forSeconds })
        return
      case "send": {
        const messageId = this.#messageIdOf(frame)
        if (messageId !== undefined) this.options.refusals.came(messageId)
      }
    }
  }

  sent(text: string): void {
    const frame: SeenFrame = JSON.parse(text)
    const { messageIds = [] } = frame
    if (this.isClosed && frame.type === "hello_ack") return this.#attachedTooLate()
    if (this.isClosed && frame.type !== "leased" && frame.type !== "error") return
    switch (frame.type) {
      case "hello_ack":
        this.authenticated = this.#hello
        if (this.authenticated === undefined) return
        this.#checkPlace(this.authenticated)
        this.#leases = this.options.leases.holderFor(this.authenticated)
        return this.options.attached(this.authenticated)
      case "ok":
        return this.#answered(frame, true)
      case "error":
        if (this.#leases !== undefined) this.options.leases.answered(this.#leases, frame.id ?? "", [])
        if (frame.code === "session_in_use") this.#checkInUse()
        return this.#answered(frame, false)
      case "push":
        return this.#pushed(frame)
      case "leased":
        return this.#granted(frame.id ?? "", messageIds)
      case "recalled":
        for (const messageId of messageIds) this.#recalled(messageId)
        return
      case "peers":
      case "presence":
        return this.#tells(text)
    }
  }

  #tells(text: string): void {
    const frame = Option.getOrUndefined(decodeBrokerFrame(text))
    if (frame?.type === "presence") this.told.changed(frame)
    if (frame?.type === "peers") this.told.list(frame, frame.id === comparisonId)
  }

  #granted(id: string, messageIds: ReadonlyArray<MessageId>): void {
    for (const messageId of messageIds) {
      if (this.#unacked.has(messageId)) continue
      this.options.broken(`${messageId} was granted to a session that does not have it`)
    }
    if (this.#leases !== undefined) this.options.leases.answered(this.#leases, id, messageIds)
  }

  #recalled(messageId: MessageId): void {
    const { broken } = this.options
    if (!this.#unacked.delete(messageId)) broken(`${messageId} was recalled from a session that does not have it`)
    if (this.leased.has(messageId)) broken(`${messageId} was recalled from a session that has leased it`)
  }

  #checkAck(messageId: MessageId): void {
    const { broken, history } = this.options
    const isConfirmed = history.confirmed.some(
      (one) => one.messageId === messageId && one.member === this.authenticated?.member,
    )
    if (!isConfirmed) broken(`${messageId} was acked, and no process of its member had confirmed it`)
  }

  /** Connections of the same session, of another process that has said something lately. */
  #rivals({ instance, member, mesh, session }: Authenticated): ReadonlyArray<Window> {
    const { instanceSilentMillis, nowMillis, others } = this.options
    return [...others()].filter((other) => {
      const hello = other.#hello
      return (
        other !== this &&
        hello?.mesh === mesh &&
        hello.member === member &&
        hello.session === session &&
        hello.instance !== instance &&
        nowMillis() - other.#heardAtMillis < instanceSilentMillis
      )
    })
  }

  #checkPlace(who: Authenticated): void {
    const nowMillis = this.options.nowMillis()
    const hadIt = ({ authenticated, isClosed, replacedAtMillis }: Window) =>
      authenticated !== undefined && (!isClosed || replacedAtMillis === nowMillis)
    if (this.#rivals(who).some(hadIt))
      this.options.broken(`the session ${who.session} was given to a second process, and the first one lives`)
  }

  /** A mesh that is being loaded hears later of those who said hello, and left again. */
  #checkInUse(): void {
    const { broken, nowMillis } = this.options
    const who = this.#hello
    if (who === undefined) return
    const wasThere = (other: Window) =>
      other.#closedAtMillis === undefined || nowMillis() - other.#closedAtMillis < loadingMillis
    if (!this.#rivals(who).some(wasThere))
      broken(`the session ${who.session} is said to be in use, and no other process has it`)
  }

  #answered(frame: SeenFrame, ok: boolean): void {
    const { code = "", id = "" } = frame
    this.#pulls.delete(id)
    const asked = this.#asked.get(id)
    this.#asked.delete(id)
    if (ok && asked !== undefined && this.#asked.size === 0) this.#closedUntilMillis = this.#closedBy(asked)
    const messageId = this.#messageIdOf(frame)
    if (!ok && messageId !== undefined && storesNothing.has(code)) this.options.refusals.refused(messageId)
  }

  /** It was asked for a moment ago. */
  #closedBy({ forSeconds, status }: { readonly status: string; readonly forSeconds: number | undefined }): number {
    const { hooked, nowMillis, workingTtlMillis } = this.options
    this.#isDnd = status === "dnd"
    if (status === "dnd" && forSeconds !== undefined) return nowMillis() + forSeconds * 1_000 - askedMillisMax
    if (status === "dnd") return Number.POSITIVE_INFINITY
    return status === "working" && !hooked.has(this.#name) ? nowMillis() + workingTtlMillis : Number.NEGATIVE_INFINITY
  }

  get #name(): string {
    const { member, mesh, session } = this.#hello ?? {}
    return `${mesh} ${member} ${session}`
  }

  #pushed({ meshId, messageId, priority, redelivered = false }: SeenFrame): void {
    const { broken, nowMillis, pushed } = this.options
    if (messageId === undefined) return broken("something was pushed without an id")
    if (this.authenticated === undefined) broken(`${messageId} was pushed before hello_ack`)
    if (meshId !== this.#hello?.mesh) broken(`${messageId} was pushed in another mesh`)
    if (this.#unacked.has(messageId)) broken(`${messageId} was pushed twice and not acked`)
    this.#unacked.add(messageId)
    if (this.authenticated !== undefined) {
      const { member, session } = this.authenticated
      const { history } = this.options
      history.pushes.push({ messageId, member, session, redelivered, order: history.nextOrder() })
    }
    if (this.#leases !== undefined) this.options.leases.pushed(this.#leases, messageId, redelivered)
    if (this.#unacked.size > this.#max) broken(`${this.#unacked.size} pushes were unacked in a window of ${this.#max}`)
    if (this.#pulls.size === 0) {
      if (priority === "low") broken(`${messageId} is low and was pushed though nobody pulled`)
      if (priority === "next" && nowMillis() < this.#closedUntilMillis) {
        broken(`${messageId} is next and was pushed to a session that may not be disturbed`)
      }
    }
    pushed(messageId)
  }

  #messageIdOf({ id }: SeenFrame): MessageId | undefined {
    return this.#hello === undefined || id === undefined || id === ""
      ? undefined
      : messageIdOf(this.#hello.mesh, this.#hello.key, ClientMessageId.make(id))
  }
}

const helloOf = (frame: SeenFrame): Authenticated | undefined => {
  const { instance, maxInFlight, meshId, memberId, pubkey, sessionId, tags = [], transient = false } = frame
  return meshId !== undefined && memberId !== undefined && pubkey !== undefined && sessionId !== undefined
    ? {
        mesh: meshId,
        member: memberId,
        key: pubkey,
        session: sessionId,
        instance,
        isTransient: transient || maxInFlight === 0,
        tags,
      }
    : undefined
}
