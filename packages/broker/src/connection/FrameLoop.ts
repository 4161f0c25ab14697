/**
 * The frames of an attached connection, one at a time, in order (I1). Here a connection waits for its mesh: for an
 * earlier send's answer when too many are under way, and for a place in the mesh's mailbox; its socket is then not read.
 * Both waits end with the socket, so that nothing of a connection outlives it.
 */
import { decodedBytes } from "@claudemesh/domain/Base64"
import { isoFromMillis } from "@claudemesh/domain/IsoTime"
import type { AuditHead } from "@claudemesh/domain/wire/BrokerFrame"
import type { ClientFrame, Send } from "@claudemesh/domain/wire/ClientFrame"
import { CloseCode } from "@claudemesh/domain/wire/CloseCode"
import { type Cause, Effect, Result } from "effect"
import type { MeshActor, Offered } from "../mesh/MeshActor.ts"
import type { HeadOf } from "../store/AuditHeads.ts"
import { Command } from "../state/MeshCommand.ts"
import type { HelloProof } from "../trust/HelloProof.ts"
import { idOf, type Incoming } from "./Incoming.ts"
import { ConnectionEnds, type Outgoing } from "./Outgoing.ts"
import { contentHashOf, messageIdFor } from "./SendIdentity.ts"
import type { SendPermits } from "./SendPermits.ts"
import { untilClosed } from "./ServerSocket.ts"

/** The session is attached: what its frames are handled with. */
export interface AttachedConnection {
  readonly proof: HelloProof
  readonly mesh: MeshActor
  readonly permits: SendPermits
  readonly incoming: Incoming
  readonly outgoing: Outgoing
  readonly headOf: HeadOf
  /** What the client was told last. */
  readonly told: { audit: AuditHead | undefined }
}

/** Frames that v1 has; to a v1 client all others are unknown. */
const v1Types: ReadonlySet<ClientFrame["type"]> = new Set(["hello", "send", "set_status"] as const)

/** Until nothing more comes: the socket has closed, or the broker drains. */
export const runFrames = (attached: AttachedConnection) =>
  Effect.forever(
    Effect.flatMap(attached.incoming.next, (decoded) => {
      if (Result.isSuccess(decoded)) return handle(attached, decoded.success)
      const { code, id, message } = decoded.failure
      attached.outgoing.refuse(code, message, id)
      return Effect.void
    }),
  ).pipe(Effect.catchTag("Done", () => finish(attached)))

const handle = Effect.fnUntraced(function* (attached: AttachedConnection, frame: ClientFrame) {
  const { incoming, outgoing, permits, proof } = attached
  const peer = incoming.socket.id
  outgoing.handling = idOf(frame)
  if (proof.protocol === 1 && !v1Types.has(frame.type)) {
    return outgoing.refuse("unknown_type", "unknown frame type", outgoing.handling)
  }
  switch (frame.type) {
    case "hello":
      outgoing.refuse("already_greeted", "this connection has said hello")
      return yield* new ConnectionEnds({ reason: CloseCode.protocolError, code: "already_greeted" })
    case "ping":
      return yield* pong(attached, frame)
    case "send":
      return yield* send(attached, frame)
    case "lease":
      // It is answered after a commit, like a send, and counts like one.
      yield* permits.take
      return yield* offer(attached, Command.Request({ peer, frame }))
    default:
      return yield* offer(attached, Command.Request({ peer, frame }))
  }
})

const pong = Effect.fnUntraced(function* (
  { headOf, incoming, outgoing, proof, told }: AttachedConnection,
  { id }: Extract<ClientFrame, { readonly type: "ping" }>,
) {
  const brokerTime = isoFromMillis(incoming.heardAtMillis())
  const audit = yield* headOf(proof.hello.meshId)
  const isNew = audit !== undefined && audit !== told.audit
  if (isNew) told.audit = audit
  outgoing.send({ type: "pong", id, brokerTime, ...(isNew && { audit }) })
})

const send = Effect.fnUntraced(function* (attached: AttachedConnection, frame: Send) {
  const { incoming, outgoing, permits, proof } = attached
  const { messageBytesMax } = incoming.rules
  if (decodedBytes(frame.ciphertext) > messageBytesMax) {
    return outgoing.refuse("too_large", `a message holds ${messageBytesMax} bytes of ciphertext at most`, frame.id)
  }
  const messageId = yield* messageIdFor(proof.hello, frame)
  yield* permits.take
  const contentHash = contentHashOf(frame)
  yield* offer(attached, Command.Send({ peer: incoming.socket.id, frame, messageId, contentHash }))
})

/** At once where there is a place, as there nearly always is: a race for each frame costs more than the frame. */
const offer = ({ incoming, mesh }: AttachedConnection, command: Offered): Effect.Effect<void, Cause.Done> =>
  Effect.suspend(() => (mesh.offerNow(command) ? Effect.void : untilClosed(incoming.socket, mesh.offer(command))))

/** If the socket is open the broker drains: what is under way is acked first. */
const finish = ({ incoming: { socket }, permits }: AttachedConnection) =>
  Effect.suspend(() => {
    if (!socket.isOpen()) return Effect.void
    return permits.allReturned.pipe(
      Effect.andThen(new ConnectionEnds({ reason: CloseCode.goingAway })),
      Effect.catchTag("Done", () => Effect.void),
    )
  })
