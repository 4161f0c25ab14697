/**
 * One socket: a fiber that authenticates its client, attaches its session to its mesh, and handles one frame at a time
 * (I1). It ends with its socket, whatever it is waiting for. When it fails, its socket closes and nobody else notices
 * (I24).
 */
import { PresenceId } from "@claudemesh/domain/Ids"
import type { BrokerFrame } from "@claudemesh/domain/wire/BrokerFrame"
import { CloseCode } from "@claudemesh/domain/wire/CloseCode"
import { type Cause, Clock, Crypto, Effect, Exit, type PlatformError, Scope } from "effect"
import type { MeshActor } from "../mesh/MeshActor.ts"
import { MeshHost } from "../mesh/MeshHost.ts"
import type { PeerHandle } from "../mesh/Peers.ts"
import { AuditHeads } from "../store/AuditHeads.ts"
import { BrokerMetrics } from "../metrics/Metrics.ts"
import type { MeshRules } from "../state/MeshState.ts"
import type { PeerId } from "../state/PeerId.ts"
import type { SharedFrame } from "../state/SharedFrame.ts"
import type { HelloProof } from "../trust/HelloProof.ts"
import { type AttachedConnection, runFrames, settled } from "./FrameLoop.ts"
import { type Admission, authenticate, everyone, refuseHello } from "./Handshake.ts"
import { Incoming } from "./Incoming.ts"
import { ConnectionEnds, Outgoing } from "./Outgoing.ts"
import { SendPermits } from "./SendPermits.ts"
import { type ServerSocket, untilClosed } from "./ServerSocket.ts"

/**
 * In two steps, since what a fiber has still to come back to is kept for as long: of its beginning a connection that says nothing keeps
 * what its frames are handled with, and of its end nothing.
 */
export const runPeerConnection = (
  socket: ServerSocket,
  audiences: ReadonlyArray<string>,
  rules: MeshRules,
  admission: Admission = everyone,
) =>
  Effect.uninterruptibleMask((restore) => {
    const outgoing = new Outgoing(socket)
    const scope = Scope.makeUnsafe()
    const begun = Effect.provideService(begin(outgoing, audiences, rules, admission), Scope.Scope, scope)
    return Effect.flatMap(Effect.exit(restore(begun)), (exit) =>
      Exit.isFailure(exit) ? finished(outgoing, scope, exit) : serve(exit.value, scope, restore),
    )
  })

/** Of this alone, since a function keeps all that could be seen where it was made. */
const serve = (
  attached: AttachedConnection,
  scope: Scope.Closeable,
  restore: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>,
) =>
  Effect.flatMap(Effect.exit(restore(runFrames(attached))), (last) =>
    finished(attached.outgoing, scope, restore(settled(attached, last))),
  )

const begin = Effect.fnUntraced(function* (
  outgoing: Outgoing,
  audiences: ReadonlyArray<string>,
  rules: MeshRules,
  admission: Admission,
) {
  const { socket } = outgoing
  outgoing.metrics = yield* BrokerMetrics
  const incoming = new Incoming(socket, outgoing, rules, yield* Clock.currentTimeMillis)
  const proof = yield* authenticate(incoming, outgoing, admission, audiences)
  // The mesh may have to be loaded, and its mailbox may be full.
  return yield* untilClosed(socket, attach(proof, incoming, outgoing))
})

/** Its socket is closed, its mesh is told that it has left, and what failed is said. */
const finished = (
  outgoing: Outgoing,
  scope: Scope.Closeable,
  last: Effect.Effect<void, ConnectionEnds | Cause.Done | PlatformError.PlatformError>,
) => {
  const { socket } = outgoing
  return last.pipe(
    Effect.catchTags({
      ConnectionEnds: ({ code, reason }) => Effect.sync(() => socket.close(reason, code)),
      Done: () => Effect.sync(() => socket.close(CloseCode.goingAway)),
    }),
    Effect.onExit((exit) => Scope.close(scope, exit)),
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
const attach = Effect.fnUntraced(function* (proof: HelloProof, incoming: Incoming, outgoing: Outgoing) {
  const { hello, protocol } = proof
  const { meshId, memberId, pubkey } = hello
  const mesh = yield* (yield* MeshHost).enter(meshId).pipe(
    Effect.catchTags({
      UnknownMesh: () => refuseHello(outgoing, { code: "unauthorized", message: "no such member in this mesh" }),
      StoreError: () => tryLater(outgoing),
    }),
  )
  outgoing.mesh = mesh
  const peer = new ConnectedPeer(incoming, outgoing, new SendPermits(mesh.sendsUnderWay))
  yield* Scope.addFinalizer(yield* Effect.scope, whenLeft(peer, mesh))
  const presenceId = PresenceId.make(yield* (yield* Crypto.Crypto).randomUUIDv7)
  const headOf = yield* AuditHeads
  const audit = protocol === 2 ? yield* headOf(meshId) : undefined
  const attached = yield* mesh
    .attach(proof, peer, presenceId, audit)
    .pipe(Effect.catchTag("MeshUnavailable", () => tryLater(outgoing)))
  if (attached._tag === "Refused") return yield* refuseHello(outgoing, attached.refusal)
  outgoing.memberId = memberId
  outgoing.metrics.attached += 1
  peer.isAttached = true
  const who = { meshId, pubkey, protocol }
  return { who, mesh, permits: peer.permits, incoming, outgoing, headOf, told: { audit } } satisfies AttachedConnection
})

/** Waits end with the socket, and the mesh is told at the end of the scope. */
const whenLeft = (peer: ConnectedPeer, mesh: MeshActor): Effect.Effect<void> => {
  const { socket } = peer.incoming
  socket.onClosed(() => peer.permits.end())
  return Effect.suspend(() => {
    if (peer.isAttached) peer.outgoing.metrics.attached -= 1
    return mesh.detach(peer.id, socket.saidGoodbye())
  })
}

class ConnectedPeer implements PeerHandle {
  readonly id: PeerId
  isAttached = false

  constructor(
    readonly incoming: Incoming,
    readonly outgoing: Outgoing,
    readonly permits: SendPermits,
  ) {
    this.id = incoming.socket.id
  }

  send(frame: BrokerFrame): boolean {
    return this.outgoing.send(frame)
  }

  tell(shared: SharedFrame): boolean {
    this.outgoing.metrics.sent(shared.frame)
    return this.outgoing.socket.send(shared.text)
  }

  unreadBytes(): number {
    return this.outgoing.socket.unreadBytes()
  }

  close(reason: CloseCode): void {
    this.outgoing.socket.close(reason)
  }

  heardAtMillis(): number {
    return this.incoming.heardAtMillis()
  }

  settle(): void {
    this.permits.return()
  }
}

const tryLater = (outgoing: Outgoing): Effect.Effect<never, ConnectionEnds> =>
  Effect.suspend(() => {
    outgoing.refuse("unavailable", "the mesh cannot be reached now; come back")
    return Effect.fail(new ConnectionEnds({ reason: CloseCode.tryAgainLater, code: "unavailable" }))
  })
