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

interface Relayed {
  broker: WebSocket | undefined
  /** What came before the broker was reached. */
  waiting: Array<string>
}

/** Connections pass. */
const relay = (target: () => string): Bun.WebSocketHandler<Relayed> => ({
  open: (client) => {
    const broker = new WebSocket(`${target().replace("http", "ws")}/ws`)
    client.data.broker = broker
    broker.onopen = () => {
      for (const text of client.data.waiting) broker.send(text)
    }
    broker.onmessage = ({ data }) => void client.send(String(data))
    broker.onclose = ({ code, reason }) => client.close(code, reason)
  },
  message: ({ data: { broker, waiting } }, text) => {
    if (broker?.readyState === WebSocket.OPEN) broker.send(text)
    else waiting.push(String(text))
  },
  close: ({ data: { broker } }) => broker?.close(),
})

export const gatedBroker = Effect.gen(function* () {
  let target = ""
  const gate: Omit<Gate, "origin"> = { passes: "all", reached: () => {}, answered: [] }
  const server = yield* Effect.acquireRelease(
    Effect.sync(() =>
      Bun.serve<Relayed>({
        port: 0,
        hostname: "127.0.0.1",
        websocket: relay(() => target),
        fetch: async (request, server) => {
          if (server.upgrade(request, { data: { broker: undefined, waiting: [] } })) return undefined
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
