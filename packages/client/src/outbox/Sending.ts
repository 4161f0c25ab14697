/**
 * From what an agent wants to say to an entry of the outbox, in the order in which it was asked for. Whom it means is settled by what
 * this machine knows; the broker is asked only if somebody may have come or gone, or the name is not found. Nothing is sealed while
 * this machine's clock is far off, or while there is a revocation that could not be had yet.
 */
import { messageBytesDefault } from "@claudemesh/domain/Limits"
import type { ClientMessageId, MessageId, PublicKey } from "@claudemesh/domain/Ids"
import { formatTarget, isDirect, type Target } from "@claudemesh/domain/routing/Target"
import { messageIdOf } from "@claudemesh/domain/trust/MessageIdentity"
import type { Member } from "@claudemesh/domain/wire/BrokerFrame"
import { MessageTraces } from "@claudemesh/domain/MessageTraces"
import { Clock, type Crypto, Effect, Fiber, Result, SubscriptionRef } from "effect"
import { ClockOff } from "../connection/BrokerClock.ts"
import type { ConnectionLoop } from "../connection/ConnectionLoop.ts"
import { ClientStopped, NotConnected, whyNotConnected } from "../connection/ConnectionState.ts"
import { type RequestError, RequestTimedOut } from "../connection/Requests.ts"
import type { Membership } from "../keys/Membership.ts"
import type { Sodium } from "../keys/Sodium.ts"
import { reachTimeoutMillis } from "../Limits.ts"
import type { StateDbError } from "../local/StateDb.ts"
import { resolveCertified, type ResolveError } from "../roster/ResolveMember.ts"
import { resolveTarget } from "../roster/ResolveTarget.ts"
import type { RosterKeeper } from "../roster/RosterKeeper.ts"
import { composeSend, type NobodyCertified, type OutgoingMessage } from "../seal/OutgoingMessage.ts"
import type { MessageTooLarge } from "../seal/SealMessage.ts"
import type { TooManyReaders } from "../seal/SealToMany.ts"
import type { TrustSync } from "../trust/TrustSync.ts"
import { Line } from "./Line.ts"
import type { Outbox } from "./Outbox.ts"
import type { OutboxFull } from "./OutboxEntry.ts"
import type { Ack, SendEnd } from "./SendQueue.ts"

export type EnqueueError =
  | ResolveError
  | NobodyCertified
  | TooManyReaders
  | MessageTooLarge
  | ClockOff
  | OutboxFull
  | ClientStopped
  | RequestError
  | StateDbError
export type SendError = EnqueueError | SendEnd

/** What the broker did with a message. */
export interface Receipt {
  readonly id: ClientMessageId
  readonly messageId: MessageId
  readonly duplicate: boolean
  /** One for each inbox that it went to: of a group, none where nobody is there. */
  readonly recipients: NonNullable<Ack["recipients"]>
  /** Members of the group who do not get it: no key of theirs was known to be sealed to, or their client is of v1. */
  readonly unsealed: ReadonlyArray<PublicKey>
}

export interface Enqueued {
  readonly id: ClientMessageId
  readonly messageId: MessageId
  readonly target: Target
  /**
   * Waiting may be given up; the message stays in the outbox and may still be delivered. A refusal that comes while nobody waits is
   * kept as a problem, to be told once.
   */
  readonly ack: Effect.Effect<Receipt, SendEnd>
  /** True: it had not left this machine, and will not. */
  readonly cancel: Effect.Effect<boolean, StateDbError>
}

export interface Sending {
  /** The message is on the disk on return. Interrupted before that, it is not sent. */
  readonly enqueue: (message: OutgoingMessage) => Effect.Effect<Enqueued, EnqueueError>
  /** Enqueues and waits for the ack, however long that takes. Interrupted, the message is not sent if it has not left this machine. */
  readonly send: (message: OutgoingMessage) => Effect.Effect<Receipt, SendError>
}

/** The attempt to connect that was begun for a message; undefined where there was a connection. */
type Dialled = Fiber.Fiber<unknown, RequestError> | undefined

/** Who is known need not be waited for long to be looked up again. */
const soon = <A>(current: Effect.Effect<A, RequestError>): Effect.Effect<A, RequestError> =>
  Effect.timeoutOrElse(current, {
    duration: reachTimeoutMillis,
    orElse: () => Effect.fail(new RequestTimedOut({ request: "list_members" })),
  })

