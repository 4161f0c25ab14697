/** What a machine keeps, whatever becomes of the processes that write it: several at once, or killed at any point. */
import { mkdirSync, readdirSync, readFileSync, watch } from "node:fs"
import { join } from "node:path"
import { Database } from "bun:sqlite"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { makeMesh } from "../../../broker/test/support/Meshes.ts"
import { RawClient, sendFrame, unseal } from "../../../broker/test/support/RawClient.ts"
import { startBroker, temporaryFolder } from "../../../broker/test/support/TestBroker.ts"
import { claudemesh, complaint, done, main, type Ran, startedWith } from "../support/Agent.ts"
import { writeHome } from "../support/Homes.ts"
import { gatedBroker } from "../support/Gate.ts"

const meshesIn = (home: string): ReadonlyArray<Readonly<Record<string, unknown>>> =>
  JSON.parse(readFileSync(join(home, "config.json"), "utf8")).meshes

const textsIn = (ran: Ran): ReadonlyArray<string> =>
  done(ran)
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line).text)

const isSound = (home: string) => {
  const db = new Database(join(home, "state.db"))
  assert.deepStrictEqual(db.query("PRAGMA integrity_check").values(), [["ok"]])
  assert.deepStrictEqual(db.query("SELECT key FROM pending").values(), [])
  db.close()
  assert.deepStrictEqual(
    readdirSync(home).filter((name) => !name.startsWith("state.db")),
    ["config.json"],
  )
}

/** Runs the command until `whenToKill` calls back, and kills it then as `kill -9` does. */
const killed = async (args: ReadonlyArray<string>, home: string, whenToKill: (kill: () => void) => void) => {
  const child = Bun.spawn([process.execPath, main, ...args], {
    env: { ...startedWith(args), CLAUDEMESH_HOME: home },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "ignore",
  })
  whenToKill(() => child.kill("SIGKILL"))
  await child.exited
  return child.signalCode === "SIGKILL" && (await new Response(child.stdout).text()) === ""
}

describe.concurrent("what was begun at a broker", () => {
  it.live("is finished by the same command, wherever the first one was killed: one mesh, one member, no key lost", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const gate = yield* gatedBroker
        const folder = yield* temporaryFolder
        yield* Effect.promise(async () => {
          const run = (home: string, ...args: ReadonlyArray<string>): Promise<Ran> =>
            claudemesh(args, { CLAUDEMESH_HOME: home })
          const points = {
            "the request is on its way": (_: string, kill: () => void) => {
              gate.passes = "nothing"
              gate.reached = kill
            },
            "the broker has done it": (_: string, kill: () => void) => {
              gate.passes = "request"
              gate.reached = kill
            },
            "it is in the config file": (home: string, kill: () => void) => {
              const watching = watch(home, (_event, name) => {
                if (name !== "config.json") return
                watching.close()
                kill()
              })
            },
          }
          for (const [point, at] of Object.entries(points)) {
            const [ann, bob] = [join(folder, `ann ${point}`), join(folder, `bob ${point}`)]
            // A home that is there, so that it can be watched.
            for (const home of [ann, bob]) mkdirSync(home, { mode: 0o700 })
            const twice = async (home: string, ...args: ReadonlyArray<string>) => {
              gate.answered.length = 0
              const wasKilled = await killed(args, home, (kill) => at(home, kill))
              gate.passes = "all"
              gate.reached = () => {}
              // Once the file is there, a machine with other things to do can be too late to kill it.
              assert.isTrue(wasKilled || point.includes("config"), point)
              if (wasKilled)
                assert.match(done(await run(home, ...args)), /^(Made the mesh|Joined) team .*You are (Ann|Bob)\./)
              isSound(home)
              assert.lengthOf(meshesIn(home), 1, point)
              const [path] = gate.answered[0]?.split(" 2") ?? []
              assert.strictEqual(gate.answered.filter((answer) => answer === `${path} 201`).length, 1, point)
            }
            await twice(ann, "create", "team", "--as", "Ann", "--broker", gate.origin)
            assert.match(String(meshesIn(ann)[0]?.["ownerSecretKey"]), /^[0-9a-f]{128}$/)
            const link = done(await run(ann, "invite")).trim()
            await twice(bob, "join", link, "--as", "Bob")
            assert.match(complaint(await run(bob, "join", link)), /already a member there/)
          }
        })
      }),
    ),
  )
})

