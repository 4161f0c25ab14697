/**
 * What waits for the agent in one mesh (I23). A message that was pushed here is not this session's yet: another session of the
 * member may ask for it and take it away. Before it is shown it is leased from the broker, and what is not granted is dropped. A lease
 * ends when the messages were shown, which is written down and acked then (I8), or when they were not: they wait again. No message
 * id is shown twice: one that was shown and comes again is acked again, for that ack was lost (I7).
 */
import type { DisplayName, MeshId, MessageId, PublicKey, SessionId, Slug } from "@claudemesh/domain/Ids"
import type { IsoTime } from "@claudemesh/domain/IsoTime"
import type { Priority } from "@claudemesh/domain/routing/Status"
import { Effect, Exit, Latch } from "effect"
import type { RequestError } from "../connection/Requests.ts"
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
  /** It was leased once, by another session or before a restart, and may have been shown. */
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

/** Ends once, with the first of these; whatever comes after that does nothing. It outlives the connection. */
export interface Lease {
  readonly messages: ReadonlyArray<InboxMessage>
  /** They were shown: that is written down, and they are acked. */
  readonly commit: Effect.Effect<void>
  /** None was shown: they wait again, where they stood. */
  readonly release: Effect.Effect<void>
}

export type Offered = "kept" | "duplicate" | "shown-before" | "full"

/** What the inbox says to the broker; nothing without a connection. */
export interface InboxWire {
  /** Those of them that are this session's own now. */
  readonly lease: (messageIds: ReadonlyArray<MessageId>) => Effect.Effect<ReadonlySet<MessageId>, RequestError>
  readonly ack: (messageIds: ReadonlyArray<MessageId>) => void
  readonly release: (messageIds: ReadonlyArray<MessageId>) => void
}

interface Held {
  readonly message: HeldMessage
  state: "waiting" | "asked" | "leased"
  /** It was pushed on this connection, and neither acked nor recalled since. */
  inFlight: boolean
  /** The broker leased it on this connection. */
  isLeasedHere: boolean
}

export class Inbox {
  readonly #held = new Map<MessageId, Held>()
  readonly #available = Latch.makeUnsafe()
  readonly #wire: InboxWire
  readonly #seen: () => Seen

  constructor(seen: () => Seen, wire: InboxWire) {
    this.#seen = seen
    this.#wire = wire
  }

