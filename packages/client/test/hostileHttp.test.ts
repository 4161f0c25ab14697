/** A broker's HTTP as it is when the broker is not ours: it sends the client elsewhere, or never comes to an end. */
import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import * as FetchHttpClient from "effect/unstable/http/FetchHttpClient"
import { health } from "../src/http/BrokerHttp.ts"
import { httpAnswerBytesMax } from "../src/Limits.ts"

const healthy = { status: "ok", version: "1", gitSha: "x", uptime: 1, db: "up" } as const

const server = Effect.fnUntraced(function* (answer: (request: Request) => Response) {
  const running = yield* Effect.acquireRelease(
    Effect.sync(() => Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: answer })),
    (running) => Effect.promise(() => running.stop(true)),
  )
  return `http://127.0.0.1:${running.port}`
})

it.live("a broker cannot send its clients on to another host or port", () =>
  Effect.gen(function* () {
    let asked = 0
    const elsewhere = yield* server(() => {
      asked += 1
      return Response.json(healthy)
    })
    const broker = yield* server(() => Response.redirect(`${elsewhere}/health`, 307))
    assert.strictEqual((yield* Effect.flip(health(broker)))._tag, "BrokerUnreachable")
    assert.strictEqual(asked, 0)
    assert.deepInclude(yield* health(elsewhere), healthy)
  }).pipe(Effect.provide(FetchHttpClient.layer)),
)

it.live("an answer without end is not read to its end (I23)", () =>
  Effect.gen(function* () {
    let sent = 0
    const broker = yield* server(
      () =>
        new Response(
          new ReadableStream<Uint8Array<ArrayBuffer>>({
            pull: async (controller) => {
              await Bun.sleep(1)
              sent += 1_048_576
              if (sent > 64 * httpAnswerBytesMax) controller.close()
              else controller.enqueue(new Uint8Array(1_048_576).fill(32))
            },
          }),
        ),
    )
    assert.strictEqual((yield* Effect.flip(health(broker)))._tag, "BrokerUnreachable")
    assert.isBelow(sent, 32 * httpAnswerBytesMax)
  }).pipe(Effect.provide(FetchHttpClient.layer)),
)
