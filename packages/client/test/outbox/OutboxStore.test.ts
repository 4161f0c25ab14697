import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { ClientMessageId, MeshId, PublicKey, SessionId } from "@claudemesh/domain/Ids"
import { Target } from "@claudemesh/domain/routing/Target"
import { Base64, Nonce } from "@claudemesh/domain/Base64"
import { messageIdOf } from "@claudemesh/domain/trust/MessageIdentity"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { StateDb } from "../../src/local/StateDb.ts"
import { outboxMemberMax, outboxProblemsMax } from "../../src/Limits.ts"
import type { NewEntry, SendProblem } from "../../src/outbox/OutboxEntry.ts"
import { OutboxStore } from "../../src/outbox/OutboxStore.ts"

const meshId = MeshId.make("mesh-team")
const member = PublicKey.make("ab".repeat(32))
const of = { meshId, member }
const bob = Target.cases.Member.make({ key: PublicKey.make("cd".repeat(32)) })

const entry = (n: number, changes: Partial<NewEntry> = {}): NewEntry => {
  const id = ClientMessageId.make(`m${n}`)
  return {
    id,
    messageId: messageIdOf(meshId, member, id),
    meshId,
    member,
    sessionId: SessionId.make("laptop"),
    to: "Bob",
    frame: {
      type: "send",
      id,
      targetSpec: bob,
      priority: "next",
      nonce: Nonce.make(Buffer.alloc(24).toString("base64")),
      ciphertext: Base64.make("AAECAwQ="),
    },
    sealedAtMillis: n,
    ...changes,
  }
}

const problem = (n: number): SendProblem => ({
  messageId: entry(n).messageId,
  meshId,
  member,
  sessionId: SessionId.make("laptop"),
  to: "Bob",
  target: bob.key,
  code: "unknown_target",
  explanation: "no such member",
  atMillis: n,
})

const process = (sender: string) => ({ sender, pid: 1, host: "here" })
const [one, two] = [process("one"), process("two")]

const scenario = <A, E>(effect: Effect.Effect<A, E, OutboxStore>) => Effect.provide(effect, OutboxStore.memory)
const add = (n: number, sender = one) => Effect.flatMap(OutboxStore, (store) => store.add(entry(n), sender, false))
const ids = (entries: ReadonlyArray<{ readonly messageId: string }>) => entries.map(({ messageId }) => messageId)
const idOf = (n: number) => entry(n).messageId

