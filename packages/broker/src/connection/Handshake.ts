/**
 * From the broker's challenge to an authenticated client: its key is proved, and nothing is asked of a mesh or a store
 * before that (I3). Whatever comes before the hello is refused and forgotten.
 */
import type { PublicKey } from "@claudemesh/domain/Ids"
import { isoFromMillis } from "@claudemesh/domain/IsoTime"
import { type Hello, isHelloV2 } from "@claudemesh/domain/wire/ClientFrame"
import { CloseCode } from "@claudemesh/domain/wire/CloseCode"
import { Clock, Crypto, Effect, Result } from "effect"
import { TokenBucket } from "../TokenBucket.ts"
import { Ed25519 } from "../trust/Ed25519.ts"
import { type HelloContext, HelloProof, type HelloRefusal, type Verifier } from "../trust/HelloProof.ts"
import { idOf, type Incoming } from "./Incoming.ts"
import { ConnectionEnds, type Outgoing } from "./Outgoing.ts"

/** Who is let in at all, whatever their mesh says. */
export interface Admission {
  readonly allowV1: boolean
  /** Asked once the key is proved, so that nobody can use up another one's rate. */
  readonly mayAuthenticate: (key: PublicKey, nowMillis: number) => boolean
  /** The pace that all sockets of this key share. */
  readonly paceOf: (key: PublicKey, nowMillis: number) => TokenBucket
}
const unpaced = Number.MAX_SAFE_INTEGER
export const everyone: Admission = {
  allowV1: true,
  mayAuthenticate: () => true,
  paceOf: (_key, nowMillis) => new TokenBucket(unpaced, unpaced, nowMillis),
}

export const authenticate = Effect.fnUntraced(function* (
  incoming: Incoming,
  outgoing: Outgoing,
  admission: Admission,
  audiences: ReadonlyArray<string>,
) {
  const clock = yield* Clock.Clock
  const nonce = Buffer.from(yield* (yield* Crypto.Crypto).randomBytes(32)).toString("hex")
  const brokerTime = isoFromMillis(clock.currentTimeMillisUnsafe())
  outgoing.send({ type: "challenge", nonce, protocols: admission.allowV1 ? [1, 2] : [2], brokerTime })
  const hello = yield* inTime(incoming, awaitHello(incoming, outgoing))
  outgoing.protocol = isHelloV2(hello) ? 2 : 1
  const verifier = yield* yield* Ed25519
  const nowMillis = clock.currentTimeMillisUnsafe()
  const proof = proofOf(hello, { nonce, audiences, nowMillis }, admission, verifier)
  if (Result.isFailure(proof)) return yield* refuseHello(outgoing, proof.failure)
  incoming.authenticated(admission.paceOf(hello.pubkey, nowMillis), nowMillis)
  return proof.success
})

/** What comes late finds its socket closed, which ends the wait for it. A race of the two costs three times as much, of every connection. */
const inTime = <A, E>({ rules, socket }: Incoming, hello: Effect.Effect<A, E>): Effect.Effect<A, E> => {
  const late = Effect.andThen(
    Effect.sleep(rules.limits.helloTimeoutMillis),
    Effect.sync(() => socket.close(CloseCode.noHello, "no_hello")),
  )
  return Effect.flatMap(Effect.forkDetach(late, { startImmediately: true }), (fiber) =>
    Effect.onExit(hello, () => Effect.sync(() => fiber.interruptUnsafe())),
  )
}

/** The time-out goes on, whatever comes. */
const awaitHello = Effect.fnUntraced(function* (incoming: Incoming, outgoing: Outgoing) {
  while (true) {
    const decoded = yield* incoming.next
    if (Result.isFailure(decoded)) {
      const { code, id, isHello, message } = decoded.failure
      outgoing.refuse(code, message, id)
      if (isHello) return yield* new ConnectionEnds({ reason: CloseCode.notAdmitted, code: "malformed" })
      continue
    }
    if (decoded.success.type === "hello") return decoded.success
    outgoing.refuse("no_hello", "say hello first", idOf(decoded.success))
  }
})

const proofOf = (
  hello: Hello,
  context: HelloContext,
  { allowV1, mayAuthenticate }: Admission,
  verifier: Verifier,
): Result.Result<HelloProof, HelloRefusal> => {
  if (!allowV1 && !isHelloV2(hello)) {
    return Result.fail({ code: "unsupported", message: "this broker takes protocol 2 only; update" })
  }
  const proof = HelloProof.verify(hello, context, verifier)
  return Result.isFailure(proof) || mayAuthenticate(hello.pubkey, context.nowMillis)
    ? proof
    : Result.fail({ code: "rate_limited", message: "too many hellos; come back slower" })
}

export const refuseHello = (outgoing: Outgoing, refusal: HelloRefusal): Effect.Effect<never, ConnectionEnds> =>
  Effect.suspend(() => {
    const { protocol } = outgoing
    // A v1 client knows no other word for it.
    const code = refusal.code === "revoked" && protocol === 1 ? "unauthorized" : refusal.code
    outgoing.refuse(code, refusal.message)
    return Effect.fail(new ConnectionEnds({ reason: closeCodeOf(code, protocol), code }))
  })

/** A v1 client reads the reason and comes back after any code; a v2 client would take 1008 for final. */
const closeCodeOf = (code: HelloRefusal["code"], protocol: 1 | 2): CloseCode => {
  if (code === "rate_limited") return CloseCode.flooding
  if (code === "revoked") return CloseCode.revoked
  return code === "capacity" && protocol === 2 ? CloseCode.atCapacity : CloseCode.notAdmitted
}
