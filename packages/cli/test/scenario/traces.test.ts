/** One message as one trace: from the command that sends it, through the broker, to the one that shows it, as a collector gets it. */
import { join } from "node:path"
import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import { brokerProcess } from "../../../broker/test/support/BrokerProcess.ts"
import { temporaryFolder } from "../../../broker/test/support/TestBroker.ts"
import { claudemesh, done } from "../support/Agent.ts"

interface Span {
  readonly traceId: string
  readonly spanId: string
  readonly parentSpanId: string
  readonly name: string
  readonly startTimeUnixNano: string
  readonly endTimeUnixNano: string
}

/** Takes OTLP as JSON, as any collector does. */
const collector = Effect.acquireRelease(
  Effect.sync(() => {
    const bodies: Array<string> = []
    const server = Bun.serve({
      hostname: "127.0.0.1",
      port: 0,
      fetch: async (request) => {
        if (new URL(request.url).pathname !== "/v1/traces") return new Response(null, { status: 404 })
        bodies.push(await request.text())
        return Response.json({})
      },
    })
    const spans = () =>
      bodies.flatMap((body) =>
        JSON.parse(body).resourceSpans.flatMap(
          (of: {
            resource: { attributes: ReadonlyArray<{ key: string; value: { stringValue?: string } }> }
            scopeSpans: ReadonlyArray<{ spans: ReadonlyArray<Span> }>
          }) => {
            const service = of.resource.attributes.find(({ key }) => key === "service.name")?.value.stringValue
            return of.scopeSpans.flatMap((scope) => scope.spans.map((span) => ({ ...span, service })))
          },
        ),
      )
    return { endpoint: `http://127.0.0.1:${server.port}`, bodies, spans, stop: () => server.stop(true) }
  }),
  ({ stop }) => Effect.promise(stop),
)

it.live("a message is one trace, named by its id, of sender, broker and recipient, and has no text", () =>
  Effect.scoped(
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const { bodies, endpoint, spans } = yield* collector
      const otel = { OTEL_EXPORTER_OTLP_ENDPOINT: endpoint, OTEL_BSP_SCHEDULE_DELAY: "50" }
      const broker = yield* brokerProcess({ BROKER_DATA_DIR: join(folder, "data"), ...otel })
      yield* Effect.promise(async () => {
        const by =
          (name: string) =>
          (...args: ReadonlyArray<string>) =>
            claudemesh(args, { CLAUDEMESH_HOME: join(folder, name), CLAUDEMESH_BROKER: broker.origin, ...otel })
        const [ann, bob] = [by("ann"), by("bob")]
        done(await ann("create", "team", "--as", "Ann"))
        done(await bob("join", done(await ann("invite")).trim(), "--as", "Bob"))
        const { messageId } = JSON.parse(done(await ann("send", "Bob", "a plain secret", "--json")))
        done(await bob("inbox"))
        await broker.terminate()

        const ofMessage = spans().filter(({ traceId }) => traceId === messageId)
        assert.deepStrictEqual(ofMessage.map(({ name, service }) => `${service}: ${name}`).toSorted(), [
          "claudemesh-broker: accept",
          "claudemesh-broker: deliver",
          "claudemesh: hand over",
          "claudemesh: send",
        ])
        for (const { endTimeUnixNano, parentSpanId, startTimeUnixNano } of ofMessage) {
          assert.strictEqual(parentSpanId, messageId.slice(0, 16))
          assert.isTrue(BigInt(endTimeUnixNano) >= BigInt(startTimeUnixNano))
        }
        assert.lengthOf(spans(), 4, "nothing else is traced")
        assert.notInclude(bodies.join(""), "a plain secret")

        const wrong = await claudemesh(["list"], {
          CLAUDEMESH_HOME: join(folder, "ann"),
          OTEL_EXPORTER_OTLP_ENDPOINT: "x",
        })
        assert.strictEqual(wrong.code, 0)
        assert.match(
          wrong.stderr,
          /^claudemesh: nothing is traced, since a variable OTEL_\* cannot be understood: Expected a valid URL/,
        )
      })
    }),
  ),
)
