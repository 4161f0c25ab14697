/**
 * Watches what a mesh pushes and says when a rule of delivery is broken. It knows only what a recipient can see, and
 * what is committed: not what the mesh believes of itself.
 */
import type { MessageId } from "@claudemesh/domain/Ids"
import { inFlightBytesMax, inFlightReservedForNow } from "@claudemesh/domain/Limits"
import type { Push } from "@claudemesh/domain/wire/BrokerFrame"
import type { Peer } from "./MeshStory.ts"
import type { ModelStore } from "./ModelStore.ts"

export interface Window {
  readonly max: number
  /** A v1 client cannot ack: its pushes are unacked for as long as the store does not have them as consumed. */
  readonly acks: boolean
}

export class DeliveryChecker {
  readonly unacked = new Map<Peer, Map<MessageId, Push>>()
  readonly pushedOnce = new Set<MessageId>()
  private readonly acked = new Set<MessageId>()
  private readonly windows = new Map<Peer, Window>()
  private readonly lastFirst = new Map<string, number>()

  constructor(private readonly store: ModelStore) {}

  opened(peer: Peer, window: Window): void {
    this.unacked.set(peer, new Map())
    this.windows.set(peer, window)
  }

  closed(peer: Peer): void {
    this.unacked.delete(peer)
  }

  ack(peer: Peer, messageId: MessageId): void {
    if (this.unacked.get(peer)?.delete(messageId) === true) this.acked.add(messageId)
  }

  pushed(peer: Peer, push: Push): void {
    const { messageId, priority } = push
    const held = this.unacked.get(peer)
    const window = this.windows.get(peer)
    if (held === undefined || window === undefined) return fail(push, "went to a connection that is not open")
    if (peer.frames[0]?.type !== "hello_ack") return fail(push, "came before hello_ack")
    const stored = this.store.messages.get(messageId)
    if (stored === undefined) return fail(push, "is not committed")
    if (this.acked.has(messageId)) return fail(push, "was acked before")
    for (const others of this.unacked.values()) {
      if (others.has(messageId)) return fail(push, "is unacked already")
    }
    if (this.pushedOnce.has(messageId) && push.redelivered === false) return fail(push, "was pushed before")
    this.checkOrder(push, stored.seq, stored.targetSpec, `${stored.senderMemberId}/${stored.senderSession}`)
    this.pushedOnce.add(messageId)
    if (!window.acks) {
      this.acked.add(messageId)
      return
    }
    held.set(messageId, push)
    if (held.size > window.max) return fail(push, "is more than the window takes")
    const reserved = Math.min(inFlightReservedForNow, Math.floor(window.max / 2))
    const others = [...held.values()]
    if (priority !== "now" && held.size > window.max - reserved) return fail(push, "takes a place kept for `now`")
    const bytes = others.reduce((sum, one) => sum + one.ciphertext.length, 0)
    if (bytes > inFlightBytesMax && held.size > 1) return fail(push, "is more than the window's bytes")
  }

  /** First pushes of one sender, recipient and priority come in the order they were accepted in. */
  private checkOrder(push: Push, seq: number, target: string, sender: string): void {
    if (this.pushedOnce.has(push.messageId)) return
    const lane = `${sender} ${target} ${push.priority}`
    if (seq <= (this.lastFirst.get(lane) ?? 0)) return fail(push, "overtook or was overtaken")
    this.lastFirst.set(lane, seq)
  }
}

const fail = (push: Push, what: string): never => {
  throw new Error(`push of ${push.messageId} (${push.priority}): ${what}`)
}
