import { Database } from "bun:sqlite"
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as BunServices from "@effect/platform-bun/BunServices"
import { MeshId, MessageId, SessionId } from "@claudemesh/domain/Ids"
import { isoFromMillis } from "@claudemesh/domain/IsoTime"
import { assert, layer } from "@effect/vitest"
import { Effect, Layer, Logger } from "effect"
import { TestClock } from "effect/testing"
import type { BrokerClient } from "../src/BrokerClient.ts"
import { seenInMemory, SeenMessages } from "../src/inbox/SeenMessages.ts"
import { Sodium } from "../src/keys/Sodium.ts"
import { Content } from "../src/seal/OpenPush.ts"
import { KnownMembers } from "../src/trust/KnownMembers.ts"
import { startClient } from "./support/Clients.ts"
import { at, type FakeBroker, type Person, pushOf } from "./support/FakeBroker.ts"
import { sealedSend } from "./support/SealedSend.ts"
import { until } from "./support/Until.ts"

const meshId = MeshId.make("mesh-team")
const [here, there] = [SessionId.make("here"), SessionId.make("there")]
const day = 24 * 60 * 60_000
const idOf = (n: number) => MessageId.make(n.toString(16).padStart(32, "0"))

const inFolder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "claudemesh-seen-"))),
  (directory) => Effect.sync(() => rmSync(directory, { recursive: true })),
).pipe(
  Effect.map((directory) => {
    const seen = SeenMessages.layerIn(directory).pipe(Layer.provide(BunServices.layer))
    return {
      directory,
      path: join(directory, "state.db"),
      /** Where an earlier version kept it. */
      file: join(directory, "seen", `${meshId}.log`),
      seen,
      /** As another process of the machine does. */
      open: (sessionId: SessionId) =>
        Effect.flatMap(SeenMessages, ({ open }) => open(meshId, sessionId)).pipe(Effect.provide(seen)),
    }
  }),
)

/** As it stands on the disk, whoever asks. */
const rowsOf = (path: string) => {
  const db = new Database(path, { readonly: true })
  const rows = db.query("SELECT message_id AS message, session_id AS session FROM seen_message ORDER BY seq").all()
  db.close()
  return rows
}

const direct = (n: number) => ({
  messageId: idOf(n),
  targetSpec: "ab".repeat(32),
  createdAt: at,
  content: Content.Opened({ text: "hi", binding: "bound", sentAt: at }),
})

const toAll = (n: number, sentMillis: number, takenMillis = sentMillis) => ({
  ...direct(n),
  createdAt: isoFromMillis(takenMillis),
  targetSpec: "*",
  content: Content.Opened({ text: "hi", binding: "bound", sentAt: isoFromMillis(sentMillis) }),
})

/** Bob's message, pushed as if it had never been before, and what the agent then sees of it. */
const pushed = Effect.fnUntraced(function* ({
  alice,
  bob,
  broker,
  client,
}: {
  readonly alice: Person
  readonly bob: Person
  readonly broker: FakeBroker
  readonly client: BrokerClient
}) {
  yield* until(client.state, ({ _tag }) => _tag === "Connected")
  const before = acksOf(broker).length
  const send = yield* sealedSend({ from: bob, to: alice, text: "the plan" })
  broker.latest.say(pushOf(send, bob, meshId, alice.publicKey, { redelivered: false }))
  const dealtWith = Effect.sync(() => client.inbox.waiting.length > 0 || acksOf(broker).length > before)
  yield* until(dealtWith, (is) => is)
})

const textsOf = (messages: ReadonlyArray<{ readonly content: object }>) =>
  messages.map(({ content }) => ("text" in content ? content.text : undefined))

const acksOf = (broker: FakeBroker) => broker.sent("client_ack").flatMap(({ messageIds }) => messageIds)

