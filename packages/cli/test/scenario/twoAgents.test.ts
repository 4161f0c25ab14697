/**
 * The main job, whole: two agents' hosts, each with its own `claudemesh mcp` process, talk through a broker
 * process on a real database, and what was accepted survives the broker being killed.
 */
import { join } from "node:path"
import { assert, describe, it, layer } from "@effect/vitest"
import { Effect } from "effect"
import { type BrokerProcess, brokerProcess } from "../../../broker/test/support/BrokerProcess.ts"
import { OwnPostgres } from "../../../broker/test/support/Postgres.ts"
import { filesWith } from "../../../broker/test/support/StoredData.ts"
import { temporaryFolder } from "../../../broker/test/support/TestBroker.ts"
import { type Agent, agent, type Answer, claudemesh, cursorOf, messagesOf, some, textsOf } from "../support/Agent.ts"

interface Homes {
  readonly alice: string
  readonly bob: string
  readonly aliceKey: string
}

/** A mesh of alice and bob, made as a developer would. */
const homes = Effect.fnUntraced(function* (broker: BrokerProcess, folder: string) {
  return yield* Effect.promise(async (): Promise<Homes> => {
    const args = ["seed-test-mesh", "--broker", broker.url, "--into", folder, "--json"]
    const { code, stderr, stdout } = await claudemesh(args)
    assert.strictEqual(code, 0, stderr)
    const seeded = JSON.parse(stdout)
    return { alice: join(folder, "alice"), bob: join(folder, "bob"), aliceKey: seeded.members[0].publicKey }
  })
})

const connected = ({ isError }: Answer): boolean => !isError

/** Waits until the mesh is reached, and then says who is there. */
const settled = (one: Agent) => one.callUntil("list_peers", ({ text }) => !text.includes("not connected"))

const secret = "The deploy key rotates at noon: please wait with the migration."
const reply = "Understood, holding the migration until you say so."

