/**
 * One socket: a fiber that handles one frame at a time, in order (I1). It owns the handshake and the count of
 * sends under way. It decodes at the edge, refuses what is no frame, and passes the rest to the mesh; what goes
 * out is queued in the socket in the order the mesh decided. When it fails, its socket closes and nobody else
 * notices (I24).
 */
import { PresenceId, type PublicKey } from "@claudemesh/domain/Ids"
import { isoFromMillis } from "@claudemesh/domain/IsoTime"
import { type BrokerFrame, encodeBrokerFrame } from "@claudemesh/domain/wire/BrokerFrame"
import { frameBytesMax } from "@claudemesh/domain/Limits"
import {
  type ClientFrame,
  decodeClientFrame,
  type FrameRefusal as NotAFrame,
  type Hello,
  type Send,
} from "@claudemesh/domain/wire/ClientFrame"
import { CloseCode } from "@claudemesh/domain/wire/CloseCode"
import type { ErrorCode } from "@claudemesh/domain/wire/ErrorCode"
import { decodedBytes } from "@claudemesh/domain/Base64"
import { Clock, Crypto, Effect, Option, Result } from "effect"
import { errorFrame } from "../state/ErrorReply.ts"
import type { MeshActor } from "../mesh/MeshActor.ts"
import { Command } from "../state/MeshCommand.ts"
import type { PeerHandle } from "../mesh/Peers.ts"
import { MeshHost } from "../mesh/MeshHost.ts"
import type { MeshRules } from "../state/MeshState.ts"
import { TokenBucket } from "../TokenBucket.ts"
import { Ed25519 } from "../trust/Ed25519.ts"
import { HelloProof, type HelloRefusal } from "../trust/HelloProof.ts"
import { contentHashOf, messageIdFor } from "./SendIdentity.ts"
import { SendPermits } from "./SendPermits.ts"
import type { OversizedFrame, ServerSocket } from "./ServerSocket.ts"

/** The session is attached: what a frame after the hello is handled with. */
interface Greeted {
  readonly proof: HelloProof
  readonly mesh: MeshActor
  readonly peer: PeerHandle
  readonly permits: SendPermits
}

/** Why what was received is not a frame that can be handled. */
type FrameRefusal = Pick<NotAFrame, "message" | "id" | "isHello"> & { readonly code: NotAFrame["code"] | "too_large" }

/** Frames that v1 has; to a v1 client all others are unknown. */
const v1Types: ReadonlySet<ClientFrame["type"]> = new Set(["hello", "send", "set_status"] as const)

/** Who is let in at all, whatever their mesh says. */
export interface Admission {
  readonly allowV1: boolean
  /** Asked once the key is proved, so that nobody can use up another one's rate. */
  readonly mayGreet: (key: PublicKey, nowMillis: number) => boolean
}
const everyone: Admission = { allowV1: true, mayGreet: () => true }

