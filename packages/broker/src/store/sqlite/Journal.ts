/**
 * The audit, without payload or key (I18): what happened, a block for each mesh and commit, in the commit's own transaction, chained to the
 * block before (I29). The row's key is the block's highest number, so the newest row of a mesh carries the mesh's sequence; a number that was
 * used is refused.
 */
import { type AuditBlock, blockHash, chainBegins, eventsText, eventText } from "@claudemesh/domain/audit/AuditBlock"
import type { MemberId, MeshId, MessageId, SessionId } from "@claudemesh/domain/Ids"
import type { Priority } from "@claudemesh/domain/routing/Status"
import { StoreError } from "../MessageStore.ts"
import type { Addresses } from "./Addresses.ts"
import { type Handle, prepare } from "./Handle.ts"
import { messageKey, seqOf } from "./Layout.ts"

interface Event {
  readonly seq: number
  readonly at: number
  readonly event: "mesh_created" | "invite_added" | "member_joined" | "key_revoked" | "mesh_moved" | "message_accepted"
  readonly actor?: MemberId
  readonly session?: SessionId
  readonly recipients?: number
  readonly message?: {
    readonly id: MessageId
    readonly targetSpec: string
    readonly priority: Priority
    readonly bytes: number
  }
}

interface Head {
  readonly number: number
  readonly hash: string
  readonly total: number
}

/** Of the newest rows of a mesh the one with the highest number: a commit may have taken effect after a later one. */
export const headOf = (mesh: string): string =>
  `SELECT o.number, lower(hex(o.hash)) AS hash, o.total FROM (SELECT number, hash, total FROM mesh.audit_block
      WHERE key >= ${messageKey(mesh, "0")} AND key < ${messageKey(`(${mesh} + 1)`, "0")} ORDER BY key DESC LIMIT 64) AS o
    WHERE o.number IS NOT NULL ORDER BY o.number DESC LIMIT 1`

const rememberedMax = 20_000

export type Journal = ReturnType<typeof journalOn>

export const journalOn = (handle: Handle, addresses: Addresses) => {
  const last = prepare<{ readonly seq: number }, [number, number]>(
    handle,
    `SELECT ${seqOf("key")} AS seq FROM mesh.audit_block
      WHERE key >= ${messageKey("?", "0")} AND key < ${messageKey("(? + 1)", "0")} ORDER BY key DESC LIMIT 1`,
  )
  const used = prepare<unknown, [number, number, number, number]>(
    handle,
    `SELECT 1 FROM mesh.audit_block j CROSS JOIN json_each(j.events) e
      WHERE j.key >= ${messageKey("?", "?")} AND j.key < ${messageKey("(? + 1)", "0")} AND e.value->>0 = ?`,
  )
  const head = prepare<Head, [number, number]>(handle, headOf("?"))
  // Nobody else writes to the file: until a transaction fails, what was written last is the head.
  const heads = new Map<number, Head>()
  const insert = prepare<never, [mesh: number, seq: number, ...Array<string | number>]>(
    handle,
    `INSERT INTO mesh.audit_block (key, number, previous, hash, at, total, actors, events)
      VALUES (${messageKey("?", "?")}, ?, unhex(?), unhex(?), ?, ?, ?, ?)`,
  )
  const pending = new Map<MeshId, Array<Event>>()

  const lastSeq = (mesh: number): number => last.get(mesh, mesh)?.seq ?? 0

  const write = (meshId: MeshId, events: ReadonlyArray<Event>): void => {
    const mesh = addresses.newMeshNumber(meshId)
    const before = lastSeq(mesh)
    const seqs = new Set(events.map(({ seq }) => seq))
    const isTaken = (seq: number) => seq <= before && used.get(mesh, seq, mesh, seq) !== null
    if (seqs.size < events.length || [...seqs].some(isTaken)) throw taken(meshId)
    const { hash, number, total } = heads.get(mesh) ?? head.get(mesh, mesh) ?? noBlock
    const block = {
      mesh: meshId,
      number: number + 1,
      previous: hash,
      total: total + events.length,
      ...writtenOf(events),
    }
    const written = { ...block, hash: blockHash(block) }
    insert.run(mesh, Math.max(...seqs), ...valuesOf(written))
    if (heads.size >= rememberedMax) heads.clear()
    heads.set(mesh, { number: written.number, hash: written.hash, total: written.total })
  }

  return {
    lastSeq,
    /** After a transaction that failed. */
    forget: (): void => heads.clear(),
    /** From before a transaction that failed nothing is left. */
    begin: (): void => pending.clear(),
    add: (meshId: MeshId, event: Event): void => {
      const events = pending.get(meshId)
      if (events === undefined) pending.set(meshId, [event])
      else events.push(event)
    },
    /** Last in the transaction. */
    write: (): void => {
      for (const [meshId, events] of pending) write(meshId, events)
      pending.clear()
    },
  }
}

const noBlock: Head = { number: 0, hash: chainBegins, total: 0 }

const valuesOf = ({ actors, atMillis, events, hash, number, previous, total }: AuditBlock) => [
  number,
  previous,
  hash,
  atMillis,
  total,
  actors,
  events,
]

/** Each actor once. */
const writtenOf = (events: ReadonlyArray<Event>) => {
  const actors = new Map<string, number>()
  let atMillis = 0
  const texts: Array<string> = []
  for (const { actor, at, event, message, recipients, seq, session } of events.toSorted((a, b) => a.seq - b.seq)) {
    const name = actor === undefined ? undefined : JSON.stringify([actor, session ?? null])
    const place = name === undefined ? undefined : (actors.get(name) ?? actors.size)
    if (name !== undefined && place !== undefined) actors.set(name, place)
    atMillis = Math.max(atMillis, at)
    texts.push(
      eventText({
        seq,
        atMillis: at,
        event,
        actor: place,
        messageId: message?.id,
        targetSpec: message?.targetSpec,
        priority: message?.priority,
        bytes: message?.bytes,
        recipients,
      }),
    )
  }
  return { atMillis, actors: `[${[...actors.keys()].join(",")}]`, events: eventsText(texts) }
}

const taken = (meshId: MeshId): StoreError =>
  new StoreError({ reason: "fenced", cause: `a sequence number of mesh ${meshId} was used before` })
