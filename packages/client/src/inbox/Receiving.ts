/**
 * The way of a message from the socket to the agent: opened as it comes, held in the inbox, leased, judged, and kept for whoever wants
 * to see it again before it is handed over. And what else waits, at the broker and in other sessions of the member, as it said last.
 */
import type { MessageId, SessionId } from "@claudemesh/domain/Ids"
import { ackBatchMax } from "@claudemesh/domain/Limits"
import { MessageTraces } from "@claudemesh/domain/MessageTraces"
import type { Elsewhere, Push } from "@claudemesh/domain/wire/BrokerFrame"
import { Clock, Effect } from "effect"
import type { BrokerLog } from "../connection/BrokerLog.ts"
import type { ConnectionLoop } from "../connection/ConnectionLoop.ts"
import { type ConnectionLost, lost } from "../connection/Handshake.ts"
import { type Request, type RequestError, RequestTimedOut } from "../connection/Requests.ts"
import type { Membership } from "../keys/Membership.ts"
import { Sodium } from "../keys/Sodium.ts"
import { leaseTimeoutMillis, requestTimeoutMillis } from "../Limits.ts"
import type { SecretExposed } from "../local/SecretFile.ts"
import { Line } from "../outbox/Line.ts"
import { openPush } from "../seal/OpenPush.ts"
import type { TrustSync } from "../trust/TrustSync.ts"
import { HandOverTraces } from "./HandOverTraces.ts"
import { History } from "./History.ts"
import { type HeldMessage, Inbox, type InboxMessage, type Lease } from "./Inbox.ts"
import { judgeMessages, waitsForClock } from "./JudgeMessage.ts"
import { type Seen, seenInMemory, SeenMessages } from "./SeenMessages.ts"

/** What waits for this member, as far as it is known here. */
export interface Waits {
  /** In this session, and may be taken now. */
  readonly here: number
  /** The urgent ones of those. */
  readonly urgent: number
  /** At the broker, or unread in another session which has to give it away: a pull brings it. */
  readonly atBroker: number
  /** For one other session alone, or just being shown there. */
  readonly elsewhere: ReadonlyArray<Elsewhere>
  /** In this session, and not to be shown before this machine's clock is right. */
  readonly forClock: number
}

export interface Pulled {
  readonly remaining: number
  readonly elsewhere: ReadonlyArray<Elsewhere>
}

export interface Receiving {
  readonly inbox: Pick<Inbox, "awaitAvailable" | "waiting">
  readonly waits: Effect.Effect<Waits>
  /** Asks for what waits, whatever the gate says, also of what other sessions of the member have not shown. It is here on return. */
  readonly pull: (max?: number) => Effect.Effect<Pulled, RequestError>
  /** What may be taken, by arrival. What another process of this machine has shown is not among it. */
  readonly look: Effect.Effect<ReadonlyArray<HeldMessage>>
  /** Of those, what the broker grants, judged. `held` has the lease in one step with its making. */
  readonly lease: (messages: ReadonlyArray<HeldMessage>, held?: (lease: Lease) => void) => Effect.Effect<Lease>
  /** As they would be shown, and not taken: they wait on. */
  readonly peek: Effect.Effect<ReadonlyArray<InboxMessage>>
  /** The first of what may be taken. */
  readonly take: (max?: number) => Effect.Effect<Lease>
  /** Before the first push of a connection, and not in vain when it failed before. */
  readonly open: Effect.Effect<void, SecretExposed>
  readonly receive: (push: Push) => Effect.Effect<void, ConnectionLost>
  readonly recalled: (messageIds: ReadonlyArray<MessageId>) => void
  readonly lost: () => void
}

