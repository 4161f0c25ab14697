/** A way to a database that can be cut, or fall silent: then nothing goes through any more, and nobody is told so. */
import { connect, createServer, type Server, type Socket } from "node:net"
import { Effect } from "effect"

export interface Proxy {
  readonly port: number
  /** Cuts what goes through it, and takes nothing more. */
  readonly shut: () => void
  /** Forwards nothing more, either way, and closes nothing: what was sent is lost. New connections are taken, and get no answer. */
  readonly silence: () => void
  /** For new connections: those that were silent stay so, as if a router had forgotten them. */
  readonly open: () => void
  /** Called with what goes to the database, before it does. `false`: it is lost, and its connection silent from then on. */
  readonly inspect: (look: (chunk: Buffer) => boolean) => void
}

interface Pair {
  readonly from: Socket
  readonly to: Socket
  isSilent: boolean
}

const joined = (from: Socket, target: number, isSilent: boolean, look: (chunk: Buffer) => boolean): Pair => {
  const pair: Pair = { from, to: connect(target, "127.0.0.1"), isSilent }
  const { to } = pair
  from.on("data", (chunk: Buffer) => {
    if (!pair.isSilent && !look(chunk)) pair.isSilent = true
    if (!pair.isSilent) to.write(chunk)
  })
  to.on("data", (chunk: Buffer) => {
    if (!pair.isSilent) from.write(chunk)
  })
  for (const [one, other] of [
    [from, to],
    [to, from],
  ] as const) {
    one.on("error", () => other.destroy())
    one.on("close", () => {
      if (!pair.isSilent) other.destroy()
    })
  }
  return pair
}

const start = (target: number) =>
  new Promise<{ readonly proxy: Proxy; readonly server: Server; readonly end: () => void }>((resolve) => {
    const pairs = new Set<Pair>()
    let state: "open" | "shut" | "silent" = "open"
    let look: (chunk: Buffer) => boolean = () => true
    const end = () => {
      for (const { from, to } of pairs) {
        from.destroy()
        to.destroy()
      }
      pairs.clear()
    }
    const server = createServer((from) => {
      if (state === "shut") return void from.destroy()
      pairs.add(joined(from, target, state === "silent", (chunk) => look(chunk)))
    })
    server.listen(0, "127.0.0.1", () => {
      const address = server.address()
      const proxy: Proxy = {
        port: typeof address === "object" && address ? address.port : 0,
        shut: () => {
          state = "shut"
          end()
        },
        silence: () => {
          state = "silent"
          for (const pair of pairs) pair.isSilent = true
        },
        open: () => void (state = "open"),
        inspect: (next) => void (look = next),
      }
      resolve({ server, proxy, end })
    })
  })

/** To a port of this machine. */
export const proxyTo = (target: number) =>
  Effect.map(
    Effect.acquireRelease(
      Effect.promise(() => start(target)),
      ({ end, server }) =>
        Effect.promise(() => {
          end()
          return new Promise<void>((resolve) => server.close(() => resolve()))
        }),
    ),
    ({ proxy }) => proxy,
  )
