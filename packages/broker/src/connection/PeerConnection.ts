/**
 * One socket: a fiber that authenticates its client, attaches its session to its mesh, and handles one frame at a time
 * (I1). It ends with its socket, whatever it is waiting for. When it fails, its socket closes and nobody else notices
 * (I24).
 */
import { PresenceId } from "@claudemesh/domain/Ids"
import { CloseCode } from "@claudemesh/domain/wire/CloseCode"
import { Clock, Crypto, Effect } from "effect"
import { MeshHost } from "../mesh/MeshHost.ts"
import type { PeerHandle } from "../mesh/Peers.ts"
import { AuditHeads } from "../store/AuditHeads.ts"
import { BrokerMetrics } from "../metrics/Metrics.ts"
import type { MeshRules } from "../state/MeshState.ts"
import type { HelloProof } from "../trust/HelloProof.ts"
import { type AttachedConnection, runFrames } from "./FrameLoop.ts"
import { type Admission, authenticate, everyone, refuseHello } from "./Handshake.ts"
import { Incoming } from "./Incoming.ts"
import { ConnectionEnds, Outgoing } from "./Outgoing.ts"
import { SendPermits } from "./SendPermits.ts"
import { type ServerSocket, untilClosed } from "./ServerSocket.ts"

export const runPeerConnection = (
  socket: ServerSocket,
  audiences: ReadonlyArray<string>,
  rules: MeshRules,
  admission: Admission = everyone,
) => {
  const outgoing = new Outgoing(socket)
  return Effect.gen(function* () {
    outgoing.metrics = yield* BrokerMetrics
    const incoming = new Incoming(socket, outgoing, rules, yield* Clock.currentTimeMillis)
    const proof = yield* authenticate(incoming, outgoing, admission, audiences)
    // The mesh may have to be loaded, and its mailbox may be full.
    yield* runFrames(yield* untilClosed(socket, attach(proof, incoming, outgoing)))
  }).pipe(
    Effect.catchTags({
      ConnectionEnds: ({ code, reason }) => Effect.sync(() => socket.close(reason, code)),
      Done: () => Effect.sync(() => socket.close(CloseCode.goingAway)),
    }),
    Effect.scoped,
    Effect.catchDefect((defect) =>
      Effect.andThen(
        Effect.logError("a connection failed", defect),
        Effect.sync(() => {
          outgoing.refuse("internal", "the broker failed to handle this", outgoing.handling)
          socket.close(CloseCode.internal, "internal")
        }),
      ),
    ),
  )
}

/** For the caller's scope: at its end the mesh is told that the connection has left. */
const attach = Effect.fn("Connection.attach")(function* (proof: HelloProof, incoming: Incoming, outgoing: Outgoing) {
  const { socket } = incoming
  const mesh = yield* (yield* MeshHost).enter(proof.hello.meshId).pipe(
    Effect.catchTags({
      UnknownMesh: () => refuseHello(outgoing, { code: "unauthorized", message: "no such member in this mesh" }),
      StoreError: () => tryLater(outgoing),
    }),
  )
  outgoing.refused = (code) => mesh.refused(undefined, code)
  const permits = new SendPermits(incoming.rules.limits.sendsUnderWayMax)
  socket.onClosed(() => permits.end())
  yield* Effect.addFinalizer(() => mesh.detach(socket.id, socket.saidGoodbye()))
  const presenceId = PresenceId.make(yield* (yield* Crypto.Crypto).randomUUIDv7)
  const headOf = yield* AuditHeads
  const audit = proof.protocol === 2 ? yield* headOf(proof.hello.meshId) : undefined
  const attached = yield* mesh
    .attach(proof, peerOf(incoming, outgoing, permits), presenceId, audit)
    .pipe(Effect.catchTag("MeshUnavailable", () => tryLater(outgoing)))
  if (attached._tag === "Refused") return yield* refuseHello(outgoing, attached.refusal)
  outgoing.refused = (code) => mesh.refused(proof.hello.memberId, code)
  outgoing.metrics.attached += 1
  yield* Effect.addFinalizer(() => Effect.sync(() => void (outgoing.metrics.attached -= 1)))
  return { proof, mesh, permits, incoming, outgoing, headOf, told: { audit } } satisfies AttachedConnection
})

const peerOf = (incoming: Incoming, outgoing: Outgoing, permits: SendPermits): PeerHandle => {
  const { socket } = incoming
  return {
    id: socket.id,
    send: (frame) => outgoing.send(frame),
    tell: (shared) => {
      outgoing.metrics.sent(shared.frame)
      return socket.send(shared.text)
    },
    unreadBytes: () => socket.unreadBytes(),
    close: (reason) => socket.close(reason),
    heardAtMillis: () => incoming.heardAtMillis(),
    settle: () => permits.return(),
  }
}

const tryLater = (outgoing: Outgoing): Effect.Effect<never, ConnectionEnds> =>
  Effect.suspend(() => {
    outgoing.refuse("unavailable", "the mesh cannot be reached now; come back")
    return Effect.fail(new ConnectionEnds({ reason: CloseCode.tryAgainLater, code: "unavailable" }))
  })
