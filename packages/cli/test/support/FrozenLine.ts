/** A line to a broker that can be frozen: it stays open, and nothing comes through it any more, in either direction. */
import type { Socket } from "bun"
import { Effect } from "effect"

interface Ends {
  other: Socket<Ends> | undefined
  waiting: Array<Uint8Array>
}

/** To a broker on this port, which takes hellos for the line's own origin where `BROKER_PUBLIC_URL` names it. */
export const frozenLine = (brokerPort: number) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      let frozen = false
      const pass = (from: Ends, bytes: Uint8Array) => {
        if (frozen) return
        if (from.other === undefined) from.waiting.push(bytes)
        else from.other.write(bytes)
      }
      const listener = Bun.listen<Ends>({
        hostname: "127.0.0.1",
        port: 0,
        socket: {
          open: (client) => {
            client.data = { other: undefined, waiting: [] }
            void Bun.connect<Ends>({
              hostname: "127.0.0.1",
              port: brokerPort,
              socket: {
                open: (broker) => {
                  broker.data = { other: client, waiting: [] }
                  client.data.other = broker
                  for (const bytes of client.data.waiting.splice(0)) pass(client.data, bytes)
                },
                data: (broker, bytes) => pass(broker.data, bytes),
                close: () => void (frozen || client.end()),
              },
            })
          },
          data: (client, bytes) => pass(client.data, Uint8Array.from(bytes)),
          close: (client) => void (frozen || client.data.other?.end()),
        },
      })
      return {
        origin: `http://127.0.0.1:${listener.port}`,
        url: `ws://127.0.0.1:${listener.port}/ws`,
        freeze: () => {
          frozen = true
        },
        listener,
      }
    }),
    ({ listener }) => Effect.sync(() => listener.stop(true)),
  )
