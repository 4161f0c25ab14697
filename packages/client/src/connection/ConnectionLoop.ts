/**
 * The one fiber that keeps a client connected: it dials, greets, reads, and after a loss comes back on a schedule (I21), or at once
 * when somebody calls. It owns the socket, the session's id on the wire, the state, and what is known of the broker's clock. What is
 * done with a connection is its owner's business: it hands on each frame in order, and says when there is a connection and when not.
 */
import { backOff, delaysOf, longDelays, resetAfter } from "@claudemesh/domain/BackOff"
import { RequestId, SessionId } from "@claudemesh/domain/Ids"
import type { MeshMoved } from "@claudemesh/domain/trust/MeshMoved"
import { type BrokerFrame, decodeBrokerFrame } from "@claudemesh/domain/wire/BrokerFrame"
import { type ClientFrame, encodeClientFrame } from "@claudemesh/domain/wire/ClientFrame"
import { Clock, Deferred, Duration, Effect, Latch, Option, Queue, type Scope, Stream, SubscriptionRef } from "effect"
import type { BrokerUrl } from "../keys/BrokerUrl.ts"
import { randomHex } from "../keys/RandomBytes.ts"
import {
  dialEveryMillis,
  pingIntervalMillis,
  probeTimeoutMillis,
  reachTimeoutMillis,
  retryFirstMillis,
  retryMaxMillis,
  stableMillis,
} from "../Limits.ts"
import { BrokerClock } from "./BrokerClock.ts"
import { ClientStopped, ConnectionState, NotConnected, whyNotConnected } from "./ConnectionState.ts"
import { type Connection, Dialer, DialFailed } from "./Dialer.ts"
import { ConnectionLost, authenticate, type Identity, lost, lostBy } from "./Handshake.ts"
import { noticed } from "./Patience.ts"
import { maySoonBeReached, notInTime } from "./Unreached.ts"
import { type Reply, type ReplyType, type Request, type RequestError, Requests } from "./Requests.ts"

/** The close code of a client that is done, and not expected back. */
const goodbye = 1000

export interface Live {
  readonly connection: Connection
  readonly requests: Requests
  /** Pushes that may be unacked on it. */
  readonly window: number
  readonly maxMessageBytes: number
}

/** What its owner does with a connection. */
export interface ConnectionUse {
  /** Before it is dialled: without this no connection is of use. */
  readonly prepare: Effect.Effect<void, { readonly message: string }>
  /** Once there is one, and before its first frame. */
  readonly begin: Effect.Effect<void>
  /** `hello_ack` is the first. A failure gives the connection up. */
  readonly receive: (frame: BrokerFrame) => Effect.Effect<void, ConnectionLost>
  /** Beside the reading; ends with the connection, and ends it by failing. */
  readonly during: Effect.Effect<never, ConnectionLost, Scope.Scope>
  readonly lost: () => void
}

export interface ConnectionLoop {
  readonly state: SubscriptionRef.SubscriptionRef<ConnectionState>
  readonly clock: BrokerClock
  /** As it is on the wire: with an ending of its own where another process has this session. */
  readonly sessionId: () => SessionId
  readonly live: () => Live | undefined
  /** False without a connection. */
  readonly send: (frame: ClientFrame) => boolean
  /** Dials at once where there is no connection, and waits for that attempt, but not for long. */
  readonly reach: Effect.Effect<Live, NotConnected>
  /** Over the connection that there is. */
  readonly ask: <Type extends ReplyType>(
    make: (id: RequestId) => Request,
    reply: Type,
  ) => Effect.Effect<Reply<Type>, RequestError>
  /** Over the connection that there is, or that can be had at once: for what somebody waits for. */
  readonly request: <Type extends ReplyType>(
    make: (id: RequestId) => Request,
    reply: Type,
  ) => Effect.Effect<Reply<Type>, RequestError>
  /** Also reads the broker's clock. */
  readonly ping: Effect.Effect<void, RequestError>
  readonly awaitConnected: (within: Duration.Input) => Effect.Effect<void, NotConnected | ClientStopped>
  /** Until a revocation. */
  readonly run: (use: ConnectionUse) => Effect.Effect<void>
  /** The session is done: nothing of its member's waits for it to come back. */
  readonly sayGoodbye: Effect.Effect<void>
  readonly stop: (why: {
    readonly reason: string
    readonly detail: string
    readonly code: number | undefined
  }) => Effect.Effect<void>
}