export const makeSending = Effect.fnUntraced(function* (options: {
  readonly membership: Membership
  readonly loop: ConnectionLoop
  readonly trust: TrustSync
  readonly roster: RosterKeeper
  readonly outbox: Pick<Outbox, "offer">
}) {
  const { loop, membership, outbox, roster, trust } = options
  const { meshId, pubkey } = membership
  const context = yield* Effect.context<Sodium | Crypto.Crypto>()
  const scope = yield* Effect.scope
  const traces = yield* MessageTraces
  const line = new Line()

  /** It is measured again before anything is refused for it, and where our clock was set since: both may be over by now. */
  const clockIsRight = Effect.gen(function* () {
    const { clock } = loop
    if (clock.isRefused || clock.wasSet(yield* Clock.currentTimeMillis, yield* Clock.monotonicTimeNanos)) {
      if (loop.live() !== undefined) yield* Effect.ignore(loop.ping)
    }
    if (clock.isRefused) return yield* new ClockOff({ skewMillis: clock.skewMillis ?? 0 })
  })

  const resolve = (to: string | Target): Result.Result<Target, ResolveError> => {
    const directory = roster.directory()
    if (typeof to === "string") return resolveTarget(to, directory)
    return isDirect(to) ? Result.map(resolveCertified(to.key, directory), () => to) : Result.succeed(to)
  }

  const isForV2 = (target: Target): boolean =>
    isDirect(target) && trust.store.certificateOf(target.key)?.allowV1 === false

  /** Who else was a member when this machine heard of it last, for a group while the broker is away. */
  const remembered = (): ReadonlyArray<Member> =>
    trust.store.members.flatMap(({ displayName, memberId, publicKey }) =>
      trust.store.standingOf(publicKey)._tag === "Certified" ? [{ memberId, pubkey: publicKey, displayName }] : [],
    )

  /**
   * Whether somebody's client is of v1 only a roster says. A group is sealed to those who are remembered: the broker says in its answer
   * who has joined since, and is left out.
   */
  const isEnough = (target: Target): boolean =>
    roster.isKnown() || (isDirect(target) ? isForV2(target) : remembered().some((member) => member.pubkey !== pubkey))

  /** By which name a session goes, what its id begins with, and which client it is, is asked for where the broker does not tell it. */
  const needsSessions = (to: string | Target, target: Target): boolean => {
    if (roster.isTold()) return false
    if (isDirect(target) && !isForV2(target)) return true
    if (target._tag !== "Session" || typeof to !== "string") return false
    const isWhole = to.endsWith(`/${target.session}`)
    return !isWhole || !roster.known().peers.some(({ sessionId }) => sessionId === target.session)
  }

  /** One attempt to connect is enough for all who asked before it came to nothing: they are not to dial one after the other. */
  const afterDialling = <A>(dialled: Dialled, asks: Effect.Effect<A, RequestError>) =>
    dialled === undefined
      ? asks
      : Effect.flatMap(Fiber.await(dialled), (exit) =>
          exit._tag === "Failure" && loop.live() === undefined
            ? Effect.fail(whyNotConnected(SubscriptionRef.getUnsafe(loop.state)))
            : asks,
        )

  const targetOf = Effect.fnUntraced(function* (to: string | Target, dialled: Dialled) {
    const before = resolve(to)
    const wasCurrent = roster.isCurrent()
    const isSettled = Result.isSuccess(before) && isEnough(before.success)
    const asks = Result.isSuccess(before) && needsSessions(to, before.success) ? roster.refresh : roster.current
    const answer = roster.isCurrent() ? asks : afterDialling(dialled, asks)
    const asked = yield* Effect.result(isSettled ? soon(answer) : answer)
    const found = resolve(to)
    if (Result.isFailure(asked)) {
      const isGood = Result.isSuccess(found) && isEnough(found.success) && !trust.isBehind()
      return yield* isGood ? Effect.succeed(found.success) : Effect.fail(asked.failure)
    }
    if (Result.isSuccess(found) || !wasCurrent) return yield* Effect.fromResult(found)
    yield* roster.refresh
    return yield* Effect.fromResult(resolve(to))
  })

  const compose = Effect.fnUntraced(function* (message: OutgoingMessage, dialled: Dialled) {
    const state = SubscriptionRef.getUnsafe(loop.state)
    if (state._tag === "Stopped") return yield* new ClientStopped({ reason: state.reason, code: state.code })
    yield* Effect.mapError(trust.load, ({ message }) => new NotConnected({ reason: message }))
    yield* trust.recall
    const target = yield* targetOf(message.to, dialled)
    yield* clockIsRight
    const sessionId = loop.sessionId()
    const { frame, id, sealedAtMillis } = yield* composeSend(
      { ...message, target },
      { ...membership, sessionId },
      {
        roster: roster.isKnown() ? roster.known() : { members: remembered(), peers: [] },
        directory: roster.directory(),
        store: trust.store,
        maxMessageBytes: loop.live()?.maxMessageBytes ?? messageBytesDefault,
      },
    )
    const messageId = messageIdOf(meshId, pubkey, id)
    const to = typeof message.to === "string" ? message.to : formatTarget(message.to)
    const entry = { id, messageId, meshId, member: pubkey, sessionId, to, frame, sealedAtMillis }
    const { answer, cancel } = yield* outbox.offer(entry, loop.live() === undefined)
    const fromMillis = yield* Clock.currentTimeMillis
    const traced = Effect.tap(answer, () =>
      Effect.map(Clock.currentTimeMillis, (toMillis) =>
        traces?.({ messageId, meshId, name: "send", kind: "producer", fromMillis, toMillis, attributes: {} }),
      ),
    )
    const ack = Effect.map(traces === undefined ? answer : traced, (acked): Receipt => ({
      id,
      messageId: acked.messageId,
      duplicate: acked.duplicate ?? false,
      recipients: acked.recipients ?? [],
      unsealed: acked.unsealed ?? [],
    }))
    return { id, messageId, target, ack, cancel } satisfies Enqueued
  })

  /** Dials at once where there is no connection, also for a message before which nothing is to be asked. */
  const dialling = Effect.suspend(() =>
    loop.live() === undefined ? Effect.forkIn(loop.reach, scope) : Effect.succeed(undefined),
  )

  const enqueue = Effect.fn("BrokerClient.enqueue")((message: OutgoingMessage): Effect.Effect<Enqueued, EnqueueError> =>
    Effect.flatMap(dialling, (dialled) => line.inTurn(Effect.provide(compose(message, dialled), context))),
  )

  const sending: Sending = {
    enqueue,
    send: (message) =>
      Effect.uninterruptibleMask((restore) =>
        Effect.flatMap(restore(enqueue(message)), ({ ack, cancel }) =>
          restore(ack).pipe(Effect.onInterrupt(() => Effect.ignore(cancel))),
        ),
      ),
  }
  return sending
})
