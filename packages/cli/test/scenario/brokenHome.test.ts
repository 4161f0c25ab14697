/**
 * A server whose folder cannot be used answers its host all the same, and every tool says the line that a person gets.
 * The folder is looked at again at each call.
 */
import { chmod, chown, mkdir, readFile, rename, rm, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { makeMesh } from "../../../broker/test/support/Meshes.ts"
import { sendFrame } from "../../../broker/test/support/RawClient.ts"
import { agent, type Agent, claudemesh, complaint, done, messagesOf, some } from "../support/Agent.ts"
import { stage } from "../support/Stage.ts"

const inputs = {
  send_message: { target: "bob", message: "hi" },
  check_messages: {},
  read_message: { id: "0123abcd" },
  set_status: { status: "idle" },
  set_summary: { summary: "x" },
  list_peers: {},
  join_channel: { channel: "builds" },
  leave_channel: { channel: "builds" },
  list_channels: {},
}

/** Ways in which a folder cannot be used, and how it can be again. */
const troubles: Readonly<
  Record<string, readonly [ruin: (home: string) => Promise<void>, mend: (home: string) => Promise<void>]>
> = {
  "a config that is not JSON": [
    async (home) => {
      await rename(join(home, "config.json"), join(home, "good"))
      await writeFile(join(home, "config.json"), "{ not JSON", { mode: 0o600 })
    },
    (home) => rename(join(home, "good"), join(home, "config.json")),
  ],
  "a config that others can read": [
    (home) => chmod(join(home, "config.json"), 0o644),
    (home) => chmod(join(home, "config.json"), 0o600),
  ],
  "keys in a keychain that gives none": [
    async (home) => {
      const config = JSON.parse(await readFile(join(home, "config.json"), "utf8"))
      await rename(join(home, "config.json"), join(home, "good"))
      config.meshes[0].secretKey = { keychain: "claudemesh/nowhere" }
      await writeFile(join(home, "config.json"), JSON.stringify(config), { mode: 0o600 })
    },
    (home) => rename(join(home, "good"), join(home, "config.json")),
  ],
}

const said = async (home: string): Promise<string> =>
  complaint(await claudemesh(["peers"], { CLAUDEMESH_HOME: home }))
    .slice("claudemesh: ".length)
    .trim()

const meshesIn = (text: string) => [...text.matchAll(/^Mesh ([\w-]+):/gm)].map(([, name]) => name)

/** It answers, and has something to show. */
const isWell = async (one: Agent): Promise<void> => {
  const { text } = await one.callUntil("list_peers", ({ isError, text }) => !isError && !text.includes("not connected"))
  assert.deepStrictEqual(meshesIn(text), ["red"])
}

/** Processes for each step, beside all that the machine does. */
const storyMillis = 60_000

describe.concurrent("a server with", () => {
  it.live(
    "a config that cannot be used says so in every tool, as a person is told, and works as soon as it is mended",
    () =>
      Effect.scoped(
        Effect.gen(function* () {
          const { home } = yield* stage()
          const folder = yield* home("alice")
          const [first] = Object.values(troubles)
          yield* Effect.promise(async () => first?.[0](folder))
          const one = yield* agent(folder)
          yield* Effect.promise(async () => {
            await first?.[1](folder)
            for (const [trouble, [ruin, mend]] of Object.entries(troubles)) {
              await ruin(folder)
              const line = await said(folder)
              for (const [name, input] of Object.entries(inputs)) {
                assert.deepStrictEqual(
                  await one.call(name, input),
                  { text: line, isError: true },
                  `${trouble}: ${name}`,
                )
              }
              await mend(folder)
              await isWell(one)
            }
          })
        }),
      ),
    storyMillis,
  )

  it.live("a folder that is not one, or somebody else's, answers its host and says so in its tools", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const { home } = yield* stage()
        const folder = yield* home("alice")
        yield* Effect.promise(() => writeFile(join(folder, "file"), ""))
        const one = yield* agent(join(folder, "file"))
        yield* Effect.promise(async () => {
          const answer = await one.call("list_peers")
          assert.isTrue(answer.isError)
          assert.strictEqual(answer.text, await said(join(folder, "file")))
        })
        if (process.getuid?.() !== 0) return
        const foreign = join(folder, "foreign")
        yield* Effect.promise(async () => {
          await mkdir(foreign, { mode: 0o700 })
          await chown(foreign, 12_345, 12_345)
        })
        const other = yield* agent(foreign)
        yield* Effect.promise(async () => {
          const answer = await other.call("list_peers")
          assert.isTrue(answer.isError)
          assert.match(answer.text, /another user/)
          assert.strictEqual(answer.text, await said(foreign))
        })
      }),
    ),
  )

  it.live("no config at all says that no mesh is joined, and has the mesh that is joined then", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const { home } = yield* stage()
        const folder = yield* home("alice")
        yield* Effect.promise(() => rename(join(folder, "config.json"), join(folder, "later")))
        const one = yield* agent(folder)
        yield* Effect.promise(async () => {
          for (const tool of ["list_peers", "list_channels", "check_messages"]) {
            assert.match((await one.call(tool)).text, /^No mesh is joined\. A person joins one/, tool)
          }
          await rename(join(folder, "later"), join(folder, "config.json"))
          await isWell(one)
          await rm(join(folder, "config.json"))
          assert.match((await one.call("list_peers")).text, /^No mesh is joined\. /)
        })
      }),
    ),
  )
})

describe.concurrent("a mesh that changes while the server runs", () => {
  it.live("is there when it was joined, and not when it was left", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const { broker, home, red } = yield* stage()
        const other = yield* Effect.promise(() => makeMesh(broker.origin))
        const one = yield* agent(yield* home("alice"))
        yield* Effect.promise(() => isWell(one))
        const blue = { ...red, slug: "blue", mesh: other }
        yield* home("alice", [red, blue])
        const both = yield* Effect.promise(() => one.call("list_peers"))
        assert.deepStrictEqual(meshesIn(both.text), ["red", "blue"])
        yield* home("alice", [blue])
        const left = yield* Effect.promise(() => one.call("list_peers"))
        assert.deepStrictEqual(meshesIn(left.text), ["blue"])
        yield* Effect.promise(async () => {
          while (broker.connections() > 1) await Bun.sleep(5)
        })
      }),
    ),
  )

  it.live("has a member verified as soon as a person has compared the number", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const { home, mesh, raw } = yield* stage()
        const folder = yield* home("alice")
        const one = yield* agent(folder)
        yield* Effect.promise(async () => {
          const bob = await raw("bob")
          const write = async (id: string) => {
            bob.send(sendFrame(id, mesh.member("alice").keys.publicKey, id, mesh.member("bob").keys))
            await bob.take("ack")
            return messagesOf(await one.callUntil("check_messages", some)).map(({ label }) => label["member"])
          }
          assert.deepStrictEqual(await write("before"), ["certified"])
          done(await claudemesh(["verify", "bob", "--matches"], { CLAUDEMESH_HOME: folder }))
          assert.deepStrictEqual(await write("after"), ["verified"])
          await bob.close()
        })
      }),
    ),
  )
})