describe("the outbox on disk", () => {
  it.effect("outlives its process, with all that it takes to send a message, in the order of asking", () => {
    const directory = mkdtempSync(join(tmpdir(), "outbox-"))
    const opened = Layer.fresh(OutboxStore.layer).pipe(Layer.provide(StateDb.layerIn(join(directory, "home"))))
    return Effect.gen(function* () {
      yield* Effect.provide(
        Effect.forEach([3, 1, 2], (n) => add(n)),
        opened,
      )
      const entries = yield* Effect.provide(
        Effect.flatMap(OutboxStore, (store) => store.list),
        opened,
      )
      assert.deepStrictEqual(
        entries.map(({ hasLeft: _hasLeft, seq: _seq, ...rest }) => rest),
        [3, 1, 2].map((n) => entry(n)),
      )
      assert.isTrue(entries.every(({ hasLeft }) => !hasLeft))
    }).pipe(Effect.ensuring(Effect.sync(() => rmSync(directory, { recursive: true }))))
  })

  it.effect("lets a message leave for its one sender, and be cancelled by anybody until then", () =>
    scenario(
      Effect.gen(function* () {
        const store = yield* OutboxStore
        for (const n of [1, 2, 3]) yield* add(n)
        assert.strictEqual(yield* store.cancel(idOf(2)), "cancelled")
        const asked = [1, 2].map(idOf)
        assert.deepStrictEqual([...(yield* store.leave("two", asked)).now], [])
        assert.deepStrictEqual([...(yield* store.leave("one", asked)).now], [idOf(1)])
        // Also a second time: it is sent again on each connection.
        assert.deepStrictEqual([...(yield* store.leave("one", asked)).now], [idOf(1)])
        assert.deepStrictEqual([yield* store.cancel(idOf(1)), yield* store.cancel(idOf(2))], ["left", "unknown"])
        assert.deepStrictEqual(ids(yield* store.list), [1, 3].map(idOf))
      }),
    ),
  )

  it.effect("gives to the next process what one that has ended left, and nothing of one that lives", () =>
    scenario(
      Effect.gen(function* () {
        const store = yield* OutboxStore
        for (const n of [1, 2]) yield* add(n, one)
        yield* add(3, two)
        assert.deepStrictEqual(ids(yield* store.adopt(of, [], process("three"))), [])
        yield* store.applyRetention("one")
        assert.deepStrictEqual(
          (yield* store.senders(of)).map((sender) => sender?.sender),
          [undefined, "two"],
        )
        assert.deepStrictEqual(ids(yield* store.adopt(of, [], process("three"))), [1, 2].map(idOf))
        assert.deepStrictEqual(ids(yield* store.adopt(of, ["two"], process("three"))), [idOf(3)])
        // It is one sender's at a time.
        assert.deepStrictEqual([...(yield* store.leave("two", [idOf(3)])).now], [])
        assert.deepStrictEqual([...(yield* store.leave("three", [idOf(3)])).now], [idOf(3)])
      }),
    ),
  )

  it.effect("gives nobody another member's, or another mesh's", () =>
    scenario(
      Effect.gen(function* () {
        const store = yield* OutboxStore
        yield* add(1)
        yield* store.applyRetention("one")
        const others = [
          { meshId, member: PublicKey.make("ef".repeat(32)) },
          { meshId: MeshId.make("other"), member },
        ]
        for (const other of others) {
          assert.deepStrictEqual(yield* store.adopt(other, [], two), [])
          assert.deepStrictEqual(yield* store.senders(other), [])
          assert.deepStrictEqual(yield* store.problems(other), [])
        }
      }),
    ),
  )

  it.effect("takes so many of a member and no more, over all its processes (I23)", () =>
    scenario(
      Effect.gen(function* () {
        const store = yield* OutboxStore
        for (let n = 0; n < outboxMemberMax; n++) yield* add(n, n % 2 === 0 ? one : two)
        const full = yield* Effect.flip(add(outboxMemberMax))
        assert.deepInclude(full, { _tag: "OutboxFull", of: "member", waiting: outboxMemberMax })
        yield* store.finish("one", [idOf(0)], [])
        yield* add(outboxMemberMax)
      }),
    ),
  )

  it.effect("keeps what is to be told until it was told, and only the last of much (I17)", () =>
    scenario(
      Effect.gen(function* () {
        const store = yield* OutboxStore
        yield* add(1)
        assert.deepStrictEqual([...(yield* store.finish("two", [idOf(1)], [problem(1)]))], [])
        assert.deepStrictEqual([ids(yield* store.list), yield* store.problems(of)], [[idOf(1)], []])
        assert.deepStrictEqual([...(yield* store.finish("one", [idOf(1)], [problem(1)]))], [idOf(1)])
        assert.deepStrictEqual(yield* store.list, [])
        assert.deepStrictEqual(yield* store.problems(of), [problem(1)])
        yield* store.forgetProblems([idOf(1)])
        assert.deepStrictEqual(yield* store.problems(of), [])
        for (let n = 0; n < outboxProblemsMax + 5; n++) {
          yield* add(n)
          yield* store.finish("one", [idOf(n)], [problem(n)])
        }
        const kept = yield* store.problems(of)
        assert.deepStrictEqual([kept.length, kept[0]], [outboxProblemsMax, problem(5)])
      }),
    ),
  )

  it.effect("passes by a row that is not one of ours", () =>
    Effect.gen(function* () {
      const store = yield* OutboxStore
      yield* add(1)
      yield* Effect.flatMap(StateDb, (db) => db.transaction((one) => one.run("UPDATE outbox SET frame = '{}'")))
      assert.deepStrictEqual(yield* store.list, [])
    }).pipe(Effect.provide(Layer.fresh(Layer.provideMerge(OutboxStore.layer, StateDb.memory)))),
  )
})
