/**
 * The first frames of a connection: the broker's challenge, our hello, its answer. The hello is signed anew for
 * each connection (I21), over the broker's nonce and the origin that we dialled.
 */
import type { DisplayName, Label, RequestId, SessionId } from "@claudemesh/domain/Ids"
import { inFlightMax } from "@claudemesh/domain/Limits"
import { audienceOf, helloStatementV2 } from "@claudemesh/domain/trust/HelloStatement"
import { type BrokerFrame, decodeBrokerFrame } from "@claudemesh/domain/wire/BrokerFrame"
import { encodeClientFrame, type HelloV2 } from "@claudemesh/domain/wire/ClientFrame"
import { CloseCode, closeMeaning, isTerminalClose } from "@claudemesh/domain/wire/CloseCode"
import { Clock, Effect, Option, Queue, Schema } from "effect"
import type { Membership } from "../keys/Membership.ts"
import { Sodium } from "../keys/Sodium.ts"
import { challengeTimeoutMillis, helloAckTimeoutMillis } from "../Limits.ts"
import type { BrokerClock } from "./BrokerClock.ts"
import { brokerWords } from "./BrokerWords.ts"
import type { Connection, ConnectionClosed } from "./Dialer.ts"
import { Unreached } from "./Unreached.ts"

export interface Identity {
  readonly membership: Membership
  readonly sessionId: SessionId
  /** The program, such as `claudemesh` and its version. */
  readonly client: { readonly name: string; readonly version: string }
  readonly tags?: ReadonlyArray<Label>
  /** This session's own name, where it is not its member's. The broker never learns it: it is in the sealed profile. */
  readonly sessionName?: DisplayName
  /** Where the session runs, for the members and not for the broker. */
  readonly profile?: { readonly cwd?: string; readonly host?: string; readonly branch?: string }
  /** Pushes that may be unacked, 500 unless it is less; 0 for a session that only sends and asks: it is no peer. */
  readonly maxInFlight?: number
  /** A session for one command: it may take messages, is listed nowhere, and leaves nothing behind. */
  readonly transient?: boolean
  /** Whether it is told who comes, goes and changes. A session that is a peer is; a command asks where it needs it. */
  readonly presence?: boolean
}

export const wantsPresence = ({ maxInFlight, presence, transient }: Omit<Identity, "membership">): boolean =>
  presence ?? (maxInFlight !== 0 && transient !== true)

/**
 * A connection came to its end, or to nothing. `again`: on the schedule; at its long end, since the broker does not want us for now;
 * at once under another session id, or at the mesh's new address; or never, since this member was revoked.
 */
export class ConnectionLost extends Schema.TaggedError<ConnectionLost>()("ConnectionLost", {
  reason: Schema.String,
  detail: Schema.String,
  code: Schema.UndefinedOr(Schema.Int),
  again: Schema.Literals(["soon", "seldom", "renamed", "moved", "never"]),
  /** Where there never was a connection. */
  unreached: Schema.optionalKey(Unreached),
}) {}

export const lost = (reason: string, detail = reason): ConnectionLost =>
  new ConnectionLost({ reason, detail, code: undefined, again: "soon" })

type Frame<Type extends BrokerFrame["type"]> = Extract<BrokerFrame, { readonly type: Type }>

export const lostBy = ({ code, reason }: ConnectionClosed, refusal?: Frame<"error">): ConnectionLost =>
  new ConnectionLost({
    reason: brokerWords(refusal?.code ?? (reason === "" ? closeMeaning(code) : reason)),
    detail: brokerWords(refusal?.message ?? closeMeaning(code)),
    code,
    again: againAfter(code, refusal?.code ?? reason),
  })

const againAfter = (close: number, error: string): ConnectionLost["again"] => {
  if (close === CloseCode.revoked.code || error === "revoked") return "never"
  if (close === CloseCode.replaced.code || error === "session_in_use") return "renamed"
  return isTerminalClose(close) ? "seldom" : "soon"
}

export const authenticate = Effect.fnUntraced(function* (
  connection: Connection,
  identity: Identity & {
    /** Tells a reconnect from another process with this session id. */ readonly instance: RequestId
  },
  clock: BrokerClock,
) {
  const challenge = yield* within(challengeTimeoutMillis, "challenge", awaitFrame(connection, "challenge"))
  const askedMillis = yield* Clock.currentTimeMillis
  connection.send(encodeClientFrame(hello(identity, challenge.nonce, yield* Sodium)))
  const ack = yield* within(helloAckTimeoutMillis, "hello_ack", awaitFrame(connection, "hello_ack"))
  if (ack.brokerTime !== undefined) {
    const nowMillis = yield* Clock.currentTimeMillis
    clock.learn(Date.parse(ack.brokerTime), askedMillis, nowMillis, yield* Clock.monotonicTimeNanos)
  }
  if (ack.protocol !== 2 || ack.limits === undefined) return yield* lost("the broker does not speak protocol 2")
  return { ...ack, limits: ack.limits }
})

const hello = (identity: Parameters<typeof authenticate>[1], nonce: string, sodium: typeof Sodium.Service): HelloV2 => {
  const { client, instance, membership, sessionId, tags, transient, maxInFlight = inFlightMax } = identity
  const { brokerUrl, displayName, memberId, meshId, pubkey, secretKey } = membership
  const proved = { meshId, memberId, pubkey, sessionId, nonce }
  const statement = helloStatementV2(audienceOf(brokerUrl) ?? brokerUrl, proved)
  return {
    type: "hello",
    protocol: 2,
    ...proved,
    signature: sodium.sign(statement, secretKey),
    displayName,
    ...(tags && { tags }),
    client,
    maxInFlight,
    instance,
    ...(transient === true && { transient }),
    ...(wantsPresence(identity) && { presence: true }),
  }
}

const isType = <Type extends BrokerFrame["type"]>(frame: BrokerFrame, type: Type): frame is Frame<Type> & BrokerFrame =>
  frame.type === type

/** An `error` says why the close comes that follows it; anything else is of no use before the hello's answer. */
const awaitFrame = <Type extends BrokerFrame["type"]>(connection: Connection, type: Type) =>
  Effect.suspend(() => {
    let refusal: Frame<"error"> | undefined
    return Effect.gen(function* () {
      while (true) {
        const frame = Option.getOrUndefined(decodeBrokerFrame(yield* Queue.take(connection.incoming)))
        if (frame === undefined) continue
        if (isType(frame, type)) return frame
        if (frame.type === "error") refusal = frame
      }
    }).pipe(Effect.mapError((closed) => lostBy(closed, refusal)))
  })

const within = <A>(millis: number, what: string, wait: Effect.Effect<A, ConnectionLost>) =>
  Effect.timeoutOrElse(wait, {
    duration: millis,
    orElse: () => Effect.fail(lost("no answer", `no ${what} within ${millis / 1000} s`)),
  })
