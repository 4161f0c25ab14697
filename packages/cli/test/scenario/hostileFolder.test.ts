/**
 * The folder that an agent works in is somebody else's: nothing in it or above it is executed or obeyed by what we start,
 * and what a person names by a relative path is there all the same.
 */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, symlinkSync, writeFileSync } from "node:fs"
import { rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { quoted } from "../../src/Launch.ts"
import { installRunnable } from "../../src/Runnable.ts"
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { Client } from "@modelcontextprotocol/sdk/client/index.js"
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js"
import { freePort } from "../../../broker/test/support/BrokerProcess.ts"
import { done, person, type Ran, ranOf } from "../support/Agent.ts"
import { type HostileFolder, layHostile, path, planted } from "../support/HostileFolder.ts"

const root = join(import.meta.dirname, "../../../..")
const sources = join(root, "packages/cli/bin/claudemesh")

/**
 * The build is run from a folder of its own, away from all modules, as it is installed. The sources take four times as long to start: they are
 * asked for what depends on how they are loaded, and the build for the rest as well.
 */
const programs: Readonly<Record<string, (folder: string) => Promise<Program>>> = {
  "the sources": async () => ({ launcher: sources, direct: [sources] }),
  "the build": async (folder) => {
    const { bun, entry, flags, launcher } = await Effect.runPromise(installRunnable(join(folder, "it's installed")))
    return { launcher, direct: [bun, ...flags, entry] }
  },
}

interface Program {
  readonly launcher: string
  /** As a host starts it that needs no launcher. */
  readonly direct: ReadonlyArray<string>
}

const start = (command: ReadonlyArray<string>, environment: Readonly<Record<string, string>>, cwd: string) =>
  Bun.spawn([...command], { cwd, env: environment, stdin: "ignore", stdout: "pipe", stderr: "pipe" })

/** Until the broker that was started says where it listens. */
const listening = async (child: ReturnType<typeof start>): Promise<string> => {
  let said = ""
  for await (const chunk of child.stdout) {
    said += Buffer.from(chunk).toString()
    const [, url] = /listening +(ws:\S+)/.exec(said) ?? []
    if (url !== undefined) return url
  }
  throw new Error(`it ended: ${said}${await new Response(child.stderr).text()}`)
}

const inHostileFolder = (program: (folder: string) => Promise<Program>, isBuild: boolean) => {
  const base = mkdtempSync(join(tmpdir(), "claudemesh-test-"))
  const hostile: HostileFolder = layHostile(base)
  const bin = join(base, "bin")
  const own = { PATH: `${bin}:${path}`, HOME: join(base, "home"), GIT_CONFIG_GLOBAL: person }
  let broker: ReturnType<typeof start> | undefined
  let url = ""
  let launcher = ""
  let direct: ReadonlyArray<string> = []

  const run = (
    command: ReadonlyArray<string>,
    environment: Readonly<Record<string, string>> = {},
    cwd = hostile.folder,
  ): Promise<Ran> => ranOf(start(command, { ...own, ...environment }, cwd))

  const claudemesh = (args: ReadonlyArray<string>, environment: Readonly<Record<string, string>> = {}, cwd?: string) =>
    run([launcher, ...args], environment, cwd)

  const nothingExecuted = () => assert.strictEqual(hostile.executed(), "")

  beforeAll(async () => {
    ;({ direct, launcher } = await program(base))
    mkdirSync(bin)
    symlinkSync(launcher, join(bin, "claudemesh"))
    const port = String(await freePort())
    const environment = { ...own, BROKER_PORT: port, BROKER_DATA_DIR: "./data" }
    broker = start(["claudemesh", "broker"], environment, hostile.folder)
    url = await listening(broker)
    done(await claudemesh(["seed-test-mesh", "--into", "./homes", "--broker", url]))
  })

  afterAll(async () => {
    broker?.kill("SIGKILL")
    await rm(base, { recursive: true, force: true })
  })

  it("a broker takes no setting from it, and its relative data folder is there", () => {
    assert.include(url, "127.0.0.1")
    assert.isFalse(url.includes(`:${planted.BROKER_PORT}/`))
    assert.isTrue(existsSync(join(hostile.folder, "data/broker.sqlite")))
    nothingExecuted()
  })

  it("a command runs nothing of it, and finds and writes what relative paths name", async () => {
    assert.match(done(await claudemesh(["--version"])), /^claudemesh v\d/)
    const home = { CLAUDEMESH_HOME: "./homes/alice" }
    const [listed] = JSON.parse(done(await claudemesh(["list", "--json"], home)))
    assert.deepInclude(listed, { mesh: "test", name: "alice" })
    done(await claudemesh(["export", "./mine.json"], { ...home, CLAUDEMESH_PASSPHRASE: "correct horse battery" }))
    assert.isTrue(existsSync(join(hostile.folder, "mine.json")))
    done(await claudemesh(["send", "bob", "hello"], home))
    if (isBuild) done(await claudemesh(["demo"]))
    // By a link on PATH, from a folder below, and to a home of its own: none is planted.
    const below = join(hostile.folder, "node_modules/effect")
    const none = await run(["claudemesh", "list"], {}, below)
    assert.match(done(none), /^No mesh is joined\. Make one: claudemesh create my-team/)
    assert.strictEqual((await run(["claudemesh", "nonsense"], {}, below)).code, 2)
    nothingExecuted()
  })

  it("files that cannot be understood stop nothing", async () => {
    const broken = join(hostile.folder, "broken")
    mkdirSync(broken)
    writeFileSync(join(broken, "bunfig.toml"), 'preload = ["./missing.ts"]\n[[[')
    for (const name of ["package.json", "tsconfig.json"]) writeFileSync(join(broken, name), "{{{")
    mkdirSync(join(broken, ".env"))
    const { code, stderr, stdout } = await claudemesh(["--version"], {}, broken)
    assert.deepInclude({ code, stderr }, { code: 0, stderr: "" })
    assert.match(stdout, /^claudemesh v\d/)
    nothingExecuted()
  })

  it("an agent's server works as whom it was told to, and says where it is", async () => {
    const transport = new StdioClientTransport({
      command: direct[0] ?? "",
      args: [...direct.slice(1), "mcp"],
      cwd: hostile.folder,
      env: { ...own, CLAUDEMESH_HOME: "./homes/alice" },
      stderr: "ignore",
    })
    const client = new Client({ name: "test-host", version: "1" })
    await client.connect(transport)
    const place = `${hostile.folder} on their-branch`
    let listed = ""
    // Its profile is told once it is connected.
    for (let looks = 0; looks < 100 && !listed.includes(place); looks += 1) {
      listed = JSON.stringify(await client.callTool({ name: "list_peers", arguments: {} }))
      await Bun.sleep(20)
    }
    await client.close()
    assert.include(listed, place)
    assert.notInclude(listed, planted.CLAUDE_CODE_SESSION_ID)
    nothingExecuted()
  })

  if (isBuild) {
    it("a folder that was deleted is told to nobody, and what is named from there is nowhere", async () => {
      const home = {
        CLAUDEMESH_HOME: join(hostile.folder, "homes/alice"),
        CLAUDEMESH_PASSPHRASE: "correct horse battery",
      }
      const inDeleted = (line: string) =>
        run(["sh", "-c", `mkdir deleted && cd deleted && rmdir ../deleted && claudemesh ${line}`], home)
      const [{ tells }] = JSON.parse(done(await inDeleted("whoami --json")))
      assert.deepInclude(tells, { cwd: null, branch: null })
      for (const line of ["export mine-too.json", "send bob --file claudemesh"]) {
        const { code, stderr } = await inDeleted(line)
        assert.strictEqual(code, 1, line)
        assert.match(stderr, /there is no such file or folder/)
      }
      assert.isFalse(existsSync(join(launcher, "../mine-too.json")))
      nothingExecuted()
    })

    it("the command that is named for a host is the same launcher, by its whole path", async () => {
      const welcome = done(await claudemesh(["create", "mine", "--broker", url], { CLAUDEMESH_HOME: "./it's mine" }))
      assert.include(
        welcome,
        `CLAUDEMESH_HOME='${join(hostile.folder, String.raw`it'\''s mine`)}' ${quoted(launcher)} install`,
      )
      assert.match(done(await claudemesh(["mcp", "--help"])), /claudemesh install/)
      nothingExecuted()
    })

    it("two people make a mesh, join it by a link and write to each other", async () => {
      const [ann, bob] = [{ CLAUDEMESH_HOME: "./ann" }, { CLAUDEMESH_HOME: "./bob" }]
      done(await claudemesh(["create", "team", "--as", "Ann", "--broker", url], ann))
      const link = done(await claudemesh(["invite"], ann)).trim()
      done(await claudemesh(["join", link, "--as", "Bob"], bob))
      done(await claudemesh(["send", "Ann", "good morning"], bob))
      assert.match(done(await claudemesh(["inbox"], ann)), /Bob \(.*\) on team, just now\n {2}good morning\n/)
      nothingExecuted()
    })
  }

  it("ends as its broker does, by the signal that the launcher gets", async () => {
    broker?.kill("SIGTERM")
    assert.strictEqual(await broker?.exited, 0)
    nothingExecuted()
  })
}

for (const [name, program] of Object.entries(programs)) {
  describe(`${name} in a hostile folder`, () => inHostileFolder(program, name === "the build"))
}

describe("the tree", () => {
  const base = mkdtempSync(join(tmpdir(), "claudemesh-test-"))
  const hostile = layHostile(base)
  const own = { PATH: path, HOME: join(base, "home"), CLAUDEMESH_HOME: "./none" }

  afterAll(() => rm(base, { recursive: true, force: true }))

  it("npm start is the broker of this tree, also where the tree itself has such files", async () => {
    const tree = join(base, "tree")
    layHostile(tree)
    for (const name of ["package.json", "packages", "node_modules", "tsconfig.json"]) {
      await rm(join(tree, name), { recursive: true, force: true })
      symlinkSync(join(root, name), join(tree, name))
    }
    await rm(join(tree, ".npmrc"))
    const environment = { ...own, BROKER_PORT: String(await freePort()) }
    const started = start(["npm", "--prefix", tree, "start"], environment, hostile.folder)
    assert.match(await listening(started), /^ws:\/\/127\.0\.0\.1:\d+\/ws$/)
    started.kill("SIGTERM")
    assert.strictEqual(await started.exited, 0)
    assert.isFalse(existsSync(join(tree, "executed.txt")))
    assert.strictEqual(hostile.executed(), "")
  })

  it("the launcher for Node does the same, and passes on the signal that it gets", async () => {
    const command = ["node", `${sources}.mjs`]
    const none = await ranOf(start([...command, "list"], own, hostile.folder))
    assert.include(done(none), `No mesh is joined. Make one: node ${sources}.mjs create my-team`)
    const environment = { ...own, BROKER_PORT: String(await freePort()), BROKER_DATA_DIR: "./data" }
    const broker = start([...command, "broker"], environment, hostile.folder)
    await listening(broker)
    assert.isTrue(existsSync(join(hostile.folder, "data/broker.sqlite")))
    broker.kill("SIGTERM")
    assert.strictEqual(await broker.exited, 0)
    assert.strictEqual(hostile.executed(), "")
  })

  it("README shows a host's settings with the launcher by its whole path", () => {
    const [, readme = ""] =
      /claude mcp add-json[^']*'({[^']*})'/.exec(readFileSync(join(root, "README.md"), "utf8")) ?? []
    const { args, command } = JSON.parse(readme)
    assert.match(
      [command, ...args].join(" "),
      /^(node )?\/path\/to\/claudemesh\/packages\/cli\/bin\/claudemesh(\.mjs)? mcp$/,
    )
  })
})
