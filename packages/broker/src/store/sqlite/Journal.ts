/**
 * The audit, without payload or key (I18): what happened, one row for each mesh and commit, in the commit's own transaction. The row's key
 * is its highest number, so the newest row of a mesh carries the mesh's sequence; a number that was used is refused.
 */
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

export type Journal = ReturnType<typeof journalOn>

export const journalOn = (handle: Handle, addresses: Addresses) => {
  const last = prepare<{ readonly seq: number }, [number, number]>(
    handle,
    `SELECT ${seqOf("key")} AS seq FROM mesh.journal
      WHERE key >= ${messageKey("?", "0")} AND key < ${messageKey("(? + 1)", "0")} ORDER BY key DESC LIMIT 1`,
  )
  const used = prepare<unknown, [number, number, number, number]>(
    handle,
    `SELECT 1 FROM mesh.journal j CROSS JOIN json_each(j.events) e
      WHERE j.key >= ${messageKey("?", "?")} AND j.key < ${messageKey("(? + 1)", "0")} AND e.value->>0 = ?`,
  )
  const insert = prepare<never, [number, number, number, string, string]>(
    handle,
    `INSERT INTO mesh.journal (key, at, actors, events) VALUES (${messageKey("?", "?")}, ?, ?, ?)`,
  )
  const pending = new Map<MeshId, Array<Event>>()

  const lastSeq = (mesh: number): number => last.get(mesh, mesh)?.seq ?? 0

  const write = (meshId: MeshId, events: ReadonlyArray<Event>): void => {
    const mesh = addresses.newMeshNumber(meshId)
    const before = lastSeq(mesh)
    const seqs = new Set(events.map(({ seq }) => seq))
    const isTaken = (seq: number) => seq <= before && used.get(mesh, seq, mesh, seq) !== null
    if (seqs.size < events.length || [...seqs].some(isTaken)) throw taken(meshId)
    const actors = new Map<string, number>()
    const rows: Array<ReadonlyArray<unknown>> = []
    let [highest, at] = [0, 0]
    for (const { actor, message, session, ...event } of events) {
      const name = actor === undefined ? undefined : JSON.stringify([actor, session ?? null])
      const place = name === undefined ? null : (actors.get(name) ?? actors.size)
      if (name !== undefined && place !== null) actors.set(name, place)
      highest = Math.max(highest, event.seq)
      at = Math.max(at, event.at)
      rows.push([
        event.seq,
        event.at,
        event.event,
        place,
        message?.id,
        message?.targetSpec,
        message?.priority,
        message?.bytes,
        event.recipients,
      ])
    }
    insert.run(mesh, highest, at, `[${[...actors.keys()].join(",")}]`, JSON.stringify(rows))
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

const taken = (meshId: MeshId): StoreError =>
  new StoreError({ reason: "fenced", cause: `a sequence number of mesh ${meshId} was used before` })