  /** `window`: what the broker may push on this connection without an ack. */
  offer(message: HeldMessage, window: number): Offered {
    const { messageId } = message
    const held = this.#held.get(messageId)
    // First, for one that is being written down is acked when it is written.
    if (held !== undefined) {
      held.inFlight = true
      return "duplicate"
    }
    if (this.#seen().has(message)) {
      this.#wire.ack([messageId])
      return "shown-before"
    }
    if ([...this.#held.values()].filter(({ inFlight }) => inFlight).length >= window) return "full"
    this.#held.set(messageId, { message, state: "waiting", inFlight: true, isLeasedHere: false })
    this.#look()
    return "kept"
  }

  /** Another session of the member has asked for them. */
  recalled(messageIds: ReadonlyArray<MessageId>): void {
    for (const messageId of messageIds) {
      const held = this.#held.get(messageId)
      if (held === undefined) continue
      held.inFlight = false
      if (held.state !== "leased") this.#held.delete(messageId)
    }
    this.#look()
  }

  /** Everything unleased is pending again, for any session of the member; what is still ours is pushed again. Gives how many. */
  connectionLost(): number {
    const forgotten = [...this.#held].filter(([, { state }]) => state !== "leased")
    for (const [messageId] of forgotten) this.#held.delete(messageId)
    for (const held of this.#held.values()) {
      held.inFlight = false
      held.isLeasedHere = false
    }
    this.#look()
    return forgotten.length
  }

  /** What another process of this machine has shown meanwhile is acked, and not shown. */
  get seenElsewhere(): Effect.Effect<void> {
    return Effect.map(
      Effect.suspend(() => this.#seen().refresh),
      () => {
        const seen = this.waiting.filter((message) => this.#seen().has(message)).map(({ messageId }) => messageId)
        if (seen.length === 0) return
        for (const messageId of seen) this.#held.delete(messageId)
        this.#look()
        this.#wire.ack(seen)
      },
    )
  }

  /** By arrival. */
  get waiting(): ReadonlyArray<HeldMessage> {
    return [...this.#held.values()]
      .filter(({ state }) => state === "waiting")
      .map(({ message }) => message)
      .toSorted((a, b) => a.arrival - b.arrival)
  }

  /** Until a message waits. */
  get awaitAvailable(): Effect.Effect<void> {
    return Effect.asVoid(this.#available.await)
  }

  /**
   * Of messages that wait, those that the broker grants, judged. If that is given up they wait again. `held` has the lease in one
   * step with its making: whoever is interrupted while it comes back can still end it.
   */
  lease(
    messages: ReadonlyArray<HeldMessage>,
    judge: (messages: ReadonlyArray<HeldMessage>) => Effect.Effect<ReadonlyArray<InboxMessage>>,
    held: (lease: Lease) => void = () => {},
  ): Effect.Effect<Lease> {
    return Effect.uninterruptibleMask((restore) =>
      Effect.gen({ self: this }, function* () {
        const asked = messages.flatMap((message) => {
          const found = this.#held.get(message.messageId)
          return found?.message === message && found.state === "waiting" ? [found] : []
        })
        const granted = asked.length === 0 ? [] : yield* this.#ask(asked, restore)
        const leased = yield* this.#notSeenMeanwhile(granted)
        const ends = this.#endsOf(leased)
        const judged = yield* restore(judge(leased.map(({ message }) => message))).pipe(
          Effect.onExit((exit) => (Exit.isFailure(exit) ? ends.release : Effect.void)),
        )
        const lease: Lease = { messages: judged, ...ends }
        held(lease)
        return lease
      }),
    )
  }

  #ask(asked: ReadonlyArray<Held>, restore: <A, E>(effect: Effect.Effect<A, E>) => Effect.Effect<A, E>) {
    for (const held of asked) held.state = "asked"
    this.#look()
    return restore(this.#wire.lease(asked.map(({ message }) => message.messageId))).pipe(
      Effect.map((granted) => this.#granted(asked, granted)),
      Effect.onExit((exit) => Effect.sync(() => (Exit.isFailure(exit) ? this.#givenUp(asked) : undefined))),
      Effect.orElseSucceed((): ReadonlyArray<Held> => []),
    )
  }

  /** What was not granted is another session's, or gone. One that was recalled and pushed again meanwhile is another one here. */
  #granted(asked: ReadonlyArray<Held>, granted: ReadonlySet<MessageId>): ReadonlyArray<Held> {
    const still = asked.filter((held) => this.#isHeld(held))
    for (const held of still) {
      if (granted.has(held.message.messageId)) {
        held.state = "leased"
        held.isLeasedHere = true
      } else {
        this.#held.delete(held.message.messageId)
      }
    }
    this.#look()
    return still.filter(({ state }) => state === "leased")
  }

  /** While the broker was asked, another process of this machine may have shown some of them, whose lease had ended. */
  #notSeenMeanwhile(granted: ReadonlyArray<Held>): Effect.Effect<ReadonlyArray<Held>> {
    if (granted.length === 0) return Effect.succeed(granted)
    return Effect.map(this.#seen().refresh, () => {
      const seen = granted.filter(({ message }) => this.#seen().has(message))
      for (const held of seen) if (this.#isHeld(held)) this.#held.delete(held.message.messageId)
      if (seen.length > 0) this.#wire.ack(seen.map(({ message }) => message.messageId))
      return granted.filter((held) => !seen.includes(held))
    })
  }

  /** The broker may have leased them in the meantime. */
  #givenUp(asked: ReadonlyArray<Held>): void {
    const still = asked.filter((held) => this.#isHeld(held))
    for (const held of still) held.state = "waiting"
    this.#look()
    if (still.length > 0) this.#wire.release(still.map(({ message }) => message.messageId))
  }

  #isHeld(held: Held): boolean {
    return this.#held.get(held.message.messageId) === held
  }

  #endsOf(leased: ReadonlyArray<Held>): Omit<Lease, "messages"> {
    let isOpen = true
    const once = (end: Effect.Effect<void>) =>
      Effect.suspend(() => {
        if (!isOpen) return Effect.void
        isOpen = false
        return end
      }).pipe(Effect.uninterruptible)
    return {
      commit: once(leased.length === 0 ? Effect.void : Effect.suspend(() => this.#commit(leased))),
      release: once(Effect.sync(() => this.#putBack(leased))),
    }
  }

  #commit(shown: ReadonlyArray<Held>): Effect.Effect<void> {
    const messageIds = shown.map(({ message }) => message.messageId)
    return Effect.map(this.#seen().add(messageIds), () => {
      for (const held of shown) if (this.#isHeld(held)) this.#held.delete(held.message.messageId)
      this.#wire.ack(messageIds)
    })
  }

  /** What is not in flight here any more is pushed again, to us or to another session of the member. */
  #putBack(unshown: ReadonlyArray<Held>): void {
    const leasedHere = unshown.filter(({ isLeasedHere }) => isLeasedHere).map(({ message }) => message.messageId)
    for (const held of unshown) {
      held.state = "waiting"
      held.isLeasedHere = false
      if (!held.inFlight) this.#held.delete(held.message.messageId)
    }
    this.#look()
    if (leasedHere.length > 0) this.#wire.release(leasedHere)
  }

  #look(): void {
    for (const { state } of this.#held.values()) {
      if (state !== "waiting") continue
      this.#available.openUnsafe()
      return
    }
    this.#available.closeUnsafe()
  }
}

/**
 * The oldest first, by their brokers' time; what one member said in one mesh, as urgently, in the order in which it arrived, since a
 * broker's clock may be set back.
 */
export const oldestFirst = <
  Message extends Pick<HeldMessage, "arrival" | "createdAt" | "meshId" | "priority" | "senderKey">,
>(
  messages: ReadonlyArray<Message>,
): ReadonlyArray<Message> => {
  const latest = new Map<string, number>()
  const timed = messages
    .toSorted((a, b) => a.arrival - b.arrival)
    .map((message) => {
      const said = `${message.meshId} ${message.senderKey} ${message.priority}`
      const millis = Math.max(Date.parse(message.createdAt), latest.get(said) ?? Number.NEGATIVE_INFINITY)
      latest.set(said, millis)
      return { message, millis }
    })
  return timed.toSorted((a, b) => a.millis - b.millis).map(({ message }) => message)
}