const reconnects = backOff(retryFirstMillis, retryMaxMillis).pipe(resetAfter(stableMillis))

/** Whether the client goes to another address by it, and to which: whoever decides that has written it down. */
export type Follow = (moved: MeshMoved) => Effect.Effect<BrokerUrl | undefined>

export const makeConnectionLoop = Effect.fnUntraced(function* (
  identity: Identity,
  follow: Follow = () => Effect.undefined,
) {
  const { membership } = identity
  const dialer = yield* Dialer
  const context = yield* Effect.context<Effect.Services<ReturnType<typeof authenticate>>>()
  const instance = RequestId.make(yield* randomHex(8))
  const renamed = SessionId.make(`${identity.sessionId.slice(0, 121)}.${yield* randomHex(3)}`)
  const state = yield* SubscriptionRef.make<ConnectionState>(ConnectionState.Connecting({ attempt: 1 }))
  const clock = new BrokerClock()
  const calledFor = Latch.makeUnsafe()
  let sessionId = identity.sessionId
  /** Where the mesh is: another address once it has moved. */
  let brokerUrl = membership.brokerUrl
  let live: Live | undefined
  /** When anything was heard last, and when the attempt that is under way began. */
  let heardMillis = 0
  let dialledMillis = 0
  const silent = Latch.makeUnsafe()
  /** Done when the attempt that is under way, or else the next one, has come to something or to nothing. */
  let attempted: Deferred.Deferred<void> = Deferred.makeUnsafe()

  const endAttempt = Effect.suspend(() => {
    const ended = attempted
    attempted = Deferred.makeUnsafe()
    return Deferred.succeed(ended, undefined)
  })

  const enter = (next: ConnectionState) => SubscriptionRef.set(state, next)
  const current = (): ConnectionState => SubscriptionRef.getUnsafe(state)

  const reach = Effect.suspend((): Effect.Effect<Live, NotConnected> => {
    if (live !== undefined) return Effect.succeed(live)
    if (current()._tag === "Stopped") return Effect.fail(whyNotConnected(current()))
    const attempt = attempted
    calledFor.openUnsafe()
    // Of calls that come one after the other, all wait together for a broker that says nothing.
    return waitMillis.pipe(
      Effect.flatMap((millis) => Effect.timeoutOption(Deferred.await(attempt), millis)),
      Effect.flatMap(() => (live === undefined ? Effect.fail(whyNotConnected(current())) : Effect.succeed(live))),
    )
  })

  const waitMillis = Effect.map(Clock.currentTimeMillis, (nowMillis) =>
    current()._tag === "Connecting"
      ? Math.min(reachTimeoutMillis, Math.max(0, dialledMillis + reachTimeoutMillis - nowMillis))
      : reachTimeoutMillis,
  )

  /** Over which nothing came since a request that has no answer: it may be dead, such as after a laptop's sleep. */
  const ask: ConnectionLoop["ask"] = (make, reply) =>
    Effect.flatMap(Clock.currentTimeMillis, (askedMillis) =>
      live === undefined
        ? Effect.fail(whyNotConnected(current()))
        : Effect.tapError(live.requests.request(make, reply), (error) =>
            Effect.sync(() => {
              if (error._tag === "RequestTimedOut" && heardMillis <= askedMillis) silent.openUnsafe()
            }),
          ),
    )
  const request: ConnectionLoop["request"] = (make, reply) => Effect.andThen(reach, ask(make, reply))

  const ping = Effect.gen(function* () {
    const { requests } = yield* reach
    const asked = yield* Clock.currentTimeMillis
    const { brokerTime } = yield* requests.request((id): Request => ({ type: "ping", id }), "pong")
    if (brokerTime === undefined) return
    clock.learn(Date.parse(brokerTime), asked, yield* Clock.currentTimeMillis, yield* Clock.monotonicTimeNanos)
  })

  const keepAlive: Effect.Effect<never, ConnectionLost> = Effect.sleep(pingIntervalMillis).pipe(
    Effect.andThen(ping),
    Effect.forever,
    Effect.mapError((error) => lost("no answer to a ping", error.message)),
  )

  /** Whoever does not answer a ping either is not there. */
  const probed: Effect.Effect<never, ConnectionLost> = silent.await.pipe(
    Effect.andThen(Effect.timeout(ping, probeTimeoutMillis)),
    Effect.andThen(Effect.sync(() => silent.closeUnsafe())),
    Effect.forever,
    Effect.mapError((error) => lost("no answer to a ping", error.message)),
  )

  const read = (connection: Connection, receive: ConnectionUse["receive"]): Effect.Effect<never, ConnectionLost> =>
    Effect.gen(function* () {
      while (true) {
        const texts = yield* Effect.mapError(Queue.takeAll(connection.incoming), (closed) => lostBy(closed))
        heardMillis = yield* Clock.currentTimeMillis
        for (const text of texts) {
          const frame = decodeBrokerFrame(text)
          if (Option.isSome(frame)) yield* receive(frame.value)
        }
      }
    })

  /** Ends the connection where the mesh is somewhere else now. */
  const leaveFor = (moved: MeshMoved): Effect.Effect<void, ConnectionLost> =>
    Effect.flatMap(follow(moved), (place) => {
      if (place === undefined || place === brokerUrl) return Effect.void
      brokerUrl = place
      const detail = `the mesh has moved to ${place}`
      return Effect.fail(new ConnectionLost({ reason: "moved", detail, code: undefined, again: "moved" }))
    })

  const followed =
    (receive: ConnectionUse["receive"]): ConnectionUse["receive"] =>
    (frame) =>
      frame.type === "mesh_moved" ? leaveFor(frame.moved) : receive(frame)

  /** One connection, from the dialling to its end. */
  const connect = ({ begin, during, lost: isLost, prepare, receive }: ConnectionUse): Effect.Effect<ConnectionLost> =>
    Effect.gen(function* () {
      yield* Effect.mapError(prepare, ({ message }) => unusable(message))
      const connection = yield* Effect.mapError(dialer.dial(brokerUrl), notDialled)
      const here = { ...identity, membership: { ...membership, brokerUrl }, sessionId, instance }
      const greeting = yield* authenticate(connection, here, clock)
      const { limits, moved } = greeting
      // Before anything is sent: what waits goes to where the mesh is.
      if (moved !== undefined) yield* leaveFor(moved)
      const requests = new Requests(connection.send)
      const made = { connection, requests, window: limits.maxInFlight, maxMessageBytes: limits.maxMessageBytes }
      yield* Effect.addFinalizer(() =>
        Effect.sync(() => {
          live = undefined
          requests.lost()
          isLost()
        }),
      )
      live = made
      yield* begin
      yield* receive(greeting)
      yield* enter(
        ConnectionState.Connected({
          sinceMillis: yield* Clock.currentTimeMillis,
          maxMessageBytes: limits.maxMessageBytes,
        }),
      )
      yield* endAttempt
      silent.closeUnsafe()
      heardMillis = yield* Clock.currentTimeMillis
      return yield* Effect.raceAllFirst([read(connection, followed(receive)), during, keepAlive, probed])
    }).pipe(
      Effect.scoped,
      Effect.catchDefect((defect) =>
        Effect.andThen(
          Effect.logError("a connection failed", { slug: membership.slug }, defect),
          Effect.fail(lost("internal", "the client failed while it handled a frame")),
        ),
      ),
      Effect.flip,
      Effect.provide(context),
    )

  const stop: ConnectionLoop["stop"] = (why) =>
    Effect.suspend(() =>
      current()._tag === "Stopped" ? Effect.void : Effect.andThen(enter(ConnectionState.Stopped(why)), endAttempt),
    )

  const run = Effect.fnUntraced(function* (use: ConnectionUse) {
    const soon = yield* delaysOf(reconnects)
    const seldom = yield* delaysOf(longDelays(retryMaxMillis))
    let attempt = 0
    while (true) {
      attempt += 1
      calledFor.closeUnsafe()
      dialledMillis = yield* Clock.currentTimeMillis
      yield* enter(ConnectionState.Connecting({ attempt }))
      const end = yield* connect(use)
      if (end.again === "never") return yield* stop(end)
      if (end.again === "renamed" && sessionId !== renamed) {
        yield* Effect.logInfo("another process has this session; going on under an id of its own", {
          slug: membership.slug,
          sessionId: renamed,
        })
        sessionId = renamed
        continue
      }
      // By a higher version each time, so this ends.
      if (end.again === "moved") continue
      const before = current()
      const nowMillis = yield* Clock.currentTimeMillis
      if (before._tag === "Connected" && nowMillis - before.sinceMillis >= stableMillis) attempt = 1
      const delay = yield* (end.again === "seldom" ? seldom : soon)(undefined)
      yield* enter(
        ConnectionState.Waiting({
          retryAtMillis: nowMillis + delay,
          attempt,
          lastError: end.again === "seldom" && end.code !== undefined ? refusalWords(end) : end.detail,
          code: end.again === "seldom" ? end.reason : undefined,
          unreached: end.unreached,
        }),
      )
      yield* endAttempt
      const called = calledFor.await.pipe(
        // Whoever opens it runs what waits for it, and has to go on first.
        Effect.andThen(Effect.yieldNow),
        Effect.andThen(Clock.currentTimeMillis),
        // However often it is called for. Our own clock may have been set back meanwhile.
        Effect.flatMap((now) =>
          Effect.sleep(Math.min(dialEveryMillis, Math.max(0, dialledMillis + dialEveryMillis - now))),
        ),
      )
      yield* Effect.raceFirst(Effect.sleep(delay), called)
    }
  })

  const awaitConnected = (within: Duration.Input) =>
    Effect.suspend(() => {
      calledFor.openUnsafe()
      return SubscriptionRef.changes(state).pipe(
        Stream.filter(isDecided),
        Stream.runHead,
        Effect.timeoutOption(within),
        noticed(`Waiting for the broker of ${membership.slug} at ${brokerUrl}.`),
        Effect.flatMap((): Effect.Effect<void, NotConnected | ClientStopped> => {
          const now = current()
          if (now._tag === "Connected") return Effect.void
          if (now._tag === "Stopped") return Effect.fail(new ClientStopped({ reason: now.reason, code: now.code }))
          if (now._tag !== "Connecting") return Effect.fail(whyNotConnected(now))
          const unreached = notInTime(brokerUrl, Duration.toMillis(within))
          const reason = new DialFailed({ url: unreached.url, reason: unreached.words }).message
          return Effect.fail(new NotConnected({ reason, unreached }))
        }),
      )
    })

  const loop: ConnectionLoop = {
    state,
    clock,
    sessionId: () => sessionId,
    live: () => live,
    send: (frame) => live?.connection.send(encodeClientFrame(frame)) ?? false,
    reach,
    ask,
    request,
    ping,
    awaitConnected,
    run,
    sayGoodbye: Effect.sync(() => live?.connection.close(goodbye, "")),
    stop,
  }
  return loop
})

/** This machine cannot do its part: nothing that the broker does changes that. */
const unusable = (detail: string): ConnectionLost =>
  new ConnectionLost({ reason: "unusable", detail, code: undefined, again: "seldom" })

const notDialled = ({ message, reason, unreached }: DialFailed): ConnectionLost =>
  new ConnectionLost({
    reason,
    detail: message,
    code: undefined,
    again: "soon",
    ...(unreached !== undefined && { unreached }),
  })

/** A refusal, or a port on which nothing listens, is not over by itself in a second: who waits for a connection is told of it. */
const isDecided = (state: ConnectionState): boolean => {
  if (state._tag !== "Waiting") return state._tag !== "Connecting"
  return state.code !== undefined || (state.unreached !== undefined && !maySoonBeReached(state.unreached))
}

const refusalWords = ({ detail, reason }: ConnectionLost): string =>
  `the broker refuses this client (${reason}): ${detail}`
