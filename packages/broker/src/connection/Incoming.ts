/**
 * The frames of one socket, in the order in which they came: decoded, and no faster than they may come. What comes too
 * fast is not worth a look (I23). Before its hello a socket may say a few frames only. After it all sockets of its member
 * share one pace: beyond that they are read later, so that no member takes the processor from the others.
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
import type { Rest } from "./Received.ts"
import { type ReceivedFrame, type ServerSocket, untilClosed } from "./ServerSocket.ts"

/** Why what was received is not a frame that can be handled. */
export type FrameRefusal = Pick<NotAFrame, "message" | "id" | "isHello"> & {
  readonly code: NotAFrame["code"] | "too_large"
}

export type Decoded = Result.Result<ClientFrame, FrameRefusal>

export class Incoming {
  #heardAtMillis: number
  #bucket: TokenBucket
  #pace: TokenBucket | undefined

  constructor(
    readonly socket: ServerSocket,
    readonly outgoing: Outgoing,
    readonly rules: MeshRules,
    nowMillis: number,
  ) {
    this.#bucket = new TokenBucket(1, rules.limits.framesBeforeHelloMax, nowMillis)
    this.#heardAtMillis = nowMillis
  }

  /** Ends when the socket has closed, or the broker drains. */
  get next(): Effect.Effect<Decoded, Cause.Done | ConnectionEnds> {
    return Effect.flatMap(this.socket.receive, (received) =>
      Clock.clockWith((clock) => {
        const wait = this.#waitFor(received, clock.currentTimeMillisUnsafe()) ?? Effect.void
        return Effect.map(wait, () => this.#frameOf(received))
      }),
    )
  }

  /** All of them from now on, handled where they come in. Ends as `next` does, or with what `handle` leaves to be done. */
  each<E>(handle: (decoded: Decoded) => Rest<E>): Effect.Effect<never, Cause.Done | ConnectionEnds | E> {
    return Clock.clockWith((clock) =>
      this.socket.receiveEach<Cause.Done | ConnectionEnds | E>((received) => {
        const wait = this.#waitFor(received, clock.currentTimeMillisUnsafe())
        if (wait === undefined) return handle(this.#frameOf(received))
        return Effect.flatMap(wait, () => handle(this.#frameOf(received)) ?? Effect.void)
      }),
    )
  }

  /** When the last frame came. */
  heardAtMillis(): number {
    return this.#heardAtMillis
  }

  /** Its hello is proved. `pace`: of its member, whose other sockets share it. */
  authenticated(pace: TokenBucket, nowMillis: number): void {
    const { framesBurst, framesPerSecond } = this.rules.limits
    this.#bucket = new TokenBucket(framesPerSecond, framesBurst, nowMillis)
    this.#pace = pace
  }

  /** What has to be waited for before it is handled. */
  #waitFor(received: ReceivedFrame, nowMillis: number): Rest<Cause.Done | ConnectionEnds> {
    this.#heardAtMillis = nowMillis
    this.outgoing.metrics.received(charactersOf(received))
    if (!this.#bucket.take(nowMillis)) {
      this.outgoing.refuse("flooding", "too many frames a second; come back slower")
      return Effect.fail(new ConnectionEnds({ reason: CloseCode.flooding }))
    }
    this.#pace?.charge(1 + Math.floor(charactersOf(received) / this.rules.limits.charactersPerFrame))
    const waitMillis = this.#pace?.debtMillis(nowMillis) ?? 0
    // It is short: each that shares the pace owes its one frame at most.
    return waitMillis === 0 ? undefined : untilClosed(this.socket, Effect.sleep(waitMillis))
  }

  /** What is no frame of any kind has the text of none. */
  #frameOf(received: ReceivedFrame): Decoded {
    if (typeof received !== "object") return decodeClientFrame(received ?? "")
    const message = `a frame holds ${frameBytesMax(this.rules.messageBytesMax)} bytes at most`
    return Result.fail({ code: "too_large", message, id: received.id, isHello: false })
  }
}

/** One that is too long is not kept, and was looked through all the same. */
const charactersOf = (received: ReceivedFrame): number =>
  typeof received === "string" ? received.length : (received?.characters ?? 0)

export const idOf = (frame: ClientFrame): string | undefined => ("id" in frame ? frame.id : undefined)
