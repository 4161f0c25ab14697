/**
 * The port to one WebSocket, as a connection sees it: frames in, in order and bounded, frames out, and the end.
 * The live adapter is `http/BunSocket.ts`.
 */
import type { CloseCode } from "@claudemesh/domain/wire/CloseCode"
import type { PeerId } from "../state/PeerId.ts"
import { Cause, Effect } from "effect"
import type { Rest } from "./Received.ts"

/** A text that is longer than a frame may be: it is not kept, but for what its sender can settle it by. */
export interface OversizedFrame {
  readonly _tag: "OversizedFrame"
  readonly characters: number
  readonly id: string | undefined
}

/** A text; a binary message comes as `undefined`, and a text that is too long without itself. */
export type ReceivedFrame = string | OversizedFrame | undefined

export interface ServerSocket {
  /** In the order in which the broker took its sockets: of two, the higher is the newer. */
  readonly id: PeerId
  /**
   * The next that was received. Ends when the socket has closed, and also, with the socket still open, when the broker drains: nothing
   * more is read then.
   */
  readonly receive: Effect.Effect<ReceivedFrame, Cause.Done>
  /** All of it from now on, handled where it comes in; ends as `receive` does. */
  readonly receiveEach: <E>(handle: (received: ReceivedFrame) => Rest<E>) => Effect.Effect<never, E | Cause.Done>
  /**
   * Hands text to the socket's buffer, at once; a socket whose backlog grows too large is dropped. False: the socket
   * has closed or was dropped, so nobody will get it. True is no more than "handed over": the other side may be gone.
   */
  readonly send: (text: string) => boolean
  /** What was handed to it and the other side has not taken yet. */
  readonly unreadBytes: () => number
  /** `reason`: a code for machines, as v1 clients read it. */
  readonly close: (code: CloseCode, reason?: string) => void
  readonly isOpen: () => boolean
  /**
   * Calls it once when the socket has closed, whichever side did it: at once if it has. It must not throw. Gives what
   * takes it back.
   */
  readonly onClosed: (then: () => void) => () => void
  /** The other side closed it with 1000: it is done, and not merely lost. */
  readonly saidGoodbye: () => boolean
}

/** Nobody hears an answer any more: whatever is waited for, it is waited for no longer than the socket is open. */
export const untilClosed = <A, E, R>(
  socket: ServerSocket,
  effect: Effect.Effect<A, E, R>,
): Effect.Effect<A, E | Cause.Done, R> =>
  Effect.raceFirst(
    effect,
    Effect.callback<never, Cause.Done>((resume) => Effect.sync(socket.onClosed(() => resume(Cause.done())))),
  )
