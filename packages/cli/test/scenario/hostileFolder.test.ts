/**
 * The folder that an agent works in is somebody else's: nothing in it or above it is executed or obeyed by what we start,
 * and what a person names by a relative path is there all the same.
 */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, symlinkSync, writeFileSync } from "node:fs"
import { rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { Client } from "@modelcontextprotocol/sdk/client/index.js"
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js"
import { freePort } from "../../../broker/test/support/BrokerProcess.ts"
import { done, type Ran } from "../support/Agent.ts"
import { type HostileFolder, layHostile, path, planted } from "../support/HostileFolder.ts"

const root = join(import.meta.dirname, "../../../..")
const launcher = join(root, "packages/cli/bin/claudemesh")

const base = mkdtempSync(join(tmpdir(), "claudemesh-test-"))
const hostile: HostileFolder = layHostile(base)
const bin = join(base, "bin")
const own = { PATH: `${bin}:${path}`, HOME: join(base, "home") }

const start = (
  command: ReadonlyArray<string>,
  environment: Readonly<Record<string, string>> = {},
  cwd = hostile.folder,
) =>
  Bun.spawn([...command], {
    cwd,
    env: { ...own, ...environment },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  })

const run = async (
  command: ReadonlyArray<string>,
  environment: Readonly<Record<string, string>> = {},
  cwd = hostile.folder,
): Promise<Ran> => {
  const child = start(command, environment, cwd)
  const [stdout, stderr, code] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ])
  return { code, stdout, stderr }
}

const claudemesh = (args: ReadonlyArray<string>, environment: Readonly<Record<string, string>> = {}, cwd?: string) =>
  run([launcher, ...args], environment, cwd)

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

let broker: ReturnType<typeof start> | undefined
let url = ""

beforeAll(async () => {
  mkdirSync(bin)
  symlinkSync(launcher, join(bin, "claudemesh"))
  const port = String(await freePort())
  broker = start(["claudemesh", "broker"], { BROKER_PORT: port, BROKER_DATA_DIR: "./data" })
  url = await listening(broker)
  done(await claudemesh(["seed-test-mesh", "--into", "./homes", "--broker", url]))
})

afterAll(async () => {
  broker?.kill("SIGKILL")
  await rm(base, { recursive: true, force: true })
})

const nothingExecuted = () => assert.strictEqual(hostile.executed(), "")

describe("in a hostile folder", () => {
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
    assert.deepInclude(listed, { slug: "test", displayName: "alice" })
    done(await claudemesh(["export", "./mine.json"], { ...home, CLAUDEMESH_PASSPHRASE: "correct horse battery" }))
    assert.isTrue(existsSync(join(hostile.folder, "mine.json")))
    done(await claudemesh(["send", "bob", "hello"], home))
    done(await claudemesh(["demo"]))
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
      command: launcher,
      args: ["mcp"],
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

  it("npm start is the broker of this tree, also where the tree itself has such files", async () => {
    const tree = join(base, "tree")
    layHostile(tree)
    for (const name of ["package.json", "packages", "node_modules", "tsconfig.json"]) {
      await rm(join(tree, name), { recursive: true, force: true })
      symlinkSync(join(root, name), join(tree, name))
    }
    await rm(join(tree, ".npmrc"))
    const started = start(["npm", "--prefix", tree, "start"], { BROKER_PORT: String(await freePort()) })
    assert.match(await listening(started), /^ws:\/\/127\.0\.0\.1:\d+\/ws$/)
    started.kill("SIGTERM")
    assert.strictEqual(await started.exited, 0)
    assert.isFalse(existsSync(join(tree, "executed.txt")))
    nothingExecuted()
  })

  it("what is written into a host's settings is the same launcher, by its whole path", async () => {
    const welcome = done(await claudemesh(["create", "mine", "--broker", url], { CLAUDEMESH_HOME: "./it's mine" }))
    assert.include(
      welcome,
      ` -e CLAUDEMESH_HOME='${join(hostile.folder, String.raw`it'\''s mine`)}' -- ${launcher} mcp`,
    )
    const [, readme = ""] =
      /claude mcp add-json[^']*'({[^']*})'/.exec(readFileSync(join(root, "README.md"), "utf8")) ?? []
    assert.deepInclude(JSON.parse(readme), {
      command: "node",
      args: ["/path/to/claudemesh/packages/cli/bin/claudemesh.mjs", "mcp"],
    })
    assert.match(
      done(await claudemesh(["mcp", "--help"])),
      /-- \/path\/to\/claudemesh\/packages\/cli\/bin\/claudemesh mcp/,
    )
    nothingExecuted()
  })

  it("ends as its broker does, by the signal that the launcher gets", async () => {
    broker?.kill("SIGTERM")
    assert.strictEqual(await broker?.exited, 0)
    nothingExecuted()
  })
})
