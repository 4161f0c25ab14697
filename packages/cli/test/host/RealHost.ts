/**
 * The real Claude Code, where it is installed, with a home of its own, our plugin in it, and a scripted model: interactive
 * in a terminal of tmux, or one-shot. No account is used, and nothing leaves this machine.
 */
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { settingsWakeHooks } from "../../src/host/SettingsHooks.ts"
import { type ModelRequest, ScriptedModel } from "./ScriptedModel.ts"

const root = join(import.meta.dirname, "../../../..")
const main = join(root, "packages/cli/src/start.ts")

/** `CLAUDEMESH_TEST_CLAUDE`, or what this checkout has. */
export const claudePath = (): string | undefined =>
  [process.env["CLAUDEMESH_TEST_CLAUDE"], join(root, "node_modules/.bin/claude")].find(
    (path) => path !== undefined && existsSync(path),
  )

export const hasTmux = (): boolean => Bun.which("tmux") !== null

export const tools = (name: string): string => `mcp__plugin_claudemesh_claudemesh__${name}`

const ours = ["send_message", "check_messages", "list_peers", "set_status"]
const allowed = ["Bash", "Agent", ...ours.map(tools), ...ours.map((name) => `mcp__claudemesh__${name}`)]

export interface HostOptions {
  readonly folder: string
  readonly name: string
  /** Its home of claudemesh. */
  readonly mesh: string
  readonly claude: string
  readonly terminals: string
  /** Without: neither plugin nor hooks, only the server. */
  readonly plugin: boolean
  /** The same by the host's settings. */
  readonly settings: boolean
}

export class RealHost {
  readonly model = new ScriptedModel()
  readonly work: string
  readonly #home: string
  readonly #options: HostOptions
  readonly #terminals: Array<Terminal> = []

