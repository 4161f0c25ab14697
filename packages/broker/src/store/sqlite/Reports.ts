/**
 * What became of a message. Who was meant is in the row of what was accepted; for whom it waits still, and who has acked it, is looked up. A
 * session's delivery that is in neither was moved: its member has it, or had it already.
 */
import type { MeshId, MessageId } from "@claudemesh/domain/Ids"
import type { DeliveryReport } from "../MessageStore.ts"
import { type Address, type Addresses, inboxOf } from "./Addresses.ts"
import { type Handle, prepare } from "./Handle.ts"
import { messageKey, priorities, waitingKey } from "./Layout.ts"
import type { MessageIds } from "./MessageIds.ts"

interface Accepted {
  readonly sender: number
  readonly priority: number
  readonly expires_at: number
  readonly content_hash: string
  readonly recipients: string
}

export type Reports = ReturnType<typeof reportsOn>

export const numbersIn = (recipients: string): ReadonlyArray<number> =>
  recipients.slice(1, -1).split(",").filter(Boolean).map(Number)

export const reportsOn = (handle: Handle, addresses: Addresses, ids: MessageIds) => {
  const accepted = prepare<Accepted, [number, number]>(
    handle,
    `SELECT sender, priority, expires_at, content_hash, recipients FROM mesh.accepted WHERE key = ${messageKey("?", "?")}`,
  )
  const consumed = prepare<{ readonly at: number }, [number, number, number]>(
    handle,
    `SELECT at FROM mesh.consumed WHERE message = ${messageKey("?", "?")} AND address = ?`,
  )
  const waits = prepare<unknown, [number, number, number]>(
    handle,
    `SELECT 1 FROM mesh.waiting WHERE key = ${waitingKey("?", "?", "?")}`,
  )

  return (meshId: MeshId, messageId: MessageId) => {
    const { mesh, seq } = ids.find(messageId) ?? {}
    if (mesh === undefined || seq === undefined || mesh !== addresses.meshNumber(meshId)) return undefined
    const found = accepted.get(mesh, seq)
    const sender = found === null ? undefined : addresses.numbered(found.sender)
    const priority = priorities[found?.priority ?? 0]
    if (found === null || sender === undefined || priority === undefined) return undefined
    const deliveries = new Map<number, DeliveryReport["deliveries"][number]>()
    const isAt = (address: Address): boolean => {
      const at = consumed.get(mesh, seq, address.number)?.at
      if (at === undefined && waits.get(address.number, found.priority, seq) === null) return false
      deliveries.set(address.number, { inbox: inboxOf(address), consumedAtMillis: at })
      return true
    }
    for (const number of numbersIn(found.recipients)) {
      const address = addresses.numbered(number)
      if (address === undefined || isAt(address) || address.own === number) continue
      const own = addresses.numbered(address.own)
      if (own !== undefined) isAt(own)
    }
    const deliveryReport: DeliveryReport = {
      seq,
      senderMemberId: sender.memberId,
      priority,
      expiresAtMillis: found.expires_at,
      deliveries: [...deliveries.values()],
    }
    return { contentHash: found.content_hash, deliveryReport }
  }
}
