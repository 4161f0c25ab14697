/**
 * What waits in a session's inbox waits in its member's from now on, but for what the member has already: it sent it to a group, or
 * another of its inboxes has it, be it acked there. Of two inboxes that move one after the other, the second finds what the first left.
 */
import type { Write } from "../MessageStore.ts"
import { leasedForGood } from "../sql/Rows.ts"
import type { Address, Addresses } from "./Addresses.ts"
import type { DeliveryWrites } from "./DeliveryWrites.ts"
import { type Handle, prepare } from "./Handle.ts"
import { messageKey, priorityOf, seqOf, waitingKey } from "./Layout.ts"
import { numbersIn } from "./Reports.ts"

type Moved = Extract<Write, { readonly _tag: "InboxMoved" }>

interface Row {
  readonly seq: number
  readonly priority: number
  readonly leased_at: number | null
  readonly target_spec: string
  readonly sender: number
  readonly recipients: string
}

type Key = [address: number, priority: number, seq: number]

const toGroup = /^(\*$|#|tag:)/

export const moveWritesOn = (handle: Handle, addresses: Addresses, deliveries: DeliveryWrites) => {
  const ofInbox = prepare<Row, [mesh: number, address: number, next: number, below: number]>(
    handle,
    `SELECT ${seqOf("w.key")} AS seq, ${priorityOf("w.key")} AS priority, w.leased_at, a.sender, a.recipients,
        coalesce(w.target_spec, g.target_spec) AS target_spec
      FROM mesh.waiting w CROSS JOIN mesh.accepted a ON a.key = ${messageKey("?", seqOf("w.key"))}
      LEFT JOIN mesh.group_text g ON g.key = a.key
      WHERE w.key >= ${waitingKey("?", "0", "0")} AND w.key < ${waitingKey("(? + 1)", "0", "0")} AND ${seqOf("w.key")} < ?`,
  )
  const key = waitingKey("?", "?", "?")
  const waits = prepare<unknown, Key>(handle, `SELECT 1 FROM mesh.waiting WHERE key = ${key}`)
  const isConsumed = prepare<unknown, [mesh: number, seq: number, address: number]>(
    handle,
    `SELECT 1 FROM mesh.consumed WHERE message = ${messageKey("?", "?")} AND address = ?`,
  )
  const move = prepare<never, [...Key, ...Key]>(handle, `UPDATE mesh.waiting SET key = ${key} WHERE key = ${key}`)
  const mark = prepare<never, Key>(handle, `UPDATE mesh.waiting SET leased_at = ${leasedForGood} WHERE key = ${key}`)

  /** The member's other inboxes that have had the message. */
  const othersOf = ({ number: from, own }: Address, mesh: number, { priority, recipients, seq }: Row) => {
    const theirs = numbersIn(recipients).filter((number) => addresses.numbered(number)?.own === own)
    return [...new Set([own, ...theirs])].filter(
      (number) =>
        number !== from && (waits.get(number, priority, seq) !== null || isConsumed.get(mesh, seq, number) !== null),
    )
  }

  /** What is accepted later has a higher number than `belowSeq`, and is not moved. */
  return ({ meshId, memberId, session, what }: Moved, belowSeq: number): void => {
    const mesh = addresses.meshNumber(meshId)
    const from = addresses.find(meshId, { memberId, session })
    if (mesh === undefined || from === undefined) return
    for (const row of ofInbox.all(mesh, from.number, from.number, belowSeq)) {
      const { leased_at, priority, sender, seq, target_spec } = row
      const isToGroup = toGroup.test(target_spec)
      if (what === "groups" && !isToGroup) continue
      const others = othersOf(from, mesh, row)
      const isOwn = isToGroup && addresses.numbered(sender)?.own === from.own
      if (others.length === 0 && !isOwn) {
        move.run(from.own, priority, seq, from.number, priority, seq)
        continue
      }
      deliveries.remove(mesh, [from.number, priority, seq])
      // What was dropped may have been shown: so may what its member has instead, whatever becomes of a lease of that one.
      if (leased_at !== null) for (const other of others) mark.run(other, priority, seq)
    }
  }
}