  constructor(options: HostOptions) {
    this.#options = options
    this.#home = join(options.folder, `${options.name}-home`)
    this.work = join(options.folder, `${options.name}-work`)
    mkdirSync(this.work, { recursive: true })
    mkdirSync(join(this.#home, ".claude"), { recursive: true })
  }

  get environment(): Record<string, string> {
    return {
      PATH: process.env["PATH"] ?? "",
      TERM: "xterm-256color",
      HOME: this.#home,
      CLAUDEMESH_HOME: this.#options.mesh,
      ANTHROPIC_BASE_URL: this.model.url,
      ANTHROPIC_API_KEY: "sk-ant-test",
      CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: "1",
      CLAUDE_CODE_DISABLE_OFFICIAL_MARKETPLACE_AUTOINSTALL: "1",
    }
  }

  /** The dialogs of a first start are answered beforehand. */
  async install(plugin: string): Promise<void> {
    if (this.#options.plugin) {
      await this.#run(["plugin", "marketplace", "add", plugin])
      await this.#run(["plugin", "install", "claudemesh@claudemesh"])
    }
    if (this.#options.settings) {
      const hooks = readFileSync(join(plugin, "hooks/hooks.json"), "utf8").replaceAll(
        "plugin:claudemesh:claudemesh",
        "claudemesh",
      )
      const settings = { hooks: { ...JSON.parse(hooks).hooks, ...settingsWakeHooks } }
      writeFileSync(join(this.#home, ".claude/settings.json"), JSON.stringify(settings))
    }
    const path = join(this.#home, ".claude.json")
    const config = existsSync(path) ? JSON.parse(readFileSync(path, "utf8")) : {}
    const server = { type: "stdio", command: process.execPath, args: [main, "mcp"], alwaysLoad: true }
    writeFileSync(
      path,
      JSON.stringify({
        ...config,
        hasCompletedOnboarding: true,
        theme: "dark",
        customApiKeyResponses: { approved: ["sk-ant-test"], rejected: [] },
        projects: { [this.work]: { hasTrustDialogAccepted: true, hasCompletedProjectOnboarding: true } },
        ...(!this.#options.plugin && { mcpServers: { claudemesh: server } }),
      }),
    )
  }

  async #run(args: ReadonlyArray<string>): Promise<string> {
    const child = Bun.spawn([this.#options.claude, ...args], { env: this.environment, cwd: this.work, stderr: "pipe" })
    const out = await new Response(child.stdout).text()
    if ((await child.exited) !== 0)
      throw new Error(`claude ${args.join(" ")}: ${out}${await new Response(child.stderr).text()}`)
    return out
  }

  /** One-shot. Gives what it printed, errors included. */
  async print(prompt: string, args: ReadonlyArray<string> = []): Promise<string> {
    const command = [
      this.#options.claude,
      "-p",
      prompt,
      "--permission-mode",
      "acceptEdits",
      "--allowedTools",
      ...allowed,
      ...args,
    ]
    const child = Bun.spawn(command, { env: this.environment, cwd: this.work, stderr: "pipe", stdin: "ignore" })
    const [out, err] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()])
    await child.exited
    return out + err
  }

  /** Interactive. Ready when its prompt is there and our server has connected. */
  async open(args: ReadonlyArray<string> = []): Promise<Terminal> {
    const name = `${this.#options.name}${this.#terminals.length}`
    const before = new Set(this.#wakes())
    const set = Object.entries(this.environment).map(([key, value]) => `${key}=${value}`)
    const words = [
      "env",
      "-i",
      ...set,
      this.#options.claude,
      "--permission-mode",
      "acceptEdits",
      ...args,
      "--allowedTools",
      ...allowed,
    ]
    tmux(this.#options.terminals, [
      "new-session",
      "-d",
      "-s",
      name,
      "-x",
      "160",
      "-y",
      "50",
      "-c",
      this.work,
      words.map(quoted).join(" "),
    ])
    const terminal = new Terminal(this.#options.terminals, name)
    this.#terminals.push(terminal)
    await until(
      () => /❯/.test(terminal.screen()),
      15_000,
      () => `no prompt: ${terminal.screen()}`,
    )
    await until(
      () => this.#wakes().some((pid) => !before.has(pid)),
      15_000,
      () => "the server did not start",
    )
    terminal.pid = Number(this.#wakes().find((pid) => !before.has(pid)))
    return terminal
  }

  screens(): ReadonlyArray<string> {
    return this.#terminals.map((terminal) => terminal.screen())
  }

  #wakes(): ReadonlyArray<string> {
    const folder = join(this.#options.mesh, "wake")
    return existsSync(folder) ? readdirSync(folder) : []
  }

  /** Waits for a request that fits. */
  async asked(fits: (request: ModelRequest) => boolean, millis = 60_000): Promise<ModelRequest> {
    await until(
      () => this.model.requests.some(fits),
      millis,
      () => `${this.#options.name}'s model was not asked so`,
    )
    const found = this.model.requests.find(fits)
    if (found === undefined) throw new Error("it was there")
    return found
  }
}

export class Terminal {
  /** Of the host. */
  pid = 0
  readonly #server: string
  readonly #name: string

  constructor(server: string, name: string) {
    this.#server = server
    this.#name = name
  }

  screen(): string {
    return tmux(this.#server, ["capture-pane", "-p", "-t", this.#name])
  }

  async type(text: string): Promise<void> {
    tmux(this.#server, ["send-keys", "-t", this.#name, "-l", text])
    await Bun.sleep(150)
    this.press("Enter")
  }

  press(key: string): void {
    tmux(this.#server, ["send-keys", "-t", this.#name, key])
  }

  kill(): void {
    process.kill(this.pid, "SIGKILL")
  }

  close(): void {
    tmux(this.#server, ["kill-session", "-t", this.#name])
  }
}

export const closeTerminals = (server: string): void => void tmux(server, ["kill-server"])

/** As it is in the repository, with the sources as its program. */
export const pluginFrom = (folder: string): string => {
  const plugin = join(folder, "plugin")
  cpSync(join(root, "packages/plugin"), plugin, { recursive: true })
  const run = join(plugin, "run")
  mkdirSync(run)
  symlinkSync(process.execPath, join(run, "bun"))
  for (const name of ["bunfig.toml", "tsconfig.json"]) cpSync(join(root, "packages/cli/bin", name), join(run, name))
  writeFileSync(join(run, "claudemesh.js"), `import ${JSON.stringify(main)}\n`)
  return plugin
}

export const until = async (fits: () => boolean, millis: number, otherwise: () => string): Promise<void> => {
  const deadline = performance.now() + millis
  while (!fits()) {
    if (performance.now() > deadline) throw new Error(otherwise())
    await Bun.sleep(25)
  }
}

const tmux = (server: string, args: ReadonlyArray<string>): string =>
  Bun.spawnSync(["tmux", "-L", server, ...args], { stderr: "ignore" }).stdout.toString()

const quoted = (word: string): string =>
  /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", String.raw`'\''`)}'`
