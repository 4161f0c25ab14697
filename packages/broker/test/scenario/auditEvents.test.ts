/** What a day of a mesh leaves in the audit, on both databases: each kind of event, and never a text (I18, I29). */
import { type BlockEvent, eventsOfBlock } from "@claudemesh/domain/audit/BlockEvents"
import { assert, describe, it, layer } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { SqlClient } from "effect/unstable/sql"
import { eachPage } from "../../src/store/AuditExport.ts"
import { auditSource } from "../../src/store/AuditSource.ts"
import { makeMesh } from "../support/Meshes.ts"
import { Postgres } from "../support/Postgres.ts"
import { newKeys, RawClient, sendFrame } from "../support/RawClient.ts"
import { postgresAt } from "../support/Stores.ts"
import { startBroker, temporaryFolder, type TestBroker } from "../support/TestBroker.ts"

/** Known to the broker, and to be in no event. */
const secrets: Array<string> = []

const aDay = async (broker: TestBroker) => {
  const mesh = await makeMesh(broker.origin)
  const [alice, bob] = [mesh.member("alice"), mesh.member("bob")]
  const sender = await RawClient.authenticatedV2(broker.url, alice, { sessionId: "a1" })
  const receiver = await RawClient.authenticatedV2(broker.url, bob, { sessionId: "b1" })
  receiver.send({ type: "join_channel", id: "j", channel: "builds" })
  await receiver.take("ok")
  receiver.send({ type: "leave_channel", id: "l", channel: "builds" })
  await receiver.take("ok")
  for (const id of ["one", "two"]) {
    const frame = sendFrame(id, bob.keys.publicKey, "hello", alice.keys)
    if ("ciphertext" in frame) secrets.push(String(frame.ciphertext))
    sender.send(frame)
    await sender.take("ack")
  }
  const pushes = [await receiver.take("push"), await receiver.take("push")]
  receiver.send({ type: "client_ack", messageIds: pushes.map(({ messageId }) => messageId) })
  for (let n = 0; n < 500; n++) sender.send({ type: "message_status", id: `m${n}`, messageId: "0".repeat(32) })
  sender.send(sendFrame("nobody", newKeys().publicKey, "hello", alice.keys))
  await sender.take("error", ({ id }) => id === "nobody", 30_000)
  const stranger = await RawClient.open(broker.url)
  stranger.send(await stranger.helloV2({ ...alice, memberId: "nobody-at-all" }))
  assert.strictEqual((await stranger.take("error"))["code"], "unauthorized")
  await stranger.closed
  await receiver.close()
  await sender.close()
  return { mesh, alice, bob }
}

const told = (database: Parameters<typeof auditSource>[0]) =>
  Effect.gen(function* () {
    const events: Array<BlockEvent> = []
    yield* eachPage(undefined, (page) =>
      Effect.sync(() => {
        for (const one of page) if (one.type === "block") events.push(...eventsOfBlock(one))
      }),
    )
    return events
  }).pipe(Effect.provide(auditSource(database)), Effect.orDie)

const happened = Effect.fnUntraced(function* (
  environment: Readonly<Record<string, string>>,
  database: Parameters<typeof auditSource>[0],
) {
  // It ends before it is looked at: what was refused is written by then.
  const { alice, bob } = yield* Effect.scoped(
    Effect.flatMap(startBroker({ environment }), (broker) => Effect.promise(() => aDay(broker))),
  )
  const events = yield* told(database)
  const text = JSON.stringify(events)
  assert.strictEqual(secrets.length % 2, 0)
  for (const secret of secrets) assert.notInclude(text, secret)
  const of = (name: string) => events.filter(({ event }) => event === name)
  const whose = (name: string) => of(name).map(({ member, session }) => `${member} ${session}`)
  assert.strictEqual(of("mesh_created").length, 1)
  assert.sameMembers(whose("session_attached"), [`${alice.memberId} a1`, `${bob.memberId} b1`])
  assert.sameMembers(whose("session_detached"), [`${alice.memberId} a1`, `${bob.memberId} b1`])
  for (const name of ["channel_joined", "channel_left"])
    assert.deepStrictEqual(
      of(name).map(({ member, target }) => [member, target]),
      [[bob.memberId, "#builds"]],
    )
  const numbers = of("message_accepted").map(({ seq }) => seq)
  assert.strictEqual(numbers.length, 2)
  for (const { member, session } of of("messages_consumed"))
    assert.deepStrictEqual([member, session], [bob.memberId, null])
  assert.deepStrictEqual(
    of("messages_consumed").flatMap(({ messages }) => messages ?? []),
    numbers,
  )
  // However often: an event for each member and code.
  const refusals = of("refused")
  assert.isAtMost(refusals.length, 6)
  const refused = (code: string, who: string | null) =>
    refusals
      .filter(({ member, target }) => target === code && member === who)
      .reduce((sum, { recipients }) => sum + (recipients ?? 0), 0)
  assert.strictEqual(refused("unknown_target", alice.memberId), 1)
  assert.strictEqual(refused("unauthorized", null), 1)
  const asked = refusals.filter(({ member }) => member === alice.memberId)
  assert.isAtLeast(
    asked.reduce((sum, { recipients }) => sum + (recipients ?? 0), 0),
    500,
  )
  assert.strictEqual(events.length, 1 + 2 + 2 + 2 + 2 + of("messages_consumed").length + refusals.length)
})

describe("what a mesh's audit records", () => {
  it.live("on SQLite is who came, went, joined, sent, consumed and was refused (I18, I29)", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const dataDir = yield* temporaryFolder
        yield* happened({ BROKER_DATA_DIR: dataDir }, { _tag: "Sqlite", dataDir })
      }),
    ),
  )

  layer(Postgres.layer, { excludeTestServices: true, timeout: "60 seconds" })("", (test) => {
    test.effect("on Postgres is the same, in columns that are all known (I18, I29)", () =>
      Effect.scoped(
        Effect.gen(function* () {
          const url = yield* (yield* Postgres).freshDatabase
          const environment = { DATABASE_URL: url, BROKER_HOST: "127.0.0.1" }
          yield* happened(environment, { _tag: "Postgres", url: Redacted.make(url) })
          const [row] = yield* Effect.flatMap(
            SqlClient.SqlClient,
            (sql) => sql`SELECT * FROM mesh.audit_log WHERE event = 'messages_consumed' LIMIT 1`,
          ).pipe(Effect.provide(postgresAt(url)))
          assert.sameMembers(Object.keys(row ?? {}), [
            "mesh_id",
            "seq",
            "event",
            "at",
            "actor_member_id",
            "actor_session_id",
            "message_id",
            "target_spec",
            "priority",
            "ciphertext_bytes",
            "recipients",
            "messages",
          ])
        }),
      ),
    )
  })
})
