/** A broker whose store is moved by the command while its members are away: to Postgres, and back (I6, I7, I8, I29). */
import { rmSync } from "node:fs"
import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { type BrokerProcess, brokerProcess } from "../../../broker/test/support/BrokerProcess.ts"
import { makeMesh, type TestMesh } from "../../../broker/test/support/Meshes.ts"
import { Postgres } from "../../../broker/test/support/Postgres.ts"
import { RawClient, sendFrame } from "../../../broker/test/support/RawClient.ts"
import { temporaryFolder } from "../../../broker/test/support/TestBroker.ts"
import { claudemesh } from "../support/Agent.ts"
import { doneQuietly as done } from "../support/InHome.ts"

/** What was sent under an id is sent again as it was. */
const senderOf = (mesh: TestMesh) => {
  const frames = new Map<string, ReturnType<typeof sendFrame>>()
  /** Gives the message ids of the acks. */
  return async ({ url }: BrokerProcess, ids: ReadonlyArray<string>): Promise<ReadonlyArray<string>> => {
    const { keys } = mesh.member("alice")
    const alice = await RawClient.authenticatedV2(url, mesh.member("alice"))
    const acked: Array<string> = []
    for (const id of ids) {
      const frame = frames.get(id) ?? sendFrame(id, mesh.member("bob").keys.publicKey, `text of ${id}`, keys)
      frames.set(id, frame)
      alice.send(frame)
      const { duplicate, messageId } = await alice.take("ack")
      acked.push(`${String(messageId)}${duplicate === true ? " again" : ""}`)
    }
    await alice.close()
    return acked
  }
}

/** Bob reads so many, acks as many of them, and gives their ids. */
const read = async (
  { url }: BrokerProcess,
  mesh: TestMesh,
  count: number,
  acks = count,
): Promise<ReadonlyArray<string>> => {
  const bob = await RawClient.authenticatedV2(url, mesh.member("bob"))
  const ids: Array<string> = []
  for (let n = 0; n < count; n++) {
    const { messageId } = await bob.take("push")
    ids.push(String(messageId))
    if (n < acks) bob.send({ type: "client_ack", messageIds: [messageId] })
  }
  await bob.settled()
  assert.isEmpty(
    bob.frames.filter(({ type }) => type === "push"),
    "more than there should be",
  )
  await bob.close()
  return ids
}

const named = (from: number, to: number) => Array.from({ length: to - from }, (_, n) => `m${from + n}`)

layer(Postgres.layer, { excludeTestServices: true, timeout: "60 seconds" })("broker migrate-to", (it) => {
  it.effect(
    "moves a broker's store while members are away: each gets what waits once, and an old id has its first result",
    () =>
      Effect.scoped(
        Effect.gen(function* () {
          const folder = yield* temporaryFolder
          const url = yield* (yield* Postgres).freshDatabase
          const [data, back] = [`${folder}/data`, `${folder}/back`]
          const broker = yield* brokerProcess({ BROKER_DATA_DIR: data, BROKER_HOST: "127.0.0.1" })
          const run = (environment: Readonly<Record<string, string>>, ...args: ReadonlyArray<string>) =>
            claudemesh(args, environment)
          yield* Effect.promise(async () => {
            const mesh = await makeMesh(broker.origin, ["alice", "bob"])
            const send = senderOf(mesh)
            const sent = await send(broker, named(0, 20))
            assert.deepStrictEqual(await read(broker, mesh, 20, 5), sent)
            const kept = `${folder}/kept.jsonl`

            const early = await run({ BROKER_DATA_DIR: data }, "broker", "migrate-to", url)
            assert.deepStrictEqual([early.code, early.stdout], [1, ""])
            assert.match(
              early.stderr,
              /^claudemesh: A broker is using .*data\. Nothing was moved\. Stop it, then move\./,
            )
            assert.strictEqual(await broker.terminate(), 0)
            await Bun.write(kept, done(await run({ BROKER_DATA_DIR: data }, "audit", "checkpoint")))
            const moved = await run({ BROKER_DATA_DIR: data }, "broker", "migrate-to", url)
            assert.strictEqual(moved.code, 0, moved.stderr)
            assert.match(moved.stderr, /^messages: 20 of 20$/m)
            assert.match(moved.stdout, /^deliveries that wait +15$/m)
            assert.match(
              moved.stdout,
              /^Moved from .*data to Postgres at 127\.0\.0\.1:\d+\/claudemesh_[0-9a-f]+\. Counted/,
            )
            assert.notInclude(moved.stdout + moved.stderr, "password")

            await broker.start({ DATABASE_URL: url })
            const resent = await send(broker, ["m3", "m19", "m20"])
            assert.deepStrictEqual(resent.slice(0, 2), [`${sent[3]} again`, `${sent[19]} again`])
            assert.notMatch(resent[2] ?? "again", /again/)
            assert.deepStrictEqual((await read(broker, mesh, 16, 10)).slice(0, 15), sent.slice(5))
            assert.match(
              done(await run({ DATABASE_URL: url }, "audit", "verify", "--kept", kept)),
              /: whole\. \d+ blocks \(1 to/,
            )

            const used = await run({ DATABASE_URL: url }, "broker", "migrate-to", back, "--json")
            assert.deepStrictEqual([used.code, JSON.parse(used.stderr).code], [1, "source_in_use"])
            assert.strictEqual(await broker.terminate(), 0)
            const { rows, target } = JSON.parse(
              done(await run({ DATABASE_URL: url }, "broker", "migrate-to", back, "--json")),
            )
            assert.deepStrictEqual([target, rows.waiting, rows.accepted], [back, 6, 21])
            // Nothing of it is needed any more.
            rmSync(data, { recursive: true })

            await broker.start({ BROKER_DATA_DIR: back })
            assert.deepStrictEqual(await send(broker, ["m0"]), [`${sent[0]} again`])
            assert.deepStrictEqual((await read(broker, mesh, 6)).slice(0, 5), sent.slice(15))
            await broker.terminate()
            const verify = await run({ BROKER_DATA_DIR: back }, "audit", "verify", "--kept", kept)
            assert.match(done(verify), /: whole\. \d+ blocks \(1 to \d+\), \d+ events, signed up to block \d+\.\n$/)
          })
        }),
      ),
  )

  it.effect("says what is wrong with a line that moves nothing", () =>
    Effect.promise(async () => {
      const url = "postgres://user:secret@127.0.0.1:1/mesh"
      const cases = [
        [{}, "somewhere", 2, /^claudemesh: DATABASE_URL is not set, so what is to be moved is in a folder already/],
        [
          { DATABASE_URL: url },
          url,
          2,
          /^claudemesh: DATABASE_URL is set, so what is to be moved is in Postgres already/,
        ],
        [{}, "postgres://h/d?sslmode=maybe", 2, /^claudemesh: The database to move to cannot be used: .*sslmode/],
        [
          { BROKER_DATA_DIR: "/nonexistent/x" },
          url,
          1,
          /^claudemesh: There is no \/nonexistent\/x\/broker\.sqlite\. Set BROKER_DATA_DIR/,
        ],
        [{ DATABASE_URL: url }, "somewhere", 1, /^claudemesh: What is stored cannot be read: .*Nothing was moved/],
      ] as const
      for (const [environment, target, code, says] of cases) {
        const ran = await claudemesh(["broker", "migrate-to", target], environment)
        assert.strictEqual(ran.code, code, target)
        assert.match(ran.stderr, says)
        assert.notInclude(ran.stderr, "secret")
      }
    }),
  )
})
