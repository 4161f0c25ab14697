/**
 * The audit, without payload or key (I18): what happened, a block for each mesh and commit, in the commit's own transaction, chained to the
 * block before (I29). A block says the mesh's last sequence number; a number that was used is refused.
 */
import {
  type AuditBlock,
  type AuditEvent,
  blockHash,
  chainBegins,
  eventsText,
  eventText,
} from "@claudemesh/domain/audit/AuditBlock"
import type { MemberId, MeshId, MessageId, SessionId } from "@claudemesh/domain/Ids"
import { type InboxAddress, StoreError } from "../MessageStore.ts"
import { type AuditEventName, consumedText } from "../AuditEvents.ts"
import type { Addresses } from "./Addresses.ts"
import { type Handle, prepare } from "./Handle.ts"
import { messageKey, seqOf } from "./Layout.ts"

interface Event extends Omit<AuditEvent, "seq" | "atMillis" | "event" | "actor"> {
  /** Of what takes one. */
  readonly seq?: number
  readonly at: number
  readonly event: AuditEventName
  readonly actor?: MemberId | undefined
  readonly session?: SessionId | undefined
  readonly messageId?: MessageId | undefined
}

/** What one inbox has consumed in a batch. */
interface Consumed {
  /** Whose it is. */
  readonly of: InboxAddress
  at: number
  readonly messages: Array<number>
}

interface Pending {
  readonly events: Array<Event>
  /** By the number of the inbox. */
  readonly consumed: Map<number, Consumed>
}

interface Head {
  readonly number: number
  readonly hash: string
  readonly total: number
  readonly last_seq: number
}

const ofMesh = `key >= ${messageKey("?", "0")} AND key < ${messageKey("(? + 1)", "0")}`

export const headOf = (mesh: string): string =>
  `SELECT number, lower(hex(hash)) AS hash, total, last_seq FROM mesh.audit_block
    WHERE key >= ${messageKey(mesh, "0")} AND key < ${messageKey(`(${mesh} + 1)`, "0")} ORDER BY key DESC LIMIT 1`

const statementsOn = (handle: Handle) => ({
  /** Of a mesh without a block: what is from before there were any says it in its key. */
  lastBefore: prepare<{ readonly seq: number }, [number, number]>(
    handle,
    `SELECT ${seqOf("key")} AS seq FROM mesh.journal WHERE ${ofMesh} ORDER BY key DESC LIMIT 1`,
  ),
  /** A block without such a number says a lower one as the last, and so does each before it. */
  used: prepare<unknown, Array<number>>(
    handle,
    `SELECT 1 FROM mesh.audit_block j CROSS JOIN json_each(j.events) e
      WHERE j.key > coalesce((SELECT key FROM mesh.audit_block WHERE ${ofMesh} AND last_seq < ? ORDER BY key DESC LIMIT 1), ${messageKey("?", "0")})
        AND j.key < ${messageKey("(? + 1)", "0")} AND e.value->>0 = ?`,
  ),
  usedBefore: prepare<unknown, [number, number, number, number]>(
    handle,
    `SELECT 1 FROM mesh.journal j CROSS JOIN json_each(j.events) e
      WHERE j.key >= ${messageKey("?", "?")} AND j.key < ${messageKey("(? + 1)", "0")} AND e.value->>0 = ?`,
  ),
  head: prepare<Head, [number, number]>(handle, headOf("?")),
  insert: prepare<never, [mesh: number, ...Array<string | number>]>(
    handle,
    `INSERT INTO mesh.audit_block (key, number, previous, hash, at, total, last_seq, actors, events)
      VALUES (${messageKey("?", "?")}, ?, unhex(?), unhex(?), ?, ?, ?, ?, ?)`,
  ),
})

const rememberedMax = 20_000

export type Journal = ReturnType<typeof journalOn>

