/** What becomes of deliveries: leased, consumed, or moved from a session's inbox to its member's. */
import type { MeshId } from "@claudemesh/domain/Ids"
import type { Write } from "../MessageStore.ts"
import * as Rows from "../sql/Rows.ts"
import { prepare, type SqliteHandle } from "./Handle.ts"

type Of<Tag extends Write["_tag"]> = Extract<Write, { readonly _tag: Tag }>

interface Dropped {
  readonly mesh_id: MeshId
  readonly seq: number
  readonly member_id: string
  readonly leased_at: number | null
}

/** `only_groups` is 1 or 0. */
type Moving = [mesh: string, member: string, session: string, below: number, onlyGroups: number]

const toGroup = "(m.target_spec = '*' OR m.target_spec LIKE '#%' OR m.target_spec LIKE 'tag:%')"

/** CROSS JOIN has SQLite begin with the inbox that moves, and the sum look at it by the index of what waits. */
const moving = `SELECT d.mesh_id, d.seq, d.member_id, d.session_id FROM mesh.delivery d CROSS JOIN mesh.message m
  WHERE d.mesh_id = ? AND d.member_id = ? AND d.session_id = ? AND d.consumed_at IS NULL AND d.seq + 0 < ?
    AND m.mesh_id = d.mesh_id AND m.seq = d.seq AND (? = 0 OR ${toGroup})`

export const deliveryWritesOn = (handle: SqliteHandle["Service"]) => {
  const ofDelivery = "mesh_id = ? AND seq = ? AND member_id = ? AND session_id = ? AND consumed_at IS NULL"
  type Key = [mesh: string, seq: number, member: string, session: string]
  const consume = prepare<never, [at: number, ...Key]>(
    handle,
    `UPDATE mesh.delivery SET consumed_at = ?, sealed_key = NULL WHERE ${ofDelivery}`,
  )
  // With its last recipient a message's ciphertext goes; what is left is its metadata.
  const erase = prepare<never, [string, number]>(
    handle,
    `UPDATE mesh.message SET ciphertext = '' WHERE mesh_id = ? AND seq = ? AND NOT EXISTS (
      SELECT 1 FROM mesh.delivery d WHERE d.mesh_id = message.mesh_id AND d.seq = message.seq AND d.consumed_at IS NULL)`,
  )
  const lease = prepare<never, [at: number | null, ...Key]>(
    handle,
    `UPDATE mesh.delivery SET leased_at = ? WHERE ${ofDelivery} AND leased_at IS NOT ${Rows.leasedForGood}`,
  )
  // What the member has already: it sent it, or another of its inboxes has it.
  const drop = prepare<Dropped, Moving>(
    handle,
    `DELETE FROM mesh.delivery WHERE (mesh_id, seq, member_id, session_id) IN (${moving}
      AND ((m.sender_member_id = d.member_id AND ${toGroup}) OR EXISTS (
        SELECT 1 FROM mesh.delivery o WHERE o.mesh_id = d.mesh_id AND o.seq = d.seq AND o.member_id = d.member_id
          AND o.session_id <> d.session_id))) RETURNING mesh_id, seq, member_id, leased_at`,
  )
  const move = prepare<never, Moving>(
    handle,
    `UPDATE mesh.delivery SET session_id = '' WHERE (mesh_id, seq, member_id, session_id) IN (${moving})`,
  )
  // What was dropped may have been shown: so may what its member has instead, whatever becomes of a lease of that one.
  const markStaying = prepare<never, [mesh: string, seq: number, member: string]>(
    handle,
    `UPDATE mesh.delivery SET leased_at = ${Rows.leasedForGood} WHERE mesh_id = ? AND seq = ? AND member_id = ?
      AND consumed_at IS NULL`,
  )

  return {
    consume: ({ atMillis, inbox, meshId, seq }: Of<"Consume">): void =>
      void consume.run(atMillis, meshId, seq, inbox.memberId, Rows.sessionColumn(inbox)),

    /** A group message is consumed by many in one batch: it is looked at once. */
    eraseConsumed: (messages: ReadonlyArray<{ readonly meshId: MeshId; readonly seq: number }>): void => {
      const once = new Map(messages.map((one) => [Rows.seqKey(one.meshId, one.seq), one]))
      for (const { meshId, seq } of once.values()) erase.run(meshId, seq)
    },

    /** Leased at a time, or no more. A mark that is for good stays. */
    lease: (word: Of<"Lease"> | Of<"Release">): void => {
      const at = word._tag === "Lease" ? word.atMillis : null
      for (const { inbox, seq } of word.deliveries) {
        lease.run(at, word.meshId, seq, inbox.memberId, Rows.sessionColumn(inbox))
      }
    },

    /** Moves what is below the number, and gives the messages of which the member turned out to have another delivery. */
    move: ({ meshId, memberId, session, what }: Of<"InboxMoved">, belowSeq: number) => {
      const where: Moving = [meshId, memberId, session, belowSeq, what === "groups" ? 1 : 0]
      const dropped = drop.all(...where)
      for (const { leased_at, member_id, mesh_id, seq } of dropped) {
        if (leased_at !== null) markStaying.run(mesh_id, seq, member_id)
      }
      move.run(...where)
      return dropped.map(({ mesh_id, seq }) => ({ meshId: mesh_id, seq }))
    },
  }
}
