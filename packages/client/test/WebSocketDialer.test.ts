import { assert, it } from "@effect/vitest"
import { Effect, Queue } from "effect"
import { incomingCharactersMax } from "../src/Limits.ts"
import { Dialer } from "../src/connection/Dialer.ts"
import { layerWebSocket } from "../src/connection/WebSocketDialer.ts"

const server = Effect.acquireRelease(
  Effect.sync(() =>
    Bun.serve({
      port: 0,
      hostname: "127.0.0.1",
      fetch: (request, server) => (server.upgrade(request) ? undefined : new Response("no", { status: 400 })),
      websocket: {
        backpressureLimit: 2 * incomingCharactersMax,
        open: (socket) => void socket.send("first"),
        message: (socket, text) => {
          if (text === "bye") socket.close(4003, "replaced")
          else if (text === "flood") for (let n = 0; n < 5; n++) socket.send("x".repeat(incomingCharactersMax / 4))
          else socket.send(`echo ${String(text)}`)
        },
      },
    }),
  ),
  (server) => Effect.promise(() => server.stop(true)),
)

it.live("a socket gives what the other side says from the first frame on, and its close at the end", () =>
  Effect.gen(function* () {
    const { port } = yield* server
    const { dial } = yield* Dialer
    const { incoming, send } = yield* dial(`ws://127.0.0.1:${port}/ws`)
    assert.strictEqual(yield* Queue.take(incoming), "first")
    assert.isTrue(send("a"))
    assert.isTrue(send("bye"))
    assert.strictEqual(yield* Queue.take(incoming), "echo a")
    assert.deepInclude(yield* Effect.flip(Queue.take(incoming)), { code: 4003, reason: "replaced" })
    assert.isFalse(send("b"))
  }).pipe(Effect.provide(layerWebSocket)),
)

it.live("a socket is given up when more comes than fits into memory, though it is few frames (I23)", () =>
  Effect.gen(function* () {
    const running = yield* server
    const { dial } = yield* Dialer
    const { incoming, send } = yield* dial(`ws://127.0.0.1:${running.port}/ws`)
    assert.strictEqual(yield* Queue.take(incoming), "first")
    assert.isTrue(send("flood"))
    while (running.pendingWebSockets > 0) yield* Effect.sleep("5 millis")
    const frames = yield* Queue.clear(incoming).pipe(Effect.orElseSucceed((): Array<string> => []))
    assert.isAtMost(frames.length, 4)
    assert.deepInclude(yield* Effect.flip(Queue.take(incoming)), { code: 4000 })
  }).pipe(Effect.provide(layerWebSocket)),
)

it.live("a socket that nobody listens for fails", () =>
  Effect.gen(function* () {
    const { port } = yield* Effect.scoped(server)
    const failed = yield* Effect.flip((yield* Dialer).dial(`ws://127.0.0.1:${port}/ws`))
    assert.strictEqual(failed._tag, "DialFailed")
  }).pipe(Effect.provide(layerWebSocket)),
)

it.live("a socket closes with its scope", () =>
  Effect.gen(function* () {
    const running = yield* server
    const { dial } = yield* Dialer
    yield* Effect.scoped(dial(`ws://127.0.0.1:${running.port}/ws`))
    while (running.pendingWebSockets > 0) yield* Effect.sleep("5 millis")
  }).pipe(Effect.provide(layerWebSocket)),
)