export const journalOn = (handle: Handle, addresses: Addresses) => {
  const { head, insert, lastBefore, used, usedBefore } = statementsOn(handle)
  // Nobody else writes to the file: until a transaction fails, what was written last is the head.
  const heads = new Map<number, Head>()
  const pending = new Map<MeshId, Pending>()

  const headIn = (mesh: number): Head =>
    heads.get(mesh) ?? head.get(mesh, mesh) ?? { ...noBlock, last_seq: lastBefore.get(mesh, mesh)?.seq ?? 0 }

  const refuseUsed = (meshId: MeshId, mesh: number, seqs: ReadonlyArray<number>, last: number): void => {
    const isTaken = (seq: number) =>
      seq <= last && (used.get(mesh, mesh, seq, mesh, mesh, seq) ?? usedBefore.get(mesh, seq, mesh, seq)) !== null
    if (new Set(seqs).size < seqs.length || seqs.some(isTaken)) throw taken(meshId)
  }

  const write = (meshId: MeshId, { consumed, events }: Pending): void => {
    const mesh = addresses.newMeshNumber(meshId)
    const { hash, last_seq, number, total } = headIn(mesh)
    const seqs = events.flatMap(({ seq }) => seq ?? [])
    refuseUsed(meshId, mesh, seqs, last_seq)
    const block = {
      mesh: meshId,
      number: number + 1,
      previous: hash,
      total: total + events.length + consumed.size,
      ...writtenOf(events, consumed),
    }
    const written = { ...block, hash: blockHash(block) }
    const last = Math.max(last_seq, ...seqs)
    insert.run(mesh, block.number, ...valuesOf(written, last))
    if (heads.size >= rememberedMax) heads.clear()
    heads.set(mesh, { number: written.number, hash: written.hash, total: written.total, last_seq: last })
  }

  const pendingOf = (meshId: MeshId): Pending => {
    const known = pending.get(meshId)
    if (known !== undefined) return known
    const made: Pending = { events: [], consumed: new Map() }
    pending.set(meshId, made)
    return made
  }

  return {
    lastSeq: (mesh: number): number => headIn(mesh).last_seq,
    /** After a transaction that failed. */
    forget: (): void => heads.clear(),
    /** From before a transaction that failed nothing is left. */
    begin: (): void => pending.clear(),
    add: (meshId: MeshId, event: Event): void => void pendingOf(meshId).events.push(event),
    /** Together, of each inbox. */
    consumed: (meshId: MeshId, inbox: number, of: InboxAddress, seqs: ReadonlyArray<number>, at: number): void => {
      const { consumed } = pendingOf(meshId)
      const known = consumed.get(inbox)
      if (known === undefined) consumed.set(inbox, { of, at, messages: [...seqs] })
      else {
        known.messages.push(...seqs)
        known.at = Math.max(known.at, at)
      }
    },
    /** Last in the transaction. */
    write: (): void => {
      for (const [meshId, one] of pending) write(meshId, one)
      pending.clear()
    },
  }
}

const noBlock = { number: 0, hash: chainBegins, total: 0 }

const valuesOf = ({ actors, atMillis, events, hash, number, previous, total }: AuditBlock, lastSeq: number) => [
  number,
  previous,
  hash,
  atMillis,
  total,
  lastSeq,
  actors,
  events,
]

const actorText = (actor: MemberId, session: SessionId | undefined): string => JSON.stringify([actor, session ?? null])

/** Whoever acks does so in many commits. */
const actorTexts = new WeakMap<InboxAddress, string>()
const textOf = (of: InboxAddress): string => {
  const known = actorTexts.get(of)
  if (known !== undefined) return known
  const text = actorText(of.memberId, of.session)
  actorTexts.set(of, text)
  return text
}

/** Each actor once. */
const writtenOf = (events: ReadonlyArray<Event>, consumed: Pending["consumed"]) => {
  const places = new Map<string, number>()
  const actors: Array<string> = []
  let atMillis = 0
  const placeOf = (actor: string): number => {
    const known = places.get(actor)
    if (known !== undefined) return known
    places.set(actor, actors.length)
    return actors.push(actor) - 1
  }
  const texts: Array<string> = []
  const rest: Array<string> = []
  for (const {
    actor,
    at,
    bytes,
    event,
    messageId,
    messages,
    priority,
    recipients,
    seq,
    session,
    targetSpec,
  } of inOrder(events)) {
    atMillis = Math.max(atMillis, at)
    const place = actor === undefined ? undefined : placeOf(actorText(actor, session))
    const of = { seq, atMillis: at, event, actor: place, messageId, targetSpec, priority, bytes, recipients, messages }
    ;(seq === undefined ? rest : texts).push(eventText(of))
  }
  for (const { at, messages, of } of consumed.values()) {
    atMillis = Math.max(atMillis, at)
    rest.push(
      consumedText(
        at,
        placeOf(textOf(of)),
        messages.length === 1 ? messages : messages.toSorted((one, other) => one - other),
      ),
    )
  }
  return {
    atMillis,
    actors: `[${actors.join(",")}]`,
    events: eventsText([...texts, ...rest.toSorted()]),
  }
}

const inOrder = (events: ReadonlyArray<Event>): ReadonlyArray<Event> =>
  events.toSorted((one, other) => (one.seq ?? 0) - (other.seq ?? 0))

const taken = (meshId: MeshId): StoreError =>
  new StoreError({ reason: "fenced", cause: `a sequence number of mesh ${meshId} was used before` })