describe.concurrent("ten processes on one home", () => {
  it.live("make meshes, join others, send and read at once: each does what it was asked, and nothing is lost", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const broker = yield* startBroker()
        const folder = yield* temporaryFolder
        yield* Effect.promise(async () => {
          const mesh = await makeMesh(broker.origin, ["ann", "bob"])
          const red = [{ slug: "red", brokerUrl: broker.url, mesh }]
          const inHome =
            (home: string) =>
            (...args: ReadonlyArray<string>): Promise<Ran> =>
              claudemesh(args, { CLAUDEMESH_HOME: home, CLAUDEMESH_BROKER: broker.origin })
          const home = await writeHome(folder, "ann", red)
          const [ann, carl] = [inHome(home), inHome(join(folder, "carl"))]
          const theirs = mesh.member("bob")
          const bob = await RawClient.authenticatedV2(broker.url, theirs)
          const say = async (texts: ReadonlyArray<string>) => {
            for (const text of texts) {
              bob.send(sendFrame(text.replace(" ", "-"), mesh.member("ann").keys.publicKey, text, theirs.keys))
              await bob.take("ack")
            }
          }
          const linkTo = async (slug: string) => {
            done(await carl("create", slug, "--as", "Carl"))
            return done(await carl("invite", "--mesh", slug)).trim()
          }
          const [one, two] = [await linkTo("c1"), await linkTo("c2")]

          const [first, second] = [20, 40].map((from) => Array.from({ length: 20 }, (_, n) => `text ${from + n}`))
          await say(first ?? [])
          const made = ["a0", "a1", "a2", "a3"]
          const [read, ...rest] = await Promise.all([
            ann("inbox", "--json"),
            ann("join", one, "--as", "Ann"),
            ann("join", two, "--as", "Ann"),
            // The same join twice is one member.
            ann("join", two, "--as", "Ann"),
            ...made.map((slug) => ann("create", slug, "--as", "Ann")),
            ann("send", "red:bob", "from Ann"),
            ann("send", "red:bob", "again"),
          ])
          const failed = rest.filter(({ code }) => code !== 0)
          assert.isAtMost(failed.length, 1, failed.map(({ stderr }) => stderr).join())
          for (const ran of failed) assert.match(complaint(ran), /already a member there, as c2/, ran.stderr)
          isSound(home)
          assert.sameMembers(
            meshesIn(home).map(({ slug }) => slug),
            ["red", "c1", "c2", ...made],
          )
          for (const slug of made) {
            const mesh = meshesIn(home).find((mesh) => mesh["slug"] === slug)
            assert.match(String(mesh?.["ownerSecretKey"]), /^[0-9a-f]{128}$/)
          }
          assert.sameMembers([...textsIn(read)], first ?? [])
          const pushes = [await bob.take("push"), await bob.take("push")]
          assert.sameMembers(
            pushes.map((push) => (unseal(push, theirs.keys).includes("from Ann") ? "from Ann" : "again")),
            ["from Ann", "again"],
          )

          await say(second ?? [])
          const shown = await Promise.all(Array.from({ length: 10 }, () => ann("inbox", "--json", "--mesh", "red")))
          assert.sameMembers(shown.flatMap(textsIn), second ?? [])
          assert.deepStrictEqual(textsIn(await ann("inbox", "--json", "--mesh", "red")), [])
          isSound(home)
        })
      }),
    ),
  )
})
