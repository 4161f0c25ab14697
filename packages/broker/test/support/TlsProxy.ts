/** Stands before a Postgres that speaks plainly, and encrypts as a server of its own does, or refuses to. */
import { connect, createServer, type Socket } from "node:net"
import { TLSSocket } from "node:tls"
import { Effect } from "effect"

export interface Certificate {
  readonly key: string
  readonly cert: string
}

const tie = (one: Socket, other: Socket): void => {
  for (const [from, to] of [
    [one, other],
    [other, one],
  ] as const) {
    from.on("data", (chunk: Buffer) => void to.write(chunk))
    from.on("error", () => to.destroy())
    from.on("close", () => to.destroy())
  }
}

/** What the clients said first, to see whether it was encrypted. `undefined`: it offers no encryption. */
export const tlsProxyTo = (target: number, certificate: Certificate | undefined) =>
  Effect.acquireRelease(
    Effect.promise(
      () =>
        new Promise<{ readonly port: number; readonly plain: () => number; readonly end: () => void }>((resolve) => {
          let plain = 0
          const sockets = new Set<Socket>()
          const server = createServer((from) => {
            sockets.add(from)
            from.on("error", () => from.destroy())
            from.once("data", (first: Buffer) => {
              const asksForTls = first.length === 8 && first.readInt32BE(4) === 80_877_103
              if (asksForTls && certificate !== undefined) {
                from.write("S")
                return tie(new TLSSocket(from, { isServer: true, ...certificate }), connect(target, "127.0.0.1"))
              }
              const begin = (chunk: Buffer) => {
                plain += 1
                const to = connect(target, "127.0.0.1")
                to.write(chunk)
                tie(from, to)
              }
              if (!asksForTls) return begin(first)
              from.write("N")
              return from.once("data", begin)
            })
          })
          server.listen(0, "127.0.0.1", () => {
            const address = server.address()
            resolve({
              port: typeof address === "object" && address ? address.port : 0,
              plain: () => plain,
              end: () => {
                for (const socket of sockets) socket.destroy()
                server.close()
              },
            })
          })
        }),
    ),
    ({ end }) => Effect.sync(end),
  )
