/** An operator who watches the audit: what comes is shown until Ctrl-C, on both stores, and nothing is held open or left behind (I29). */
import { readdir } from "node:fs/promises"
import { join } from "node:path"
import { assert, describe, it, layer } from "@effect/vitest"
import { Effect } from "effect"
import { SqlClient } from "effect/unstable/sql"
import { makeMesh } from "../../../broker/test/support/Meshes.ts"
import { Postgres } from "../../../broker/test/support/Postgres.ts"
import { RawClient, sendFrame } from "../../../broker/test/support/RawClient.ts"
import { postgresAt } from "../../../broker/test/support/Stores.ts"
import { startBroker, temporaryFolder, type TestBroker } from "../../../broker/test/support/TestBroker.ts"
import { claudemesh, main } from "../support/Agent.ts"
import { linesOf } from "../support/Lines.ts"

const following = (environment: Readonly<Record<string, string>>, ...args: ReadonlyArray<string>) => {
  const child = Bun.spawn([process.execPath, main, "audit", "tail", "--follow", ...args], {
    env: { PATH: process.env["PATH"] ?? "", HOME: "/nonexistent", ...environment },
    stdout: "pipe",
    stderr: "pipe",
  })
  return { child, line: linesOf(child.stdout), said: linesOf(child.stderr) }
}

/** Alice says one thing, then another; Bob has both. */
const talk = async ({ origin, url }: TestBroker, watch: (text: "begin" | "said") => Promise<void>) => {
  const mesh = await makeMesh(origin)
  const [alice, bob] = [mesh.member("alice"), mesh.member("bob")]
  const [from, to] = [await RawClient.authenticatedV2(url, alice), await RawClient.authenticatedV2(url, bob)]
  await watch("begin")
  from.send(sendFrame("one", bob.keys.publicKey, "hello", alice.keys))
  await from.take("ack")
  const { messageId } = await to.take("push")
  to.send({ type: "client_ack", messageIds: [messageId] })
  await to.settled()
  await watch("said")
  await Promise.all([from.close(), to.close()])
  return { mesh, alice, bob, messageId: String(messageId) }
}

const followed = async (
  broker: TestBroker,
  environment: Readonly<Record<string, string>>,
  whileItStays: () => Promise<void>,
) => {
  const { child, line, said } = following(environment, "-n", "1")
  const { alice, bob, mesh, messageId } = await talk(broker, async (when) => {
    if (when === "said") return
    assert.match(await line(), /^AT +MESH +EVENT/)
    await line()
    assert.strictEqual(await said(), "claudemesh: Following the audit. Ctrl-C ends this.")
  })
  const seen: Array<string> = []
  while (!seen.some((one) => one.includes("messages_consumed"))) seen.push(await line())
  const accepted = seen.find((one) => one.includes(messageId)) ?? assert.fail(seen.join("\n"))
  assert.match(
    accepted,
    new RegExp(`^\\S+Z  ${mesh.meshId}  message_accepted  ${alice.memberId}  ${bob.keys.publicKey}`),
  )
  assert.match(seen.at(-1) ?? "", new RegExp(`messages_consumed  ${bob.memberId} +#\\d+$`))
  await whileItStays()
  child.kill("SIGINT")
  assert.strictEqual(await child.exited, 130)
  assert.strictEqual(await said(), "claudemesh: Ended: it was told to stop.")
  // By message: accepted, and consumed by its number.
  const chosen = await claudemesh(["audit", "export", "--format", "events", "--message", messageId], environment)
  assert.deepStrictEqual(
    chosen.stdout
      .trimEnd()
      .split("\n")
      .map((text) => JSON.parse(text).event),
    ["message_accepted", "messages_consumed"],
  )
  const bobs = await claudemesh(["audit", "tail", "--member", bob.memberId, "--from", "2026-01-01"], environment)
  assert.notInclude(bobs.stdout, alice.memberId)
  assert.include(bobs.stdout, "messages_consumed")
  const none = await claudemesh(["audit", "tail", "--to", "2001-01-01"], environment)
  assert.strictEqual(none.stdout, "Nothing is recorded yet.\n")
}

describe.concurrent("audit tail --follow", () => {
  it.live("shows what comes to the embedded store, ends at Ctrl-C, and leaves no copy (I29)", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const folder = yield* temporaryFolder
        const data = join(folder, "data")
        const broker = yield* startBroker({ environment: { BROKER_DATA_DIR: data } })
        yield* Effect.promise(() => followed(broker, { BROKER_DATA_DIR: data }, () => Promise.resolve()))
        assert.deepStrictEqual(
          (yield* Effect.promise(() => readdir(data))).filter((name) => !name.startsWith("broker.sqlite")),
          [],
        )
      }),
    ),
  )

  layer(Postgres.layer, { excludeTestServices: true, timeout: "60 seconds" })("", (test) => {
    test.effect("shows what comes to Postgres, and has no transaction open meanwhile (I29)", () =>
      Effect.scoped(
        Effect.gen(function* () {
          const url = yield* (yield* Postgres).freshDatabase
          const broker = yield* startBroker({ environment: { DATABASE_URL: url, BROKER_HOST: "127.0.0.1" } })
          const open = Effect.gen(function* () {
            const sql = yield* SqlClient.SqlClient
            const looks: Array<string> = []
            for (let n = 0; n < 20; n++) {
              const rows = yield* sql<{ readonly state: string }>`SELECT state FROM pg_stat_activity
                WHERE datname = current_database() AND xact_start < now() - interval '500 milliseconds'`
              looks.push(...rows.map(({ state }) => state))
              yield* Effect.sleep("50 millis")
            }
            assert.deepStrictEqual(looks, [])
          }).pipe(Effect.provide(postgresAt(url)), Effect.orDie)
          yield* Effect.promise(() => followed(broker, { DATABASE_URL: url }, () => Effect.runPromise(open)))
        }),
      ),
    )
  })
})
