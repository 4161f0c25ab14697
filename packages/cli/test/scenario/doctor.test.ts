/** `claudemesh doctor` as a person and a script run it: with nothing, with what is broken, and beside a broker that is away. */
import { chmod, mkdir, readdir, readFile, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { freePort } from "../../../broker/test/support/BrokerProcess.ts"
import { makeMesh } from "../../../broker/test/support/Meshes.ts"
import { RawClient } from "../../../broker/test/support/RawClient.ts"
import { startBroker, temporaryFolder } from "../../../broker/test/support/TestBroker.ts"
import { type Finding, ok, within } from "../../src/doctor/Finding.ts"
import { checkMillis } from "../../src/install/Limits.ts"
import { claudemesh, type Ran } from "../support/Agent.ts"
import { writeHome } from "../support/Homes.ts"

/** No host of this machine is looked at: there is no command but this one. */
const doctor = (home: string, ...args: ReadonlyArray<string>) =>
  claudemesh(["doctor", ...args], { CLAUDEMESH_HOME: home, PATH: "/nonexistent" })

const findingsOf = ({ stdout }: Ran) => (JSON.parse(stdout) as { readonly findings: ReadonlyArray<Finding> }).findings

const stateOf = (ran: Ran) => Object.fromEntries(findingsOf(ran).map(({ check, state }) => [check, state]))

const withFolder = (tell: (folder: string) => Promise<void>) =>
  Effect.scoped(Effect.flatMap(temporaryFolder, (folder) => Effect.promise(() => tell(folder))))

describe.concurrent("claudemesh doctor", () => {
  it.live("follows a message to oneself through a broker, beside one that is away, and leaves nothing behind", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const broker = yield* startBroker()
        const folder = yield* temporaryFolder
        yield* Effect.promise(async () => {
          const mesh = await makeMesh(broker.origin, ["alice", "bob"])
          const other = await makeMesh(broker.origin, ["alice"])
          const dead = `ws://127.0.0.1:${await freePort()}/ws`
          const home = await writeHome(folder, "alice", [
            { slug: "red", brokerUrl: broker.url, mesh },
            { slug: "blue", brokerUrl: dead.replace("//", "//user:hunter2@"), mesh: other },
          ])
          const bob = await RawClient.authenticatedV2(broker.url, mesh.member("bob"), {})
          const ran = await doctor(home, "--json")
          assert.strictEqual(ran.code, 1)
          const states = stateOf(ran)
          for (const check of ["DNS", "connection", "broker", "hello", "clock", "round trip", "message to yourself"]) {
            assert.strictEqual(states[`red: ${check}`], "ok", JSON.stringify(findingsOf(ran)))
          }
          assert.deepStrictEqual(
            ["DNS", "connection", "hello", "message to yourself"].map((check) => states[`blue: ${check}`]),
            ["ok", "failed", "skipped", "skipped"],
          )
          for (const secret of secretsOf(await readFile(join(home, "config.json"), "utf8"))) {
            assert.notInclude(ran.stdout + ran.stderr, secret)
          }
          assert.notInclude(ran.stdout, "hunter2")

          const inbox = await claudemesh(["inbox", "--mesh", "red", "--json"], { CLAUDEMESH_HOME: home })
          assert.deepStrictEqual([inbox.stdout, inbox.code], ["", 0])
          const history = await claudemesh(["inbox", "--history", "--json"], { CLAUDEMESH_HOME: home })
          assert.strictEqual(history.stdout, "")
          bob.send({ type: "list_peers", id: "p" })
          assert.notInclude(JSON.stringify(await bob.take("peers")), '"doctor-')
          await bob.close()
        })
      }),
    ),
  )

  it.live("ends with its last line where all is well", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const broker = yield* startBroker()
        const folder = yield* temporaryFolder
        yield* Effect.promise(async () => {
          const mesh = await makeMesh(broker.origin, ["alice"])
          const home = await writeHome(folder, "alice", [{ slug: "red", brokerUrl: broker.url, mesh }])
          const before = performance.now()
          const ran = await doctor(home)
          assert.strictEqual(ran.code, 0, ran.stdout)
          // A connection that nobody closes is closed by the broker after 10 s.
          assert.isBelow(performance.now() - before, 8_000)
        })
      }),
    ),
  )

  it.live("works without a home, and makes none", () =>
    withFolder(async (folder) => {
      const ran = await doctor(join(folder, "none"))
      assert.strictEqual(ran.code, 0, ran.stderr)
      assert.match(ran.stdout, /^ok {7}program: claudemesh \d/m)
      assert.match(ran.stdout, /^warning {2}keys: no mesh is joined\. Make one: claudemesh create my-team/m)
      for (const line of ran.stdout.trim().split("\n")) assert.match(line, /^(ok|warning|FAILED|skipped) +[\w ]+: \S/)
      assert.deepStrictEqual(await readdir(folder), [])
    }),
  )

  it.live("sees a server of other keys, the files of a project, and whether a wake ever began a turn", () =>
    withFolder(async (folder) => {
      const user = join(folder, "user")
      const project = join(folder, "project")
      const home = join(user, ".claudemesh")
      await mkdir(join(home, "wake"), { recursive: true, mode: 0o700 })
      await mkdir(join(project, ".claude"), { recursive: true })
      const looked = async () => {
        const environment = { HOME: user, CLAUDEMESH_HOME: home, PATH: "/nonexistent", CLAUDEMESH_STARTED_IN: project }
        const findings = findingsOf(await claudemesh(["doctor", "--json"], environment))
        return (name: string) => {
          const { state = "", text = "", todo = "" } = findings.find(({ check }) => check === name) ?? {}
          return `${state}: ${text}. ${todo}`
        }
      }
      const server = { command: "/x/run/bun", args: ["/x/run/claudemesh.js", "mcp"] }
      const hooks = { Stop: [{ hooks: [{ type: "mcp_tool", server: "claudemesh", tool: "hook" }] }] }
      const write = (path: string, value: object) => writeFile(path, JSON.stringify(value))

      await write(join(project, ".mcp.json"), { mcpServers: { claudemesh: server } })
      await write(join(project, ".claude/settings.json"), { hooks })
      const ofProject = await looked()
      assert.match(ofProject("server"), /^failed: its runtime .* is gone or cannot be run/)
      assert.include(ofProject("hooks"), `ok: in ${join(project, ".claude/settings.json")}`)
      assert.match(ofProject("wake"), /^ok: by hooks in .*none was woken yet/)

      await write(join(home, "wake/last.json"), { wokenAtMillis: 1_000, followedAtMillis: null })
      await write(join(user, ".claude.json"), {
        mcpServers: { claudemesh: server },
        projects: { [project]: { disabledMcpjsonServers: ["claudemesh"] } },
      })
      const twice = await looked()
      assert.match(
        twice("server"),
        /^failed: it is there twice: in .*\.claude\.json, and in .*\.mcp\.json\. .*--scope project/,
      )
      assert.match(twice("wake"), /^warning: .*the last one began no turn, \d+ days ago, and none ever did/)

      await write(join(home, "wake/last.json"), { wokenAtMillis: 1_000, followedAtMillis: 1_000 })
      await write(join(user, ".claude.json"), {
        mcpServers: { claudemesh: { ...server, env: { CLAUDEMESH_HOME: "/another's home" } } },
      })
      const other = await looked()
      assert.match(
        other("server"),
        /^failed: the one in .* uses the keys in \/another's home, and this is about those in/,
      )
      assert.match(other("server"), /CLAUDEMESH_HOME='\/another'\\''s home' \S*claudemesh doctor/)
      assert.match(other("wake"), /^ok: .*the last one began a turn, \d+ days ago/)
    }),
  )

  it.live("says what is wrong with a config that is broken, and with one that others may read", () =>
    withFolder(async (folder) => {
      await mkdir(join(folder, "a"), { mode: 0o700 })
      await mkdir(join(folder, "b"), { mode: 0o700 })
      await writeFile(join(folder, "a/config.json"), "{", { mode: 0o600 })
      await writeFile(join(folder, "b/config.json"), "{}")
      await chmod(join(folder, "b/config.json"), 0o644)
      const [broken, open] = await Promise.all([doctor(join(folder, "a")), doctor(join(folder, "b"))])
      assert.match(broken.stdout, /^FAILED {3}keys: .*cannot be understood/m)
      assert.match(open.stdout, /^FAILED {3}keys: Other users can read .*Run: chmod 600/m)
      assert.deepStrictEqual([broken.code, open.code], [1, 1])
      assert.match(broken.stderr, /^claudemesh: 1 of \d+ checks failed\n$/)
    }),
  )
})

describe("a check", () => {
  it.effect("that hangs has failed at its deadline, and so has one that dies", () =>
    Effect.gen(function* () {
      const hanging = yield* Effect.forkChild(within("x", checkMillis, Effect.never))
      yield* TestClock.adjust(checkMillis)
      assert.strictEqual((yield* Fiber.join(hanging)).state, "failed")
      assert.strictEqual((yield* within("x", checkMillis, Effect.die("boom"))).text, "boom")
      assert.strictEqual(
        (yield* within("x", checkMillis, Effect.succeed(ok("x", "wss://a:b@c/ws\n")))).text,
        "wss://c/ws ",
      )
    }),
  )
})

const secretsOf = (config: string): ReadonlyArray<string> =>
  [...config.matchAll(/"(?:secretKey|ownerSecretKey)":\s*"([^"]+)"/g)].map(([, key = ""]) => key)
