/** What a broker tells of its audit: the signed head, to each client of v2, without a read or a signature for each that asks (I29). */
import * as BunCrypto from "@effect/platform-bun/BunCrypto"
import { MeshId } from "@claudemesh/domain/Ids"
import { type Checkpoint, isSignedCheckpoint } from "@claudemesh/domain/audit/Checkpoint"
import { AuditHead } from "@claudemesh/domain/wire/BrokerFrame"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Schema } from "effect"
import { TestClock } from "effect/testing"
import { AuditHeads, auditHeads } from "../../src/store/AuditHeads.ts"
import { AuditStore } from "../../src/store/AuditStore.ts"
import { MessageStore } from "../../src/store/MessageStore.ts"
import { alice as aliceRecord, bob as bobRecord, meshId, meshRecord } from "../support/MeshScenario.ts"
import { makeMesh } from "../support/Meshes.ts"
import { RawClient, sendFrame } from "../support/RawClient.ts"
import { acceptOf, messageOf, sqliteInMemory, sqliteStoreOn } from "../support/Stores.ts"
import { commit } from "../support/StoreSuite.ts"
import { withBroker } from "../support/TestBroker.ts"

const headIn = (frame: Readonly<Record<string, unknown>>) => Schema.decodeUnknownSync(AuditHead)(frame["audit"])

const asCheckpoint = (mesh: string, head: AuditHead): Checkpoint => ({ mesh, kind: "head", ...head })

describe("the head of a mesh's audit", () => {
  it.live("comes with hello_ack and with a pong where it is another one, signed by the audit key (I29)", () =>
    withBroker(
      async ({ origin, url }) => {
        const mesh = await makeMesh(origin)
        const [alice, bob] = [mesh.member("alice"), mesh.member("bob")]
        const client = await RawClient.open(url)
        client.send(await client.helloV2(alice))
        const first = headIn(await client.take("hello_ack"))
        assert.isTrue(isSignedCheckpoint(asCheckpoint(mesh.meshId, first)))
        assert.isAtLeast(first.number, 1)
        const ping = async () => {
          client.send({ type: "ping", id: "p" })
          return client.take("pong")
        }
        client.send(sendFrame("one", bob.keys.publicKey, "hello", alice.keys))
        await client.take("ack")
        // The first is asked for, the second has it.
        let pong = await ping()
        for (let n = 0; n < 50 && pong["audit"] === undefined; n++) pong = await ping()
        const second = headIn(pong)
        assert.isAbove(second.number, first.number)
        assert.isAbove(second.total, first.total)
        assert.strictEqual(second.key, first.key)
        assert.isTrue(isSignedCheckpoint(asCheckpoint(mesh.meshId, second)))
        for (let n = 0; n < 3; n++) assert.notProperty(await ping(), "audit")
        await client.close()
      },
      { limits: { auditHeadMillis: 0 } },
    ),
  )

  it.live("is not told to a client of v1, whose frames stay as they were", () =>
    withBroker(async ({ origin, url }) => {
      const mesh = await makeMesh(origin)
      const client = await RawClient.open(url)
      client.send(client.helloV1(mesh.member("alice")))
      const ack = await client.take("hello_ack")
      assert.deepStrictEqual(Object.keys(ack), ["type", "presenceId", "memberDisplayName"])
      await client.close()
    }),
  )

  it.effect("is read and signed once in its time, however many ask, and not signed again where nothing came", () =>
    Effect.gen(function* () {
      const store = yield* AuditStore
      let reads = 0
      const counted = AuditStore.of({
        ...store,
        lastBlocks: (meshes) =>
          Effect.andThen(
            Effect.sync(() => void (reads += 1)),
            store.lastBlocks(meshes),
          ),
      })
      yield* (yield* MessageStore).createMesh(meshRecord, undefined, [aliceRecord, bobRecord], 1)
      const headOf = yield* Effect.flatMap(
        Layer.build(
          auditHeads({ auditHeadMillis: 60_000 }).pipe(
            Layer.provide([Layer.succeed(AuditStore, counted), BunCrypto.layer]),
          ),
        ),
        (context) => Effect.provideContext(AuditHeads, context),
      )
      const first = yield* headOf(meshId)
      assert.strictEqual(first?.number, 1)
      for (let n = 0; n < 10; n++) assert.strictEqual(yield* headOf(meshId), first)
      assert.strictEqual(reads, 1)
      yield* commit(acceptOf(messageOf(2)))
      yield* TestClock.adjust(59_999)
      assert.strictEqual(yield* headOf(meshId), first)
      assert.strictEqual(reads, 1)
      yield* TestClock.adjust(1)
      // Who asks is not held up: the next one has it.
      assert.strictEqual(yield* headOf(meshId), first)
      yield* Effect.yieldNow
      const second = yield* headOf(meshId)
      assert.deepInclude(second, { number: 2, total: 2, atMillis: 60_000 })
      assert.strictEqual(reads, 2)
      yield* TestClock.adjust(60_000)
      yield* headOf(meshId)
      yield* Effect.yieldNow
      assert.strictEqual(yield* headOf(meshId), second)
      assert.strictEqual(reads, 3)
      assert.deepStrictEqual(yield* store.lastBlocks(["none"]), [])
      assert.isUndefined(yield* headOf(MeshId.make("none")))
    }).pipe(Effect.scoped, Effect.provide(Layer.merge(sqliteStoreOn(sqliteInMemory), BunCrypto.layer))),
  )
})
