/** One machine keeps the head of its broker's audit: what does not go on from it is said once, with what it may be, and the mesh goes on. */
import { checkpointStatement } from "@claudemesh/domain/audit/Checkpoint"
import { rotationStatement } from "@claudemesh/domain/audit/KeyRotation"
import { MeshId } from "@claudemesh/domain/Ids"
import type { AuditHead } from "@claudemesh/domain/wire/BrokerFrame"
import { assert, layer } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { TestClock } from "effect/testing"
import { keysOf as auditKeysOf, sign } from "../../../domain/test/support/Trust.ts"
import { StateDb } from "../../src/local/StateDb.ts"
import { auditFindingsMax } from "../../src/Limits.ts"
import { KeptHeads } from "../../src/trust/KeptHeads.ts"
import { startClient } from "../support/Clients.ts"
import { type FakeBroker, settle, testLayer } from "../support/FakeBroker.ts"
import { hello } from "../support/Malice.ts"

const mesh = "mesh-team"
const brokerUrl = "wss://team.example.com/ws"
const first = auditKeysOf("audit")
const second = auditKeysOf("audit, rotated")

const headOf = (number: number, chain = "a", atMillis = number * 1_000, by = first): AuditHead => {
  const unsigned = { number, hash: chain.repeat(64), total: number, atMillis, key: by.key }
  return { ...unsigned, signature: sign(checkpointStatement({ mesh, kind: "head", ...unsigned }), by) }
}

const handedOver = (from = first, to = second) => {
  const unsigned = { key: from.key, next: to.key, atMillis: 1 }
  return { ...unsigned, signature: sign(rotationStatement(unsigned), from) }
}

/** What processes of one machine share. */
const machine = Effect.map(
  Layer.build(Layer.fresh(Layer.provide(KeptHeads.layer, StateDb.memory))),
  Layer.succeedContext,
)

const begin = (heads: Layer.Layer<KeptHeads>, audit: AuditHead | undefined, transient = false) =>
  startClient(
    (broker) => (broker.audit = audit),
    transient ? { transient } : {},
    undefined,
    undefined,
    undefined,
    heads,
  )

const pinged = (broker: FakeBroker, audit: AuditHead) =>
  Effect.andThen(
    Effect.sync(() => (broker.audit = audit)),
    Effect.andThen(TestClock.adjust("30 seconds"), settle),
  )

