/**
 * The dialer over the runtime's own WebSocket. The socket lives as long as the scope. It cannot be asked to wait,
 * so when frames come faster than they are handled the connection is given up; the broker sends them again (I23).
 */
import { Cause, Effect, Layer, Queue } from "effect"
import { dialTimeoutMillis, incomingCharactersMax, incomingFramesMax } from "../Limits.ts"
import { brokerWords } from "./BrokerWords.ts"
import { type Connection, ConnectionClosed, Dialer, DialFailed } from "./Dialer.ts"
import { proxyFor, proxySettings } from "./Proxy.ts"
import { notInTime, type Unreached, unreachedBy, unreachedFrom } from "./Unreached.ts"

/** Given up, and not done: the broker expects the session back. */
const givenUp = 4000

export const layerWebSocket = Layer.succeed(
  Dialer,
  Dialer.of({
    dial: Effect.fnUntraced(function* (url) {
      const incoming = yield* Queue.dropping<string, ConnectionClosed>(incomingFramesMax)
      const proxy = proxyFor(url, yield* proxySettings)
      const { connection } = yield* Effect.acquireRelease(
        open(url, proxy, incoming),
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

const open = (url: string, proxy: string | undefined, incoming: Queue.Queue<string, ConnectionClosed>) =>
  Effect.callback<Opened, DialFailed>((resume) => {
    const socket = new WebSocket(url, proxy === undefined ? {} : { proxy })
    // Before it is open: the broker speaks first.
    const connection = listen(socket, incoming)
    let why: Unreached | undefined
    socket.addEventListener("open", () => resume(Effect.succeed({ socket, connection })), { once: true })
    // Only this says why; the close that comes next says 1006, whatever it was.
    socket.addEventListener("error", (event) => {
      why ??= unreachedFrom("error" in event && event.error !== undefined ? event.error : event, url, proxy)
    })
    socket.addEventListener("close", ({ code, reason }) => {
      const words = reason === "" ? `closed with ${code}` : brokerWords(reason)
      resume(Effect.fail(dialFailed(why ?? unreachedBy("cut", url, words))))
    })
    return Effect.sync(() => socket.close())
  }).pipe(
    Effect.timeoutOrElse({
      duration: dialTimeoutMillis,
      orElse: () => Effect.fail(dialFailed(notInTime(url, dialTimeoutMillis))),
    }),
  )

const dialFailed = (unreached: Unreached): DialFailed =>
  new DialFailed({ url: unreached.url, reason: unreached.words, unreached })

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
