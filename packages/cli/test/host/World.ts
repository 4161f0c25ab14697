/** A broker as a process, a mesh of alice and bob, and their hosts: what the scenarios with the real Claude Code stand on. */
import { mkdtempSync, readdirSync, rmSync } from "node:fs"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { RawHost } from "../support/RawHost.ts"
import { closeTerminals, pluginFrom, RealHost } from "./RealHost.ts"

const root = join(import.meta.dirname, "../../../..")

export class World {
  readonly folder = mkdtempSync(join(tmpdir(), "claudemesh-host-"))
  readonly terminals: string
  readonly plugin: string
  readonly #claude: string
  readonly #hosts: Array<RealHost> = []
  readonly #senders = new Map<string, Promise<RawHost>>()
  #port = 0
  #broker: Bun.Subprocess | undefined

  private constructor(claude: string) {
    this.#claude = claude
    this.terminals = `claudemesh-${process.pid}-${this.folder.slice(-6)}`
    this.plugin = pluginFrom(this.folder)
  }

  static async begin(claude: string): Promise<World> {
    const world = new World(claude)
    world.#port = await freePort()
    await world.startBroker()
    await world.command("", [
      "seed-test-mesh",
      "--slug",
      "red",
      "--members",
      "8",
      "--into",
      join(world.folder, "meshes"),
    ])
    return world
  }

  async startBroker(): Promise<void> {
    this.#broker = Bun.spawn([process.execPath, join(root, "packages/broker/src/main.ts")], {
      env: {
        PATH: process.env["PATH"] ?? "",
        BROKER_PORT: String(this.#port),
        BROKER_DATA_DIR: join(this.folder, "data"),
        LOG_LEVEL: "none",
      },
      stdout: "ignore",
      stderr: "ignore",
    })
    for (let tries = 0; tries < 400; tries += 1) {
      const isUp = await fetch(`http://127.0.0.1:${this.#port}/health`).then(
        ({ ok }) => ok,
        () => false,
      )
      if (isUp) return
      await Bun.sleep(25)
    }
    throw new Error("the broker did not start")
  }

  async stopBroker(): Promise<void> {
    this.#broker?.kill()
    await this.#broker?.exited
  }

  home(member: string): string {
    return join(
      this.folder,
      "meshes",
      readdirSync(join(this.folder, "meshes")).find((name) => name.toLowerCase() === member) ?? member,
    )
  }

  /** A member's host. */
  async host(
    member: string,
    { plugin = true, settings = false }: { readonly plugin?: boolean; readonly settings?: boolean } = {},
  ): Promise<RealHost> {
    const host = new RealHost({
      folder: this.folder,
      name: member,
      mesh: this.home(member),
      claude: this.#claude,
      terminals: this.terminals,
      plugin,
      settings,
    })
    this.#hosts.push(host)
    await host.install(this.plugin)
    return host
  }

  /** From a member's other session. Gives the message's id. */
  async send(
    from: string,
    target: string,
    message: string,
    priority: "now" | "next" | "low" = "next",
  ): Promise<string> {
    const sender = this.#senders.get(from) ?? this.#sender(from)
    this.#senders.set(from, sender)
    const { isError, text } = await (await sender).call("send_message", { target, message, priority })
    if (isError) throw new Error(text)
    return /[0-9a-f]{32}/.exec(text)?.[0] ?? ""
  }

  async #sender(member: string): Promise<RawHost> {
    const host = new RawHost(this.home(member), {}, true)
    await host.initialize(60_000)
    return host
  }

  /** As a person would run it. */
  async command(member: string, args: ReadonlyArray<string>): Promise<string> {
    const child = Bun.spawn([process.execPath, join(root, "packages/cli/src/main.ts"), ...args], {
      env: {
        PATH: process.env["PATH"] ?? "",
        HOME: "/nonexistent",
        CLAUDEMESH_BROKER: `ws://127.0.0.1:${this.#port}/ws`,
        ...(member !== "" && { CLAUDEMESH_HOME: this.home(member) }),
      },
      stderr: "pipe",
    })
    const [out, err] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()])
    if ((await child.exited) !== 0) throw new Error(`${args.join(" ")}: ${err}`)
    return out
  }

  /** What a person would see now, and what the models were asked last. */
  screens(): string {
    const asked = this.#hosts.map(({ model }) => model.requests.at(-1)?.blocks.slice(-4))
    return [...this.#hosts.flatMap((host) => host.screens()), JSON.stringify(asked, undefined, 1)].join("\n")
  }

  async end(): Promise<void> {
    closeTerminals(this.terminals)
    for (const { model } of this.#hosts) model.stop()
    for (const sender of this.#senders.values()) await sender.then((host) => host.kill()).catch(() => undefined)
    await this.stopBroker()
    rmSync(this.folder, { recursive: true, force: true })
  }
}

const freePort = (): Promise<number> =>
  new Promise((resolve) => {
    const server = createServer()
    server.listen(0, "127.0.0.1", () => {
      const address = server.address()
      server.close(() => resolve(typeof address === "object" && address !== null ? address.port : 0))
    })
  })