export const runPeerConnection = (
  socket: ServerSocket,
  audiences: ReadonlyArray<string>,
  rules: MeshRules,
  admission: Admission = everyone,
) => {
  let handling: string | undefined
  let protocol: 1 | 2 = 1
  let heardAtMillis = 0

  const send = (frame: BrokerFrame): boolean => socket.send(encodeBrokerFrame(frame))

  const refuse = (protocol: 1 | 2, code: ErrorCode, message: string, id: string | undefined) =>
    Effect.sync(() => void send(errorFrame(protocol, code, message, id)))

  /** Closes the socket; its queue then ends, and with it this connection. */
  const end = (reason: CloseCode, code?: string) =>
    Effect.andThen(
      Effect.sync(() => socket.close(reason, code)),
      Effect.interrupt,
    )

  /** The next frame. What comes too fast is not worth a look: the socket is closed over it (I23). */
  const receive = (frames: TokenBucket) =>
    Effect.flatMap(socket.receive, (received) =>
      Clock.clockWith((clock) => {
        heardAtMillis = clock.currentTimeMillisUnsafe()
        return frames.take(heardAtMillis) ? Effect.succeed(received) : Effect.andThen(flooded, end(CloseCode.flooding))
      }),
    )

  const flooded = Effect.suspend(() =>
    refuse(protocol, "flooding", "too many frames a second; come back slower", undefined),
  )

  const challenge = Effect.gen(function* () {
    const nonce = Buffer.from(yield* (yield* Crypto.Crypto).randomBytes(32)).toString("hex")
    send({
      type: "challenge",
      nonce,
      protocols: admission.allowV1 ? [1, 2] : [2],
      brokerTime: isoFromMillis(yield* Clock.currentTimeMillis),
    })
    return nonce
  })

  /** What is no frame of any kind has the text of none. */
  const frameOf = (received: string | OversizedFrame | undefined): Result.Result<ClientFrame, FrameRefusal> => {
    if (typeof received !== "object") return decodeClientFrame(received ?? "")
    const message = `a frame holds ${frameBytesMax(rules.messageBytesMax)} bytes at most`
    return Result.fail({ code: "too_large", message, id: received.id, isHello: false })
  }

  /** Whatever comes before the hello is refused and forgotten; the time-out goes on. */
  const awaitHello = Effect.fnUntraced(function* (frames: TokenBucket) {
    while (true) {
      const decoded = frameOf(yield* receive(frames))
      if (Result.isFailure(decoded)) {
        yield* refuse(1, decoded.failure.code, decoded.failure.message, decoded.failure.id)
        if (decoded.failure.isHello) return yield* end(CloseCode.notAdmitted, "malformed")
        continue
      }
      if (decoded.success.type === "hello") return decoded.success
      yield* refuse(1, "no_hello", "say hello first", idOf(decoded.success))
    }
  })

  const refuseHello = Effect.fnUntraced(function* (protocol: 1 | 2, refusal: HelloRefusal) {
    // A v1 client knows no other word for it.
    const code = refusal.code === "revoked" && protocol === 1 ? "unauthorized" : refusal.code
    const { message } = refusal
    yield* refuse(protocol, code, message, undefined)
    if (code === "rate_limited") return yield* end(CloseCode.flooding, code)
    if (code === "revoked") return yield* end(CloseCode.revoked, code)
    // A v1 client reads the reason and comes back after any code; a v2 client would take 1008 for final.
    const reason = code === "capacity" && protocol === 2 ? CloseCode.atCapacity : CloseCode.notAdmitted
    return yield* end(reason, code)
  })

  const tryLater = (protocol: 1 | 2) =>
    Effect.andThen(
      refuse(protocol, "unavailable", "the mesh cannot be reached now; come back", undefined),
      end(CloseCode.tryAgainLater, "unavailable"),
    )

  const greet = Effect.fnUntraced(function* (hello: Hello, nonce: string) {
    protocol = "protocol" in hello ? 2 : 1
    if (protocol === 1 && !admission.allowV1) {
      return yield* refuseHello(1, { code: "unsupported", message: "this broker takes protocol 2 only; update" })
    }
    const nowMillis = yield* Clock.currentTimeMillis
    const verified = HelloProof.verify(hello, { nonce, audiences, nowMillis }, yield* Ed25519)
    if (Result.isFailure(verified)) return yield* refuseHello(protocol, verified.failure)
    const proof = verified.success
    if (!admission.mayGreet(hello.pubkey, nowMillis)) {
      return yield* refuseHello(protocol, { code: "rate_limited", message: "too many hellos; come back slower" })
    }
    const mesh = yield* (yield* MeshHost).enter(hello.meshId).pipe(
      Effect.catchTags({
        UnknownMesh: () => refuseHello(protocol, { code: "unauthorized", message: "no such member in this mesh" }),
        StoreError: () => tryLater(protocol),
      }),
    )
    const permits = new SendPermits(rules.limits.sendsUnderWayMax)
    const peer: PeerHandle = {
      id: socket.id,
      send,
      tell: (shared) => socket.send(shared.text),
      unreadBytes: () => socket.unreadBytes(),
      close: (reason) => socket.close(reason),
      heardAtMillis: () => heardAtMillis,
      settle: () => permits.return(),
    }
    yield* Effect.addFinalizer(() => mesh.detach(peer.id, socket.saidGoodbye()))
    const presenceId = PresenceId.make(yield* (yield* Crypto.Crypto).randomUUIDv7)
    const attached = yield* mesh
      .attach(proof, peer, presenceId)
      .pipe(Effect.catchTag("MeshUnavailable", () => tryLater(protocol)))
    if (attached._tag === "Refused") return yield* refuseHello(protocol, attached.refusal)
    return { proof, mesh, peer, permits }
  })

  const handle = Effect.fnUntraced(function* (greeted: Greeted, received: string | OversizedFrame | undefined) {
    const { mesh, peer, proof, permits } = greeted
    handling = undefined
    const decoded = frameOf(received)
    if (Result.isFailure(decoded)) {
      const { code, id, message } = decoded.failure
      return yield* refuse(proof.protocol, code, message, id)
    }
    const frame = decoded.success
    handling = idOf(frame)
    if (proof.protocol === 1 && !v1Types.has(frame.type)) {
      return yield* refuse(1, "unknown_type", "unknown frame type", handling)
    }
    switch (frame.type) {
      case "hello":
        yield* refuse(proof.protocol, "already_greeted", "this connection has said hello", undefined)
        return yield* end(CloseCode.protocolError, "already_greeted")
      case "ping":
        return void send({ type: "pong", id: frame.id, brokerTime: isoFromMillis(heardAtMillis) })
      case "send":
        return yield* handleSend(greeted, frame)
      case "lease":
        // It is answered after a commit, like a send, and counts like one.
        yield* permits.take
        return yield* mesh.offer(Command.Request({ peer: peer.id, frame }))
      default:
        return yield* mesh.offer(Command.Request({ peer: peer.id, frame }))
    }
  })

  const handleSend = Effect.fnUntraced(function* ({ mesh, peer, proof, permits }: Greeted, frame: Send) {
    if (decodedBytes(frame.ciphertext) > rules.messageBytesMax) {
      const message = `a message holds ${rules.messageBytesMax} bytes of ciphertext at most`
      return yield* refuse(proof.protocol, "too_large", message, frame.id)
    }
    const messageId = yield* messageIdFor(proof.hello, frame)
    // Waits for an earlier send's commit when too many are under way: the socket is then not read.
    yield* permits.take
    yield* mesh.offer(Command.Send({ peer: peer.id, frame, messageId, contentHash: contentHashOf(frame) }))
  })

  /** Nothing more comes in. If the socket is open the broker drains: what is under way is acked first. */
  const finish = Effect.fnUntraced(function* ({ permits }: Greeted) {
    if (!socket.isOpen()) return
    yield* permits.allReturned
    socket.close(CloseCode.goingAway)
  })

  return Effect.gen(function* () {
    const nonce = yield* challenge
    const { framesBurst, framesPerSecond } = rules.limits
    const frames = new TokenBucket(framesPerSecond, framesBurst, yield* Clock.currentTimeMillis)
    const hello = yield* Effect.timeoutOption(awaitHello(frames), rules.limits.helloTimeoutMillis)
    if (Option.isNone(hello)) return yield* end(CloseCode.noHello, "no_hello")
    const greeted = yield* greet(hello.value, nonce)
    yield* Effect.forever(Effect.flatMap(receive(frames), (received) => handle(greeted, received))).pipe(
      Effect.catchTag("Done", () => finish(greeted)),
    )
  }).pipe(
    Effect.scoped,
    Effect.catchTag("Done", () => Effect.sync(() => socket.close(CloseCode.goingAway))),
    Effect.catchDefect((defect) =>
      Effect.logError("a connection failed", defect).pipe(
        Effect.andThen(refuse(protocol, "internal", "the broker failed to handle this", handling)),
        Effect.andThen(Effect.sync(() => socket.close(CloseCode.internal, "internal"))),
      ),
    ),
  )
}

const idOf = (frame: ClientFrame): string | undefined => ("id" in frame ? frame.id : undefined)
