/**
 * A pooler in transaction mode, as PgBouncer is one: each transaction of a client gets another connection of the server,
 * where nothing is left of what an earlier one prepared or set. It lets everybody in, and speaks plainly.
 */
import { connect, createServer, type Socket } from "node:net"
import { Effect } from "effect"

interface ServerConnection {
  readonly socket: Socket
  client: Client | undefined
}

interface Client {
  readonly socket: Socket
  server: ServerConnection | undefined
  last: ServerConnection | undefined
  waiting: Array<Buffer>
}

const message = (type: string, ...parts: ReadonlyArray<Buffer>): Buffer => {
  const body = Buffer.concat(parts)
  const length = Buffer.alloc(4)
  length.writeInt32BE(body.length + 4)
  return Buffer.concat([Buffer.from(type, "latin1"), length, body])
}

const int32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4)
  bytes.writeInt32BE(value)
  return bytes
}

const text = (value: string): Buffer => Buffer.from(`${value}\0`)

/** Calls back with each whole message that the server says. */
const messages = (onMessage: (type: string, body: Buffer, whole: Buffer) => void) => {
  let rest = Buffer.alloc(0)
  return (chunk: Buffer): void => {
    rest = Buffer.concat([rest, chunk])
    while (rest.length >= 5 && rest.length > rest.readInt32BE(1)) {
      const end = 1 + rest.readInt32BE(1)
      onMessage(String.fromCharCode(rest[0] ?? 0), rest.subarray(5, end), rest.subarray(0, end))
      rest = rest.subarray(end)
    }
  }
}

const connectServer = (url: URL, onIdle: (server: ServerConnection) => void): ServerConnection => {
  const server: ServerConnection = { socket: connect(Number(url.port), url.hostname), client: undefined }
  const { socket } = server
  const startup = [text("user"), text(url.username), text("database"), text(url.pathname.slice(1)), Buffer.from([0])]
  const body = Buffer.concat([int32(196_608), ...startup])
  socket.write(Buffer.concat([int32(body.length + 4), body]))
  socket.on("error", () => socket.destroy())
  socket.on(
    "data",
    messages((type, content, whole) => {
      if (type === "R" && content.readInt32BE(0) === 3) socket.write(message("p", text(url.password)))
      server.client?.socket.write(whole)
      if (type !== "Z" || content.toString() !== "I") return
      if (server.client !== undefined) server.client.server = undefined
      server.client = undefined
      onIdle(server)
    }),
  )
  return server
}

/** What a startup message sets. */
const parametersOf = (packet: Buffer): ReadonlyArray<string> => packet.subarray(8, -2).toString().split("\0")

const known = new Set(["user", "database", "application_name", "client_encoding"])

const start = (url: URL, refusesUnknown: boolean) =>
  new Promise<{ readonly port: number; readonly transactions: () => number; readonly end: () => void }>((resolve) => {
    const idle: Array<ServerConnection> = []
    const waiting: Array<Client> = []
    const sockets = new Set<Socket>()
    let transactions = 0
    const assign = (): void => {
      for (let client = waiting[0]; client !== undefined; client = waiting[0]) {
        const its = client
        // Rather another one than before.
        const server = idle.find((one) => one !== its.last) ?? idle[0]
        if (server === undefined) return
        idle.splice(idle.indexOf(server), 1)
        waiting.shift()
        server.client = client
        client.server = server
        client.last = server
        transactions += 1
        for (const chunk of client.waiting.splice(0)) server.socket.write(chunk)
      }
    }
    const servers = [1, 2, 3].map(() =>
      connectServer(url, (server) => {
        idle.push(server)
        assign()
      }),
    )
    const welcome = (socket: Socket, packet: Buffer): boolean => {
      const unknown = parametersOf(packet).find((name, index) => index % 2 === 0 && !known.has(name))
      if (unknown !== undefined && refusesUnknown) {
        const said = `Munsupported startup parameter: ${unknown}`
        socket.end(message("E", text("SFATAL"), text("C08P01"), text(said), Buffer.from([0])))
        return false
      }
      const ready = message("Z", Buffer.from("I"))
      socket.write(Buffer.concat([message("R", int32(0)), message("K", int32(1), int32(2)), ready]))
      return true
    }
    const listener = createServer((socket) => {
      sockets.add(socket)
      const client: Client = { socket, server: undefined, last: undefined, waiting: [] }
      const talk = (chunk: Buffer): void => {
        if (client.server !== undefined) return void client.server.socket.write(chunk)
        client.waiting.push(chunk)
        if (!waiting.includes(client)) waiting.push(client)
        assign()
      }
      const begin = (packet: Buffer): void => {
        if (packet.length === 8) {
          socket.write("N")
          return void socket.once("data", begin)
        }
        if (welcome(socket, packet)) socket.on("data", talk)
      }
      socket.once("data", begin)
      socket.on("error", () => socket.destroy())
    })
    listener.listen(0, "127.0.0.1", () => {
      const address = listener.address()
      resolve({
        port: typeof address === "object" && address ? address.port : 0,
        transactions: () => transactions,
        end: () => {
          for (const { socket } of servers) socket.destroy()
          for (const socket of sockets) socket.destroy()
          listener.close()
        },
      })
    })
  })

/** `refusesUnknown`: what it cannot keep is refused, as PgBouncer does; else it is dropped without a word. */
export const poolerTo = (url: URL, refusesUnknown: boolean) =>
  Effect.acquireRelease(
    Effect.promise(() => start(url, refusesUnknown)),
    ({ end }) => Effect.sync(end),
  )