const talk = (broker: BrokerProcess, folder: string) =>
  Effect.gen(function* () {
    const { alice, aliceKey, bob } = yield* homes(broker, folder)
    const a = yield* agent(alice)
    const b = yield* agent(bob)
    yield* Effect.promise(async () => {
      await Promise.all([settled(a), settled(b)])
      const sent = await a.call("send_message", { target: "bob", message: secret })
      assert.match(sent.text, /^In bob's session, not shown yet\. Message id /)

      const received = await b.callUntil("check_messages", some)
      assert.deepStrictEqual(textsOf(received), [secret])
      assert.lengthOf(received.text.split(secret), 2, "the text is there once")
      const [message] = messagesOf(received)
      assert.deepInclude(message?.label, {
        from: "alice",
        key: aliceKey.slice(0, 8),
        member: "certified",
        authenticated: "yes",
      })
      assert.isUndefined(message?.label["redelivered"])

      assert.deepStrictEqual(textsOf(await b.call("check_messages")), [], "shown once")
      await b.call("send_message", { target: "alice", message: reply, priority: "now" })
      assert.deepStrictEqual(textsOf(await a.callUntil("check_messages", some)), [reply])
      assert.deepStrictEqual([...a.strayOutput, ...b.strayOutput], [], "nothing but MCP on stdout")
    })
  })

const killedBeforeTheRecipientCame = (broker: BrokerProcess, folder: string) =>
  Effect.gen(function* () {
    const { alice, bob } = yield* homes(broker, folder)
    const a = yield* agent(alice)
    yield* Effect.promise(async () => {
      const sent = await a.callUntil("send_message", connected, { target: "bob", message: "survives" })
      assert.match(sent.text, /^Waits until bob's session connects\. Message id /)
      await broker.kill()
      await broker.start()
    })
    const b = yield* agent(bob)
    yield* Effect.promise(async () => {
      const received = messagesOf(await b.callUntil("check_messages", some))
      assert.deepStrictEqual(
        received.map(({ label, text }) => ({ text, redelivered: label["redelivered"] })),
        [{ text: "survives", redelivered: undefined }],
      )
      assert.deepStrictEqual(textsOf(await b.call("check_messages")), [])
    })
  })

const killedBeforeTheRecipientAcked = (broker: BrokerProcess, folder: string) =>
  Effect.gen(function* () {
    const { alice, bob } = yield* homes(broker, folder)
    const a = yield* agent(alice)
    const b = yield* agent(bob)
    yield* Effect.promise(async () => {
      await settled(b)
      const sent = await a.callUntil("send_message", connected, { target: "bob", message: "unread" })
      assert.match(sent.text, /^In bob's session, not shown yet\./)
      // It is in bob's buffer and not acked, since bob's agent has not looked.
      await broker.kill()
      await broker.start()
      const received = await b.callUntil("check_messages", some)
      assert.deepStrictEqual(textsOf(received), ["unread"])
      await settled(b)
      assert.deepStrictEqual(
        textsOf(await b.call("check_messages", { cursor: cursorOf(received) })),
        [],
        "and once only",
      )
      // What was confirmed is acked for good: a new session of bob's has nothing to read.
      await b.close()
    })
    const later = yield* agent(bob)
    yield* Effect.promise(async () => {
      await settled(later)
      assert.deepStrictEqual(textsOf(await later.call("check_messages")), [])
    })
  })

describe("two agents on SQLite", () => {
  it.live("talk, each knows whose key sealed the text, and the broker's data holds none of it", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const data = yield* temporaryFolder
        yield* Effect.scoped(
          Effect.gen(function* () {
            const broker = yield* brokerProcess({ BROKER_DATA_DIR: data })
            yield* Effect.scoped(talk(broker, yield* temporaryFolder))
            yield* Effect.promise(() => broker.terminate())
          }),
        )
        assert.deepStrictEqual(filesWith(data, "alice").length > 0, true, "the search finds what is there")
        assert.deepStrictEqual([...filesWith(data, secret), ...filesWith(data, reply)], [])
      }),
    ),
  )

  const scenarios = {
    "lose nothing when the broker is killed after the ack and before the recipient comes (I7)":
      killedBeforeTheRecipientCame,
    "get once what was pushed and not acked when the broker was killed (I8)": killedBeforeTheRecipientAcked,
  }
  for (const [claim, scenario] of Object.entries(scenarios)) {
    it.live(claim, () =>
      Effect.scoped(
        Effect.gen(function* () {
          const broker = yield* brokerProcess({ BROKER_DATA_DIR: yield* temporaryFolder })
          yield* scenario(broker, yield* temporaryFolder)
        }),
      ),
    )
  }
})

layer(OwnPostgres.layer, { excludeTestServices: true, timeout: "60 seconds" })("two agents on Postgres", (it) => {
  const onPostgres = (scenario: typeof talk) =>
    Effect.scoped(
      Effect.gen(function* () {
        const { checkpoint, folder, freshDatabase } = yield* OwnPostgres
        const url = yield* freshDatabase
        const broker = yield* brokerProcess({ DATABASE_URL: url, BROKER_HOST: "127.0.0.1" })
        yield* scenario(broker, yield* temporaryFolder)
        yield* checkpoint(url)
        return folder
      }),
    )

  it.effect("talk, and the whole of the server's data holds no plaintext", () =>
    Effect.gen(function* () {
      const folder = yield* onPostgres(talk)
      assert.deepStrictEqual(filesWith(folder, "message_accepted").length > 0, true, "the search finds what is there")
      assert.deepStrictEqual([...filesWith(folder, secret), ...filesWith(folder, reply)], [])
    }),
  )

  it.effect("lose nothing when the broker is killed after the ack and before the recipient comes (I7)", () =>
    onPostgres(killedBeforeTheRecipientCame),
  )

  it.effect("get once what was pushed and not acked when the broker was killed (I8)", () =>
    onPostgres(killedBeforeTheRecipientAcked),
  )
})