export const makeReceiving = Effect.fnUntraced(function* (options: {
  readonly membership: Membership
  readonly takesMessages: boolean
  readonly loop: ConnectionLoop
  readonly trust: TrustSync
  readonly log: BrokerLog
  readonly nextArrival: () => number
  /** Nothing is asked for before it was said what holds messages back. */
  readonly awaitStatus: Effect.Effect<void>
}) {
  const { awaitStatus, log, loop, membership, nextArrival, takesMessages, trust } = options
  const { meshId, slug } = membership
  const sodium = yield* Sodium
  const history = yield* History
  const seenMessages = yield* SeenMessages
  const clock = yield* Clock.Clock
  const record = yield* MessageTraces
  const traces = record && new HandOverTraces(record, meshId, () => clock.currentTimeMillisUnsafe())
  const pulls = new Line()
  let seen: Seen = seenInMemory(loop.sessionId(), yield* Clock.currentTimeMillis)
  let seenBy: SessionId | undefined
  let atBroker = 0
  let elsewhere: ReadonlyArray<Elsewhere> = []
  /** When that was counted, by the broker's clock. */
  let countedMillis = 0

  /** Who only sends and asks takes no messages, and need not know which were shown. */
  const open = Effect.suspend(() => {
    const sessionId = loop.sessionId()
    if (!takesMessages || seenBy === sessionId) return Effect.void
    return Effect.map(seenMessages.open(meshId, sessionId), (opened) => {
      seen = opened
      seenBy = sessionId
    })
  })

  /** Without a connection it is lost; the broker then pushes again, and it is said again. */
  const inBatches = (type: "client_ack" | "release") => (messageIds: ReadonlyArray<MessageId>) => {
    for (let from = 0; from < messageIds.length; from += ackBatchMax) {
      loop.send({ type, messageIds: messageIds.slice(from, from + ackBatchMax) })
    }
  }

  const askForLease = Effect.fnUntraced(function* (messageIds: ReadonlyArray<MessageId>) {
    const { messageIds: granted } = yield* loop
      .request((id): Request => ({ type: "lease", messageIds, id }), "leased")
      .pipe(
        Effect.timeoutOrElse({
          duration: leaseTimeoutMillis,
          orElse: () => Effect.fail(new RequestTimedOut({ request: "lease" })),
        }),
      )
    return new Set(granted)
  })

  const inbox = new Inbox(() => seen, {
    lease: askForLease,
    ack: (messageIds) => {
      inBatches("client_ack")(messageIds)
      traces?.acked(messageIds)
    },
    release: inBatches("release"),
  })

  const mayBeTaken = Effect.map(Clock.currentTimeMillis, (nowMillis) =>
    inbox.waiting.filter((message) => !waitsForClock(message, nowMillis, loop.clock.brokerMillis(nowMillis))),
  )

  const judge = (messages: ReadonlyArray<HeldMessage>) =>
    judgeMessages(messages, trust, membership.certificate).pipe(Effect.tap(history.add))

  const lease: Receiving["lease"] = (messages, held) => inbox.lease(messages.slice(0, ackBatchMax), judge, held)
  const look = Effect.andThen(Effect.andThen(trust.recall, inbox.seenElsewhere), mayBeTaken)

  const receive = Effect.fnUntraced(function* (push: Push) {
    traces?.came(push.messageId)
    const content = openPush(push, { ...membership, sessionId: loop.sessionId() }, sodium)
    if (content._tag === "Opened" && content.revocations !== undefined) {
      trust.heard(push.senderPubkey, content.revocations)
    }
    const offered = inbox.offer(
      {
        messageId: push.messageId,
        meshId,
        slug,
        senderKey: push.senderPubkey,
        senderSessionId: push.senderSessionId,
        priority: push.priority,
        targetSpec: push.targetSpec,
        replyTo: push.replyTo,
        createdAt: push.createdAt,
        redelivered: push.redelivered ?? false,
        arrival: nextArrival(),
        content,
      },
      loop.live()?.window ?? 0,
    )
    if (offered === "full") {
      yield* log("the broker pushed more than its window; the connection is given up")
      return yield* lost("too many pushes", "the broker pushed more messages than were asked for")
    }
    // It was counted as waiting there.
    if (offered === "kept" && Date.parse(push.createdAt) <= countedMillis) atBroker = Math.max(0, atBroker - 1)
  })

  const pull = (max?: number) =>
    Effect.gen(function* () {
      yield* Effect.andThen(loop.reach, Effect.timeoutOption(awaitStatus, requestTimeoutMillis))
      const { elsewhere: others = [], remaining = 0 } = yield* loop.request(
        (id): Request => ({ type: "pull", id, ...(max !== undefined && { max }) }),
        "ok",
      )
      atBroker = remaining
      elsewhere = others
      countedMillis = loop.clock.brokerMillis(yield* Clock.currentTimeMillis)
      return { remaining, elsewhere: others }
    }).pipe((pulling) => pulls.inTurn(pulling))

  const receiving: Receiving = {
    inbox,
    waits: Effect.map(mayBeTaken, (ready) => ({
      here: ready.length,
      urgent: ready.filter(({ priority }) => priority === "now").length,
      atBroker,
      elsewhere,
      forClock: inbox.waiting.length - ready.length,
    })),
    pull,
    look,
    lease,
    peek: Effect.flatMap(look, (messages) => judgeMessages(messages, trust, membership.certificate)),
    take: (max) => Effect.flatMap(look, (messages) => lease(messages.slice(0, max))),
    open,
    receive,
    recalled: (messageIds) => inbox.recalled(messageIds),
    lost: () => {
      atBroker += inbox.connectionLost()
    },
  }
  return receiving
})
