/**
 * The audit, without payload or key (I18): what happened, a block for each mesh and commit, in the commit's own transaction, chained to the
 * block before (I29). The row's key is the block's highest number, so the newest row of a mesh carries the mesh's sequence and the head of its
 * chain. A number that is not above that is refused.
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

/** Of a row from before there was a chain, all but the sequence is NULL. */
interface Head {
  readonly seq: number
  readonly number: number | null
  readonly hash: string | null
  readonly total: number | null
}

export type Journal = ReturnType<typeof journalOn>

export const journalOn = (handle: Handle, addresses: Addresses) => {
  const last = prepare<Head, [number, number]>(
    handle,
    `SELECT ${seqOf("key")} AS seq, number, lower(hex(hash)) AS hash, total FROM mesh.audit_block
      WHERE key >= ${messageKey("?", "0")} AND key < ${messageKey("(? + 1)", "0")} ORDER BY key DESC LIMIT 1`,
  )
  const insert = prepare<never, [mesh: number, seq: number, ...Array<string | number>]>(
    handle,
    `INSERT INTO mesh.audit_block (key, number, previous, hash, at, total, actors, events)
      VALUES (${messageKey("?", "?")}, ?, unhex(?), unhex(?), ?, ?, ?, ?)`,
  )
  const pending = new Map<MeshId, Array<Event>>()

  const lastSeq = (mesh: number): number => last.get(mesh, mesh)?.seq ?? 0

  const write = (meshId: MeshId, events: ReadonlyArray<Event>): void => {
    const mesh = addresses.newMeshNumber(meshId)
    const head = last.get(mesh, mesh)
    const seqs = new Set(events.map(({ seq }) => seq))
    if (seqs.size < events.length || events.some(({ seq }) => seq <= (head?.seq ?? 0))) throw taken(meshId)
    const block = {
      mesh: meshId,
      number: (head?.number ?? 0) + 1,
      previous: head?.number === null ? chainBegins : (head?.hash ?? chainBegins),
      total: (head?.total ?? 0) + events.length,
      ...writtenOf(events),
    }
    insert.run(mesh, Math.max(...seqs), ...valuesOf({ ...block, hash: blockHash(block) }))
  }

  return {
    lastSeq,
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