layer(Layer.merge(Sodium.layer, BunServices.layer))("a message that was shown on this machine", (it) => {
  const start = (seen: Layer.Layer<SeenMessages>) => startClient(() => {}, {}, KnownMembers.memory, seen)

  it.effect("is not shown by the next process, though the broker pushes it as new: it is acked (I7)", () =>
    Effect.gen(function* () {
      const { seen } = yield* inFolder
      yield* Effect.scoped(
        Effect.gen(function* () {
          const first = yield* start(seen)
          yield* pushed(first)
          const lease = yield* first.client.take()
          assert.deepStrictEqual(textsOf(lease.messages), ["the plan"])
          yield* lease.commit
        }),
      )
      const next = yield* start(seen)
      yield* pushed(next)
      assert.deepStrictEqual(next.client.inbox.waiting, [])
      assert.lengthOf(acksOf(next.broker), 1)
    }),
  )

  it.effect("is shown again, and not lost, when the process died before the host had it (I8)", () =>
    Effect.gen(function* () {
      const { seen } = yield* inFolder
      yield* Effect.scoped(
        Effect.gen(function* () {
          const first = yield* start(seen)
          yield* pushed(first)
          assert.lengthOf((yield* first.client.take()).messages, 1)
        }),
      )
      const next = yield* start(seen)
      yield* pushed(next)
      assert.deepStrictEqual(textsOf((yield* next.client.take()).messages), ["the plan"])
      assert.deepStrictEqual(acksOf(next.broker), [])
    }),
  )

  it.effect("is taken from the inbox of a process that runs beside, and acked there (I7)", () =>
    Effect.gen(function* () {
      const { seen } = yield* inFolder
      const [one, other] = [yield* start(seen), yield* start(seen)]
      yield* pushed(one)
      yield* pushed(other)
      yield* (yield* one.client.take()).commit
      assert.lengthOf(other.client.inbox.waiting, 1)
      assert.deepStrictEqual((yield* other.client.take()).messages, [])
      assert.deepStrictEqual(other.client.inbox.waiting, [])
      assert.lengthOf(acksOf(other.broker), 1)
    }),
  )

  it.effect("is in a file of ours alone, and is written there before it is acked (I8, I19)", () =>
    Effect.gen(function* () {
      const { path, seen } = yield* inFolder
      const { broker, client, ...people } = yield* start(seen)
      yield* pushed({ broker, client, ...people })
      const lease = yield* client.take()
      let written: unknown
      broker.override = ({ type }) => {
        if (type === "client_ack") written = rowsOf(path)
        return false
      }
      yield* lease.commit
      assert.deepEqual(written, [{ message: lease.messages[0]?.messageId, session: people.alice.sessionId }])
      assert.strictEqual(statSync(path).mode & 0o777, 0o600)
    }),
  )

  it.effect("is remembered by each of many processes that write at once", () =>
    Effect.gen(function* () {
      const { open } = yield* inFolder
      yield* Effect.forEach(
        Array.from({ length: 8 }, (_, n) => n),
        (n) => Effect.flatMap(open(SessionId.make(`s${n}`)), ({ add }) => add([idOf(n), idOf(100 + n)])),
        { concurrency: "unbounded", discard: true },
      ).pipe(TestClock.withLive)
      // The times are of today, and the test clock's day is long ago.
      const { has } = yield* open(here)
      for (let n = 0; n < 8; n++) assert.isTrue(has(direct(n)) && has(direct(100 + n)), String(n))
    }),
  )

  it.effect("is remembered by a process that runs on while another takes out what is old", () =>
    Effect.gen(function* () {
      const { open, path } = yield* inFolder
      const beside = yield* open(there)
      yield* beside.add([idOf(1), idOf(2)])
      yield* beside.refresh
      yield* TestClock.adjust("33 days")
      const { add } = yield* open(here)
      assert.lengthOf(rowsOf(path), 0)
      yield* add([idOf(3)])
      yield* beside.refresh
      assert.isTrue(beside.has(direct(3)))
      yield* beside.add([idOf(4)])
      assert.isTrue((yield* open(here)).has(direct(4)))
    }),
  )

  it.effect("is known for 32 days, and then taken out (I23)", () =>
    Effect.gen(function* () {
      const { open, path } = yield* inFolder
      yield* (yield* open(here)).add([idOf(1), idOf(2)])
      yield* TestClock.adjust(31.5 * day)
      const later = yield* open(here)
      assert.isTrue(later.has(direct(1)))
      yield* later.add([idOf(3)])
      yield* TestClock.adjust(day)
      const last = yield* open(here)
      assert.deepStrictEqual([last.has(direct(1)), last.has(direct(3))], [false, true])
      assert.deepEqual(rowsOf(path), [{ message: idOf(3), session: here }])
    }),
  )

  it.effect("is one of 100,000 at most: the oldest is forgotten first (I23)", () =>
    Effect.gen(function* () {
      const { add, has } = seenInMemory(here, 0)
      yield* add(Array.from({ length: 100_001 }, (_, n) => idOf(n)))
      assert.deepStrictEqual([has(direct(0)), has(direct(1)), has(direct(100_000))], [false, true, true])
    }),
  )

  it.effect("is one of 100,000 at most on the disk, too, in each mesh (I23)", () =>
    Effect.gen(function* () {
      const { open, path, seen } = yield* inFolder
      const other = yield* Effect.flatMap(SeenMessages, ({ open }) => open(MeshId.make("other"), here)).pipe(
        Effect.provide(seen),
      )
      yield* other.add([idOf(1)])
      const { add } = yield* open(here)
      yield* add(Array.from({ length: 100_001 }, (_, n) => idOf(n)))
      assert.lengthOf(rowsOf(path), 100_001)
      const { has } = yield* open(here)
      assert.deepStrictEqual([has(direct(0)), has(direct(1)), has(direct(100_000))], [false, true, true])
    }),
  )

  it.effect(
    "is taken over from the file of an earlier version, whatever else is in it, and the file is then gone",
    () =>
      Effect.gen(function* () {
        const { directory, file, open, path } = yield* inFolder
        yield* TestClock.setTime(10 * day)
        const write = (...lines: ReadonlyArray<string>) => {
          mkdirSync(join(directory, "seen"), { recursive: true, mode: 0o700 })
          writeFileSync(file, lines.join("\n"), { mode: 0o600 })
        }
        const lines = [1, 2, 3].map((n) => `${9 * day} ${idOf(n)} here`)
        const broken = [
          "nonsense",
          "",
          `-1 ${idOf(7)} here`,
          `5 ${idOf(8)}`,
          `5 ${idOf(9)} he re`,
          `0 ${"0".repeat(9)}`,
        ]
        write(...lines, ...broken, `${8 * day} begins there`)
        const seen = yield* open(there)
        const found = Array.from({ length: 11 }, (_, n) => n).filter((n) => seen.has(direct(n)))
        assert.deepStrictEqual(found, [1, 2, 3])
        assert.isFalse(existsSync(join(directory, "seen")))
        // It was there when that was said to all, two days ago; a session that has come since is not given it again.
        assert.isFalse(seen.has(toAll(1, 8.5 * day)))
        assert.isTrue((yield* open(SessionId.make("new"))).has(toAll(1, 8.5 * day)))

        // A process of that version that still runs goes on writing, and what was taken over is not there twice.
        write(...lines, `${10 * day} ${idOf(4)} here`)
        yield* seen.add([idOf(5)])
        yield* open(here)
        yield* seen.refresh
        assert.isTrue(seen.has(direct(4)))
        assert.lengthOf(rowsOf(path), 5)
      }),
  )

  it.effect("to a group is shown by each session that was there when it was sent, and once (I7)", () =>
    Effect.gen(function* () {
      const { open } = yield* inFolder
      yield* TestClock.setTime(10 * day)
      const [one, other] = [yield* open(here), yield* open(there)]
      yield* TestClock.adjust(day)
      const message = toAll(1, 11 * day)
      yield* one.add([message.messageId])
      yield* other.refresh
      assert.deepStrictEqual([one.has(message), other.has(message)], [true, false])
      yield* other.add([message.messageId])
      assert.isTrue(other.has(message))
    }),
  )

  it.effect("to a group is not shown by a session that came later, such as that of the next command (I7)", () =>
    Effect.gen(function* () {
      const { open } = yield* inFolder
      yield* TestClock.setTime(10 * day)
      yield* (yield* open(here)).add([idOf(1)])
      yield* TestClock.adjust("6 minutes")
      assert.isTrue((yield* open(there)).has(toAll(1, 10 * day)))
      assert.isFalse((yield* open(there)).has(toAll(2, 10 * day)))
    }),
  )

  it.effect(
    "to a group is shown by a session that was there when it left its sender's outbox, in which it waited (I8)",
    () =>
      Effect.gen(function* () {
        const { open } = yield* inFolder
        yield* TestClock.setTime(10 * day)
        yield* (yield* open(here)).add([idOf(1)])
        const [taken, other] = [10 * day, yield* open(there)]
        assert.isFalse(other.has(toAll(1, taken - day / 4, taken)))
        assert.isTrue(other.has(toAll(1, taken - day - 6 * 60_000, taken)), "nothing waits there for so long")
      }),
  )

  it.effect("to a group is not lost to a session that was there, and whose process has begun anew since (I8)", () =>
    Effect.gen(function* () {
      const { open } = yield* inFolder
      yield* TestClock.setTime(10 * day)
      yield* open(there)
      yield* TestClock.adjust(day)
      yield* (yield* open(here)).add([idOf(1)])
      yield* TestClock.adjust(day)
      assert.isFalse((yield* open(there)).has(toAll(1, 11 * day)))
    }),
  )

  it.effect("is shown and acked, and not shown twice by the process, where nothing can be kept: it says so once", () =>
    Effect.gen(function* () {
      const { path, seen } = yield* inFolder
      writeFileSync(path, "This is the text of another program. ".repeat(100), { mode: 0o600 })
      const said: Array<string> = []
      const logger = Logger.make(({ message }) => said.push(JSON.stringify(message)))
      yield* Effect.gen(function* () {
        const started = yield* start(seen)
        yield* pushed(started)
        const lease = yield* started.client.take()
        assert.deepStrictEqual(textsOf(lease.messages), ["the plan"])
        yield* lease.commit
        yield* pushed(started)
        assert.deepStrictEqual((yield* started.client.take()).messages, [])
        assert.lengthOf(acksOf(started.broker), 2)
      }).pipe(Effect.provide(Logger.layer([logger])))
      assert.lengthOf(said, 1)
      assert.include(said[0], path)
    }),
  )

  it.effect(
    "keeps its mesh from connecting, with the command that mends it, where others may read or write the file (I19)",
    () =>
      Effect.gen(function* () {
        const { open, path, seen } = yield* inFolder
        yield* (yield* open(here)).add([idOf(1)])
        chmodSync(path, 0o666)
        const { broker, client } = yield* start(seen)
        const state = yield* until(client.state, ({ _tag }) => _tag === "Waiting")
        assert.include(state._tag === "Waiting" ? state.lastError : "", `chmod 600 ${path}`)
        assert.lengthOf(broker.connections, 0)
      }),
  )

  it.effect("is nobody's business who only sends and asks: nothing is read or written", () =>
    Effect.gen(function* () {
      const { directory, seen } = yield* inFolder
      yield* startClient(() => {}, { maxInFlight: 0 }, KnownMembers.memory, seen)
      assert.isFalse(existsSync(join(directory, "state.db")))
    }),
  )
})
