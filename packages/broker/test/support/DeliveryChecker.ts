/**
 * Watches what a mesh pushes and says when a rule of delivery is broken. It knows only what a recipient can see, and
 * what is committed: not what the mesh believes of itself.
 */
import type { MessageId } from "@claudemesh/domain/Ids"
import { inFlightBytesMax, inFlightBytesReservedForNow, inFlightReservedForNow } from "@claudemesh/domain/Limits"
import type { Push } from "@claudemesh/domain/wire/BrokerFrame"
import type { Peer } from "./MeshScenario.ts"
import type { ModelStore } from "./ModelStore.ts"

export interface Window {
  readonly max: number
  /** A v1 client cannot ack: its pushes are unacked for as long as the store does not have them as consumed. */
  readonly acks: boolean
}

export class DeliveryChecker {
  readonly unacked = new Map<Peer, Map<MessageId, Push>>()
  readonly pushedOnce = new Set<MessageId>()
  /** Granted and not over. */
  readonly leased = new Map<MessageId, Peer>()
  /** Their lease ended without a word: they may have been shown. */
  private readonly mayBeShown = new Set<MessageId>()
  /** Whether they were leased was not known for a while, so that they may be marked and need not be. */
  private readonly uncertain = new Set<MessageId>()
  private readonly acked = new Set<MessageId>()
  private readonly windows = new Map<Peer, Window>()
  private readonly lastFirst = new Map<string, number>()

  constructor(private readonly store: ModelStore) {}

  opened(peer: Peer, window: Window): void {
    this.unacked.set(peer, new Map())
    this.windows.set(peer, window)
  }

  /** A v2 session that is there: it leases, pulls and acks. */
  acks(peer: Peer): boolean {
    return this.unacked.has(peer) && this.windows.get(peer)?.acks === true
  }

  closed(peer: Peer): void {
    this.unacked.delete(peer)
    for (const [messageId, holder] of this.leased) {
      if (holder !== peer) continue
      this.leased.delete(messageId)
      this.mayBeShown.add(messageId)
    }
  }

  /** The store may have marked these for a lease that was not granted, and nobody knows. */
  unsure(messageIds: Iterable<MessageId>): void {
    for (const messageId of messageIds) this.uncertain.add(messageId)
  }

  ack(peer: Peer, messageId: MessageId): void {
    if (this.unacked.get(peer)?.delete(messageId) === true) this.acked.add(messageId)
    if (this.leased.get(messageId) === peer) this.leased.delete(messageId)
  }

  release(peer: Peer, messageId: MessageId): void {
    if (this.leased.get(messageId) === peer) this.leased.delete(messageId)
  }

  granted(peer: Peer, messageIds: ReadonlyArray<MessageId>): void {
    for (const messageId of messageIds) {
      const push = this.unacked.get(peer)?.get(messageId)
      if (push === undefined) throw new Error(`${messageId} was granted to a session that does not have it`)
      const holder = this.leased.get(messageId) ?? peer
      if (holder !== peer) return fail(push, "was granted to two")
      const isMarked = this.store.deliveries.some((one) => one.message.messageId === messageId && one.leased !== false)
      if (!isMarked) return fail(push, "was granted before that was written down")
      this.leased.set(messageId, peer)
    }
  }

  recalled(peer: Peer, messageIds: ReadonlyArray<MessageId>): void {
    for (const messageId of messageIds) {
      const push = this.unacked.get(peer)?.get(messageId)
      if (push === undefined) throw new Error(`${messageId} was recalled from a session that does not have it`)
      if (this.leased.has(messageId)) return fail(push, "was recalled though it is leased")
      this.unacked.get(peer)?.delete(messageId)
    }
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
    if (this.mayBeShown.has(messageId) && push.redelivered === false) return fail(push, "may have been shown before")
    const isMarkedForNothing = push.redelivered === true && !this.mayBeShown.has(messageId)
    if (isMarkedForNothing && !this.uncertain.has(messageId)) return fail(push, "was never shown")
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
    const bytesMax = inFlightBytesMax - (priority === "now" ? 0 : inFlightBytesReservedForNow)
    if (bytes > bytesMax && held.size > 1) return fail(push, "is more than the window's bytes")
  }

  /** First pushes of one sender, recipient and priority come in the order they were accepted in. */
  private checkOrder(push: Push, seq: number, target: string, sender: string): void {
    if (this.pushedOnce.has(push.messageId)) return
    const groupCommit = `${sender} ${target} ${push.priority}`
    if (seq <= (this.lastFirst.get(groupCommit) ?? 0)) return fail(push, "overtook or was overtaken")
    this.lastFirst.set(groupCommit, seq)
  }
}

const fail = (push: Push, what: string): never => {
  throw new Error(`push of ${push.messageId} (${push.priority}): ${what}`)
}
