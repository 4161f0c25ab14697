/** The audit is signed by itself: in its interval, when the broker ends, and before anything may go (I29). */
import * as BunCrypto from "@effect/platform-bun/BunCrypto"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Layer, Logger, Scope } from "effect"
import { TestClock } from "effect/testing"
import { isSignedCheckpoint } from "@claudemesh/domain/audit/Checkpoint"
import { brokerConfigOf } from "../src/Config.ts"
import { type BrokerLimits, brokerLimits } from "../src/Limits.ts"
import { AuditCheckpoints } from "../src/store/AuditCheckpoints.ts"
import { AuditStore } from "../src/store/AuditStore.ts"
import { MessageStore, StoreError } from "../src/store/MessageStore.ts"
import { alice, bob, meshId, meshRecord } from "./support/MeshScenario.ts"
import { acceptOf, messageOf, sqliteInMemory, sqliteStoreOn } from "./support/Stores.ts"
import { commit } from "./support/StoreSuite.ts"

const checkpoints = Effect.flatMap(AuditStore, (store) => store.checkpoints(meshId))
const signed = Effect.map(checkpoints, (all) => all.map(({ atMillis, kind, number }) => [kind, number, atMillis]))

const madeMesh = Effect.flatMap(MessageStore, (store) => store.createMesh(meshRecord, undefined, [alice, bob], 1))

/** A year of sweeps is many: this one sweeps once a day. */
const limits = { ...brokerLimits, retentionIntervalMillis: 86_400_000 }

const begunWith = Effect.fnUntraced(function* (limits: BrokerLimits) {
  const scope = yield* Scope.make()
  yield* Scope.provide(Layer.build(Layer.provide(AuditCheckpoints.layer(limits), BunCrypto.layer)), scope)
  return scope
})
const begun = begunWith(limits)

const hour = 3_600_000

describe("the audit's checkpoints", () => {
  it.effect("are made as often as BROKER_AUDIT_CHECKPOINT_MINUTES says (I29)", () =>
    Effect.gen(function* () {
      yield* madeMesh
      const config = yield* brokerConfigOf({ BROKER_AUDIT_CHECKPOINT_MINUTES: "5" })
      const scope = yield* begunWith({ ...config.limits, retentionIntervalMillis: 86_400_000 })
      yield* TestClock.adjust("299 seconds")
      assert.deepStrictEqual(yield* signed, [])
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(yield* signed, [["head", 1, 300_000]])
      yield* Scope.close(scope, Exit.void)
    }).pipe(Effect.provide(sqliteStoreOn(sqliteInMemory)), Effect.orDie),
  )

  it.effect("are made once an hour where something was recorded, and at the end (I29)", () =>
    Effect.gen(function* () {
      yield* madeMesh
      const scope = yield* begun
      const [key] = yield* (yield* AuditStore).keys
      yield* TestClock.adjust(hour - 1)
      assert.deepStrictEqual(yield* signed, [])
      yield* TestClock.adjust(1)
      assert.deepStrictEqual(yield* signed, [["head", 1, hour]])
      yield* TestClock.adjust(5 * hour)
      assert.deepStrictEqual(yield* signed, [["head", 1, hour]])
      yield* commit(acceptOf(messageOf(2)))
      yield* TestClock.adjust(hour)
      yield* commit(acceptOf(messageOf(3)))
      yield* Scope.close(scope, Exit.void)
      assert.deepStrictEqual(yield* signed, [
        ["head", 1, hour],
        ["head", 2, 7 * hour],
        ["head", 3, 7 * hour],
      ])
      for (const one of yield* checkpoints) {
        assert.isTrue(isSignedCheckpoint(one))
        assert.strictEqual(one.key, key?.publicKey)
      }
      // The next one signs with the same key.
      yield* Scope.close(yield* begun, Exit.void)
      assert.deepStrictEqual(
        (yield* (yield* AuditStore).keys).map(({ publicKey }) => publicKey),
        [key?.publicKey],
      )
    }).pipe(Effect.provide(sqliteStoreOn(sqliteInMemory)), Effect.orDie),
  )

  it.effect("say up to where blocks may go, a year after they were written (I17, I29)", () =>
    Effect.gen(function* () {
      yield* madeMesh
      for (const seq of [2, 3]) yield* commit(acceptOf(messageOf(seq)))
      const scope = yield* begun
      yield* TestClock.adjust(limits.auditRetentionMillis)
      assert.notInclude(
        (yield* checkpoints).map(({ kind }) => kind),
        "removed",
      )
      yield* TestClock.adjust(limits.retentionIntervalMillis)
      assert.deepStrictEqual(
        (yield* checkpoints).filter(({ kind }) => kind === "removed").map(({ number }) => number),
        [2],
      )
      yield* Scope.close(scope, Exit.void)
    }).pipe(Effect.provide(sqliteStoreOn(sqliteInMemory)), Effect.orDie),
  )

  it.effect("that fail are logged, and made the next time", () =>
    Effect.gen(function* () {
      yield* madeMesh
      const store = yield* AuditStore
      const away = Effect.fail(new StoreError({ reason: "unavailable", cause: "away" }))
      let isAway = true
      const sometimes = AuditStore.of({ ...store, keys: Effect.suspend(() => (isAway ? away : store.keys)) })
      const logged: Array<unknown> = []
      const scope = yield* begun.pipe(
        Effect.provideService(AuditStore, sometimes),
        Effect.provide(Logger.layer([Logger.make(({ message }) => void logged.push(message))])),
      )
      yield* TestClock.adjust(hour)
      assert.deepStrictEqual(yield* signed, [])
      assert.isAtLeast(logged.length, 2)
      isAway = false
      yield* TestClock.adjust(hour)
      assert.deepStrictEqual(yield* signed, [["head", 1, 2 * hour]])
      yield* Scope.close(scope, Exit.void)
    }).pipe(Effect.provide(sqliteStoreOn(sqliteInMemory)), Effect.orDie),
  )
})
