/**
 * The frames of one socket, in the order in which they came: decoded, and no faster than they may come. What comes too
 * fast is not worth a look (I23).
 */
import { frameBytesMax } from "@claudemesh/domain/Limits"
import {
  type ClientFrame,
  decodeClientFrame,
  type FrameRefusal as NotAFrame,
} from "@claudemesh/domain/wire/ClientFrame"
import { CloseCode } from "@claudemesh/domain/wire/CloseCode"
import { type Cause, Clock, Effect, Result } from "effect"
import type { MeshRules } from "../state/MeshState.ts"
import { TokenBucket } from "../TokenBucket.ts"
import { ConnectionEnds, type Outgoing } from "./Outgoing.ts"
import type { OversizedFrame, ServerSocket } from "./ServerSocket.ts"

/** Why what was received is not a frame that can be handled. */
export type FrameRefusal = Pick<NotAFrame, "message" | "id" | "isHello"> & {
  readonly code: NotAFrame["code"] | "too_large"
}

export class Incoming {
  /** Ends when the socket has closed, or the broker drains. */
  readonly next: Effect.Effect<Result.Result<ClientFrame, FrameRefusal>, Cause.Done | ConnectionEnds>
  #heardAtMillis: number
  readonly #bucket: TokenBucket

  constructor(
    readonly socket: ServerSocket,
    readonly outgoing: Outgoing,
    readonly rules: MeshRules,
    nowMillis: number,
  ) {
    const { framesBurst, framesPerSecond } = rules.limits
    this.#bucket = new TokenBucket(framesPerSecond, framesBurst, nowMillis)
    this.#heardAtMillis = nowMillis
    this.next = Effect.flatMap(socket.receive, (received) =>
      Clock.clockWith((clock) => this.#take(received, clock.currentTimeMillisUnsafe())),
    )
  }

  /** When the last frame came. */
  heardAtMillis(): number {
    return this.#heardAtMillis
  }

  #take(received: string | OversizedFrame | undefined, nowMillis: number) {
    this.#heardAtMillis = nowMillis
    if (this.#bucket.take(nowMillis)) return Effect.succeed(this.#frameOf(received))
    this.outgoing.refuse("flooding", "too many frames a second; come back slower")
    return Effect.fail(new ConnectionEnds({ reason: CloseCode.flooding }))
  }

  /** What is no frame of any kind has the text of none. */
  #frameOf(received: string | OversizedFrame | undefined): Result.Result<ClientFrame, FrameRefusal> {
    if (typeof received !== "object") return decodeClientFrame(received ?? "")
    const message = `a frame holds ${frameBytesMax(this.rules.messageBytesMax)} bytes at most`
    return Result.fail({ code: "too_large", message, id: received.id, isHello: false })
  }
}

export const idOf = (frame: ClientFrame): string | undefined => ("id" in frame ? frame.id : undefined)
