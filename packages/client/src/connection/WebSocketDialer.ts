/**
 * The dialer over the runtime's own WebSocket. The socket lives as long as the scope. It cannot be asked to wait,
 * so when frames come faster than they are handled the connection is given up; the broker sends them again (I23).
 */
import { Cause, Effect, Layer, Queue } from "effect"
import { dialTimeoutMillis, incomingCharactersMax, incomingFramesMax } from "../Limits.ts"
import { brokerWords } from "./BrokerWords.ts"
import { type Connection, ConnectionClosed, Dialer, DialFailed } from "./Dialer.ts"

/** Given up, and not done: the broker expects the session back. */
const givenUp = 4000

export const layerWebSocket = Layer.succeed(
  Dialer,
  Dialer.of({
    dial: Effect.fnUntraced(function* (url) {
      const incoming = yield* Queue.dropping<string, ConnectionClosed>(incomingFramesMax)
      const { connection } = yield* Effect.acquireRelease(
        open(url, incoming),
        ({ socket }) => Effect.sync(() => socket.close(givenUp)),
        { interruptible: true },
      )
      return connection
    }),
  }),
)

interface Opened {
  readonly socket: WebSocket
  readonly connection: Connection
}

const open = (url: string, incoming: Queue.Queue<string, ConnectionClosed>) =>
  Effect.callback<Opened, DialFailed>((resume) => {
    const socket = new WebSocket(url)
    // Before it is open: the broker speaks first.
    const connection = listen(socket, incoming)
    socket.addEventListener("open", () => resume(Effect.succeed({ socket, connection })), { once: true })
    socket.addEventListener("close", ({ code, reason }) => {
      resume(Effect.fail(new DialFailed({ url, reason: reason === "" ? closedBeforeOpen(code) : brokerWords(reason) })))
    })
    return Effect.sync(() => socket.close())
  }).pipe(
    Effect.timeoutOrElse({
      duration: dialTimeoutMillis,
      orElse: () => Effect.fail(new DialFailed({ url, reason: `no answer in ${dialTimeoutMillis / 1000} s` })),
    }),
  )

/** 1006 is all that the runtime says of a refused connection, and of a host that is not there. */
const closedBeforeOpen = (code: number): string => (code === 1006 ? "no broker answers there" : `closed with ${code}`)

const listen = (socket: WebSocket, incoming: Queue.Queue<string, ConnectionClosed>): Connection => {
  const end = (code: number, reason: string): void => {
    Queue.failCauseUnsafe(incoming, Cause.fail(new ConnectionClosed({ code, reason })))
  }
  /** Since the queue was empty last: it is emptied as a whole. */
  let waitingCharacters = 0
  socket.addEventListener("message", ({ data }) => {
    if (typeof data !== "string") return
    if (Queue.sizeUnsafe(incoming) === 0) waitingCharacters = 0
    waitingCharacters += data.length
    if (waitingCharacters <= incomingCharactersMax && Queue.offerUnsafe(incoming, data)) return
    end(givenUp, "frames come faster than they are handled, or are too large")
    socket.close(givenUp)
  })
  socket.addEventListener("close", ({ code, reason }) => end(code, reason))
  return {
    incoming,
    send: (text) => {
      if (socket.readyState !== WebSocket.OPEN) return false
      socket.send(text)
      return true
    },
    close: (code, reason) => socket.close(code, reason),
  }
}