layer(testLayer)("the head of a broker's audit", (it) => {
  it.effect("is kept as it grows, by whichever process hears of it", () =>
    Effect.gen(function* () {
      const heads = yield* machine
      const { broker, client } = yield* begin(heads, headOf(3))
      const kept = Effect.map(
        Effect.provide(
          Effect.flatMap(KeptHeads, ({ read }) => read(MeshId.make(mesh), brokerUrl)),
          heads,
        ),
        ({ findings, head }) => [head?.number, findings.length],
      )
      assert.deepStrictEqual(yield* kept, [3, 0])
      yield* pinged(broker, headOf(5, "b"))
      assert.deepStrictEqual(yield* kept, [5, 0])
      yield* begin(heads, headOf(9, "c"))
      yield* begin(heads, undefined)
      // It was signed before, and comes late.
      yield* pinged(broker, headOf(6, "d"))
      assert.deepStrictEqual(yield* kept, [9, 0])
      assert.deepStrictEqual(yield* client.alarms, [])
    }),
  )

  it.effect("says once that history was cut back, and goes on from there", () =>
    Effect.gen(function* () {
      const heads = yield* machine
      const { broker, client } = yield* begin(heads, headOf(7))
      yield* pinged(broker, headOf(4, "b", 90_000))
      yield* pinged(broker, headOf(4, "b", 90_000))
      yield* pinged(broker, headOf(5, "c", 95_000))
      assert.deepStrictEqual(yield* client.alarms, [
        "the broker's record was cut back: it had signed block 7 on 1970-01-01T00:00:07.000Z, and now says that block 4 is the last. What was recorded behind that is gone; a backup restored by its operator looks the same",
      ])
      assert.isFalse((yield* client.send({ ...hello, to: "Bob" })).duplicate)
      const again = yield* begin(heads, headOf(5, "c", 95_000))
      assert.deepStrictEqual(yield* again.client.alarms, [])
    }),
  )

  it.effect("says that history was rewritten, that it is not signed, and that another key signs it", () =>
    Effect.gen(function* () {
      const cases: ReadonlyArray<readonly [AuditHead, RegExp]> = [
        [
          headOf(7, "b"),
          /^the broker's record was rewritten: it had signed block 7 .* now has another block 7\. A backup/,
        ],
        [{ ...headOf(8), number: 9 }, /^the broker's word on its record is not signed by the audit key that it names/],
        [headOf(8, "b", 9_000, second), /^the broker signs its record with another audit key \([0-9a-f]{16}\) than/],
      ]
      for (const [told, words] of cases) {
        const { broker, client } = yield* begin(yield* machine, headOf(7))
        yield* pinged(broker, told)
        const alarms = yield* client.alarms
        assert.strictEqual(alarms.length, 1)
        assert.match(alarms[0] ?? "", words)
      }
    }),
  )

  it.effect("follows a key that was rotated, by the word of the one that it knows", () =>
    Effect.gen(function* () {
      const heads = yield* machine
      const { broker, client } = yield* begin(heads, headOf(7))
      yield* pinged(broker, { ...headOf(8, "b", 9_000, second), rotations: [handedOver()] })
      yield* pinged(broker, headOf(9, "c", 9_500, second))
      assert.deepStrictEqual(yield* client.alarms, [])
      yield* pinged(broker, headOf(10, "d", 9_900, first))
      assert.match((yield* client.alarms)[0] ?? "", /another audit key/)
    }),
  )

  it.effect("that a command found wrong is told by the next agent, and by one alone", () =>
    Effect.gen(function* () {
      const heads = yield* machine
      yield* begin(heads, headOf(7))
      const command = yield* begin(heads, headOf(4, "b", 90_000), true)
      const agents = [yield* begin(heads, headOf(4, "b", 90_000)), yield* begin(heads, headOf(4, "b", 90_000))]
      const counts = yield* Effect.forEach([command, ...agents], ({ client }) =>
        Effect.map(client.alarms, (alarms) => alarms.length),
      )
      assert.deepStrictEqual(counts, [1, 1, 0])
    }),
  )

  it.effect("is of the broker that told it: where the owner has moved the mesh to, another chain begins", () =>
    Effect.gen(function* () {
      const heads = yield* machine
      yield* begin(heads, headOf(7))
      const learnt = yield* Effect.provide(
        Effect.flatMap(KeptHeads, ({ learn, read }) =>
          Effect.gen(function* () {
            const head = { mesh, kind: "head" as const, ...headOf(1, "b", 90_000, second) }
            const found = yield* learn("wss://elsewhere.example.com/ws", head, [], 1, true)
            const there = yield* read(MeshId.make(mesh), "wss://elsewhere.example.com/ws")
            const here = yield* read(MeshId.make(mesh), brokerUrl)
            return [found, there.head?.number, here.head?.number]
          }),
        ),
        heads,
      )
      assert.deepStrictEqual(learnt, [undefined, 1, 7])
    }),
  )

  it.effect("that a broker makes up over and over fills no disk", () =>
    Effect.gen(function* () {
      const heads = yield* machine
      const { broker } = yield* begin(heads, headOf(1))
      for (let n = 1; n <= auditFindingsMax + 5; n++) {
        yield* pinged(broker, headOf(500, n % 2 === 0 ? "b" : "c", n * 1_000))
        yield* pinged(broker, headOf(500 - n, "d", 900_000 + n))
      }
      const { findings } = yield* Effect.provide(
        Effect.flatMap(KeptHeads, ({ read }) => read(MeshId.make(mesh), brokerUrl)),
        heads,
      )
      assert.strictEqual(findings.length, auditFindingsMax)
      assert.strictEqual(findings[0]?.told.mesh, mesh)
    }),
  )
})
