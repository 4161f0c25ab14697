/**
 * Messages of one mesh that wait for the agent: at most 500, buffered and leased together (I23). They are taken
 * as a lease, written down as shown once the host has them, and acked then (I8). No message id is shown twice: one that
 * comes again while it waits is dropped, and one that was shown is acked again, for that ack was lost (I7).
 */
import type { DisplayName, MeshId, MessageId, PublicKey, SessionId, Slug } from "@claudemesh/domain/Ids"
import type { IsoTime } from "@claudemesh/domain/IsoTime"
import type { Priority } from "@claudemesh/domain/routing/Status"
import { Effect, Latch } from "effect"
import { pushBufferMax } from "../Limits.ts"
import type { Content } from "../seal/OpenPush.ts"
import type { MemberStanding } from "../trust/MemberStanding.ts"
import type { Seen } from "./SeenMessages.ts"

/** As it came: from whom it is, and whether that is somebody, is judged when it is taken (`JudgeMessage.ts`). */
export interface HeldMessage {
  readonly messageId: MessageId
  readonly meshId: MeshId
  readonly slug: Slug
  readonly senderKey: PublicKey
  readonly senderSessionId: SessionId | undefined
  readonly priority: Priority
  readonly targetSpec: string | undefined
  readonly replyTo: MessageId | undefined
  readonly createdAt: IsoTime
  /** It may have been delivered before, to another session or before a restart. */
  readonly redelivered: boolean
  /** Counts over all meshes of the process. */
  readonly arrival: number
  readonly content: Content
}

/** As the agent may see it. */
export interface InboxMessage extends HeldMessage {
  /** The name is that of its certificate; there is none for who was never proved. */
  readonly sender: { readonly name: DisplayName | undefined; readonly standing: MemberStanding }
}

/** Ends with the first of `consumed` and `putBack`; whatever comes after that does nothing. */
export interface Lease<Message extends HeldMessage = InboxMessage> {
  readonly messages: ReadonlyArray<Message>
  /** The host has them: that is written down, and they are acked. */
  readonly consumed: Effect.Effect<void>
  /** The host could not take them: they wait again, where they stood. */
  readonly putBack: Effect.Effect<void>
}

export type Offered = "kept" | "duplicate" | "handed-over-before" | "full"

export class PushBuffer {
  #waiting: Array<HeldMessage> = []
  readonly #leased = new Set<MessageId>()
  readonly #available = Latch.makeUnsafe()
  readonly #ack: (messageIds: ReadonlyArray<MessageId>) => void
  readonly #seen: Seen
  #dropped = 0

  constructor(seen: Seen, ack: (messageIds: ReadonlyArray<MessageId>) => void) {
    this.#seen = seen
    this.#ack = ack
  }

  offer(message: HeldMessage): Offered {
    const { messageId } = message
    // First, for one that is being written down is acked when it is written.
    if (this.#leased.has(messageId) || this.#waiting.some((other) => other.messageId === messageId)) return "duplicate"
    if (this.#seen.has(message)) {
      this.#ack([messageId])
      return "handed-over-before"
    }
    if (this.#waiting.length + this.#leased.size >= pushBufferMax) {
      this.#dropped += 1
      return "full"
    }
    this.#waiting.push(message)
    this.#available.openUnsafe()
    return "kept"
  }

  /**
   * The connection is lost: to the broker everything unacked is pending again, and another session of our member
   * may be given it. What only this session can have is kept; the rest comes again if it is still ours.
   */
  connectionLost(ownSpec: string): void {
    this.#setWaiting(this.#waiting.filter(({ targetSpec }) => targetSpec === ownSpec))
  }

  /** What another process of this machine has shown meanwhile is acked, and not shown. */
  get seenElsewhere(): Effect.Effect<void> {
    return Effect.map(this.#seen.refresh, () => {
      const seen = this.#waiting.filter((message) => this.#seen.has(message))
      if (seen.length === 0) return
      this.#setWaiting(this.#waiting.filter((message) => !seen.includes(message)))
      this.#ack(seen.map(({ messageId }) => messageId))
    })
  }

  /** By arrival. */
  get waiting(): ReadonlyArray<HeldMessage> {
    return this.#waiting
  }

  /** Pushes over the bound since the start: the broker keeps those, and sends them again. */
  get dropped(): number {
    return this.#dropped
  }

  /** Until a message waits. */
  get awaitAvailable(): Effect.Effect<void> {
    return Effect.asVoid(this.#available.await)
  }

  take(max: number = pushBufferMax): Effect.Effect<Lease<HeldMessage>> {
    return Effect.sync(() => this.lease(this.#waiting.slice(0, max)))
  }

  /** Of messages that wait, in one step with having looked at them. */
  lease(messages: ReadonlyArray<HeldMessage>): Lease<HeldMessage> {
    for (const { messageId } of messages) this.#leased.add(messageId)
    this.#setWaiting(this.#waiting.filter(({ messageId }) => !this.#leased.has(messageId)))
    const messageIds = messages.map(({ messageId }) => messageId)
    let open = true
    const end = (how: Effect.Effect<void>) =>
      Effect.suspend(() => {
        if (!open) return Effect.void
        open = false
        return messages.length === 0 ? Effect.void : Effect.uninterruptible(how)
      })
    const release = () => {
      for (const messageId of messageIds) this.#leased.delete(messageId)
    }
    return {
      messages,
      consumed: end(
        Effect.map(this.#seen.add(messageIds), () => {
          release()
          this.#ack(messageIds)
        }),
      ),
      putBack: end(
        Effect.sync(() => {
          release()
          this.#setWaiting([...messages, ...this.#waiting].toSorted((a, b) => a.arrival - b.arrival))
        }),
      ),
    }
  }

  #setWaiting(messages: Array<HeldMessage>): void {
    this.#waiting = messages
    if (messages.length > 0) this.#available.openUnsafe()
    else this.#available.closeUnsafe()
  }
}
