/** A broker behind a gate that lets a request through, swallows it, or swallows its answer; and tells when it does. */
import { Effect } from "effect"
import { startBroker } from "../../../broker/test/support/TestBroker.ts"

export interface Gate {
  readonly origin: string
  /** What is let through: nothing but health, the request and no answer, or all. */
  passes: "nothing" | "request" | "all"
  /** Called when a request has come as far as it is let. */
  reached: () => void
  /** Of each request that the broker has answered: its path and status. */
  readonly answered: Array<string>
}

export const gatedBroker = Effect.gen(function* () {
  let target = ""
  const gate: Omit<Gate, "origin"> = { passes: "all", reached: () => {}, answered: [] }
  const server = yield* Effect.acquireRelease(
    Effect.sync(() =>
      Bun.serve({
        port: 0,
        hostname: "127.0.0.1",
        fetch: async (request) => {
          const { pathname } = new URL(request.url)
          const never = new Promise<Response>(() => {})
          if (gate.passes === "nothing") {
            gate.reached()
            return never
          }
          const headers = new Headers(request.headers)
          headers.delete("host")
          const body = request.method === "GET" ? {} : { body: await request.text() }
          const response = await fetch(`${target}${pathname}`, { method: request.method, headers, ...body })
          const text = await response.text()
          gate.answered.push(`${request.method} ${pathname} ${response.status}`)
          gate.reached()
          return gate.passes === "request" ? never : new Response(text, { status: response.status })
        },
      }),
    ),
    (server) => Effect.promise(() => server.stop(true)),
  )
  const origin = `http://127.0.0.1:${server.port}`
  const broker = yield* startBroker({ environment: { BROKER_PUBLIC_URL: `${origin.replace("http", "ws")}/ws` } })
  target = broker.origin
  return Object.assign(gate, { origin }) satisfies Gate
})
