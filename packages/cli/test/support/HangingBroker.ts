/** A broker that lets a client in and then answers nothing: neither away nor of any use. */
import { Effect } from "effect"

const time = "2026-01-01T00:00:00.000Z"

export const hangingBroker = Effect.acquireRelease(
  Effect.sync(() => {
    const server = Bun.serve({
      port: 0,
      hostname: "127.0.0.1",
      fetch: (request, upgrading) => (upgrading.upgrade(request) ? undefined : new Response(null, { status: 404 })),
      websocket: {
        open: (socket) => {
          socket.send(
            JSON.stringify({ type: "challenge", nonce: "00".repeat(32), protocols: [1, 2], brokerTime: time }),
          )
        },
        message: (socket, text) => {
          const { type } = JSON.parse(String(text))
          if (type !== "hello") return
          const limits = { maxMessageBytes: 65_536, maxInFlight: 500 }
          const ack = { type: "hello_ack", presenceId: "p1", memberDisplayName: "alice", protocol: 2, limits }
          socket.send(JSON.stringify(ack))
        },
      },
    })
    return { url: `ws://127.0.0.1:${server.port}/ws`, server }
  }),
  ({ server }) => Effect.promise(() => server.stop(true)),
)
