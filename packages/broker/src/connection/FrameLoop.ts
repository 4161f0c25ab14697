/**
 * The frames of an attached connection, one at a time, in order (I1). A frame is handled where the socket brings it, all the way to its
 * mesh, and wakes no fiber. Only where it has to wait does the connection's fiber go on with it: for an earlier send's answer
 * when too many are under way, and for a place in the mesh's mailbox; the socket is then not read.
 * Both waits end with the socket, so that nothing of a connection outlives it.
 */
import { decodedBytes } from "@claudemesh/domain/Base64"
import type { MeshId, MessageId, PublicKey } from "@claudemesh/domain/Ids"
import { isoFromMillis } from "@claudemesh/domain/IsoTime"
import { messageIdOf } from "@claudemesh/domain/trust/MessageIdentity"
import type { AuditHead } from "@claudemesh/domain/wire/BrokerFrame"
import type { ClientFrame, Send } from "@claudemesh/domain/wire/ClientFrame"
import { CloseCode } from "@claudemesh/domain/wire/CloseCode"
import { type Cause, Crypto, Effect, type Exit, type PlatformError, Result } from "effect"
import type { MeshActor, Offered } from "../mesh/MeshActor.ts"
import type { HeadOf } from "../store/AuditHeads.ts"
import { type Decoded, idOf, type Incoming } from "./Incoming.ts"
import { ConnectionEnds, type Outgoing } from "./Outgoing.ts"
import type { Rest } from "./Received.ts"
import { anyMessageId, contentHashOf } from "./SendIdentity.ts"
import type { SendPermits } from "./SendPermits.ts"
import { untilClosed } from "./ServerSocket.ts"

/** The session is attached: what its frames are handled with. */
export interface AttachedConnection {
  /** Of the hello what is asked for again. It was proved, and is not kept. */
  readonly who: { readonly meshId: MeshId; readonly pubkey: PublicKey; readonly protocol: 1 | 2 }
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

/** What a frame has still to wait for. */
type Waits = Rest<Cause.Done | ConnectionEnds | PlatformError.PlatformError>

/** Until nothing more comes: the socket has closed, or the broker drains. */
export const runFrames = (attached: AttachedConnection) =>
  Effect.flatMap(Crypto.Crypto, (crypto) => {
    const frames = new FrameLoop(attached, crypto)
    return attached.incoming.each((decoded) => frames.take(decoded))
  })

/** Each step does what can be done at once; where it has to wait, it gives that, with what comes behind it. */
class FrameLoop {
  constructor(
    readonly attached: AttachedConnection,
    readonly crypto: typeof Crypto.Crypto.Service,
  ) {}

  take(decoded: Decoded): Waits {
    if (Result.isSuccess(decoded)) return this.#handle(decoded.success)
    const { code, id, message } = decoded.failure
    this.attached.outgoing.refuse(code, message, id)
    return undefined
  }

  #handle(frame: ClientFrame): Waits {
    const { incoming, outgoing, who } = this.attached
    const peer = incoming.socket.id
    outgoing.handling = idOf(frame)
    if (who.protocol === 1 && !v1Types.has(frame.type)) {
      outgoing.refuse("unknown_type", "unknown frame type", outgoing.handling)
      return undefined
    }
    switch (frame.type) {
      case "hello":
        outgoing.refuse("already_greeted", "this connection has said hello")
        return Effect.fail(new ConnectionEnds({ reason: CloseCode.protocolError, code: "already_greeted" }))
      case "ping":
        return this.#pong(frame)
      case "send":
        return this.#send(frame)
      case "lease":
        // It is answered after a commit, like a send, and counts like one.
        return this.#withPermit(() => this.#offer({ _tag: "Request", peer, frame }))
      default:
        return this.#offer({ _tag: "Request", peer, frame })
    }
  }

  /** The head of the audit may have to be read, which is seldom: then it is waited for. */
  #pong({ id }: Extract<ClientFrame, { readonly type: "ping" }>): Waits {
    const { headOf, incoming, outgoing, told, who } = this.attached
    const brokerTime = isoFromMillis(incoming.heardAtMillis())
    return Effect.map(headOf(who.meshId), (audit) => {
      const isNew = audit !== undefined && audit !== told.audit
      if (isNew) told.audit = audit
      outgoing.send({ type: "pong", id, brokerTime, ...(isNew && { audit }) })
    })
  }

  #send(frame: Send): Waits {
    const { incoming, outgoing, who } = this.attached
    const { messageBytesMax } = incoming.rules
    if (decodedBytes(frame.ciphertext) > messageBytesMax) {
      outgoing.refuse("too_large", `a message holds ${messageBytesMax} bytes of ciphertext at most`, frame.id)
      return undefined
    }
    const { meshId, pubkey } = who
    if (frame.id !== undefined) return this.#sendAs(frame, messageIdOf(meshId, pubkey, frame.id))
    const anyId = Effect.provideService(anyMessageId, Crypto.Crypto, this.crypto)
    return Effect.flatMap(anyId, (messageId) => this.#sendAs(frame, messageId) ?? Effect.void)
  }

  #sendAs(frame: Send, messageId: MessageId): Waits {
    const peer = this.attached.incoming.socket.id
    return this.#withPermit(() =>
      this.#offer({ _tag: "Send", peer, frame, messageId, contentHash: contentHashOf(frame) }),
    )
  }

  #withPermit(then: () => Waits): Waits {
    const { permits } = this.attached
    return permits.takeNow() ? then() : Effect.flatMap(permits.take, () => then() ?? Effect.void)
  }

  #offer(command: Offered): Waits {
    const { incoming, mesh } = this.attached
    return mesh.offerNow(command) ? undefined : untilClosed(incoming.socket, mesh.offer(command))
  }
}

/** Behind the last frame. If the socket is open then the broker drains: what is under way is acked first. */
export const settled = <E>(
  { incoming: { socket }, permits }: AttachedConnection,
  last: Exit.Exit<never, E | Cause.Done>,
) =>
  Effect.catchTag(last, "Done", () => {
    if (!socket.isOpen()) return Effect.void
    return permits.allReturned.pipe(
      Effect.andThen(new ConnectionEnds({ reason: CloseCode.goingAway })),
      Effect.catchTag("Done", () => Effect.void),
    )
  })
