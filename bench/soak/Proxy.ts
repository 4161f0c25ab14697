/** What stands between the clients and the broker: it carries bytes, and cuts whom it is told to. */
import { connect, createServer, type Server, type Socket } from "node:net"

export class Proxy {
  readonly #pairs = new Set<Socket>()

  private constructor(
    readonly port: number,
    readonly server: Server,
    /** Where new connections go. */
    public target: number,
  ) {}

  static start(target: number): Promise<Proxy> {
    return new Promise((resolve) => {
      const server = createServer((client) => proxy.#carry(client))
      let proxy: Proxy
      server.listen(0, "127.0.0.1", () => {
        const address = server.address()
        proxy = new Proxy(typeof address === "object" && address ? address.port : 0, server, target)
        resolve(proxy)
      })
    })
  }

  #carry(client: Socket): void {
    const broker = connect(this.target, "127.0.0.1")
    this.#pairs.add(client)
    client.on("error", () => broker.destroy())
    broker.on("error", () => client.destroy())
    broker.on("close", () => client.destroy())
    client.on("close", () => {
      this.#pairs.delete(client)
      broker.destroy()
    })
    client.pipe(broker)
    broker.pipe(client)
  }

  /** Cuts one of its connections without a word. False: there is none. */
  cut(which: (count: number) => number): boolean {
    const pairs = [...this.#pairs]
    const victim = pairs[which(pairs.length)]
    victim?.resetAndDestroy()
    return victim !== undefined
  }

  stop(): void {
    for (const client of this.#pairs) client.destroy()
    this.server.close()
  }
}
