/** The audit of the test's mesh as it is stored, on whichever database, and what a check of it says. */
import { AuditCheck, type AuditRecord } from "@claudemesh/domain/audit/AuditRecord"
import type { Checkpoint } from "@claudemesh/domain/audit/Checkpoint"
import * as BunCrypto from "@effect/platform-bun/BunCrypto"
import { assert } from "@effect/vitest"
import { Effect } from "effect"
import { auditKey } from "../../src/store/AuditCheckpoints.ts"
import { eachPage } from "../../src/store/AuditExport.ts"
import { MessageStore } from "../../src/store/MessageStore.ts"
import { alice, bob, meshId, meshRecord } from "./MeshScenario.ts"

export const signed = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.provide(effect, BunCrypto.layer)

export const madeMesh = Effect.flatMap(MessageStore, (store) =>
  store.createMesh(meshRecord, undefined, [alice, bob], 1),
)

export const records = Effect.gen(function* () {
  const all: Array<AuditRecord> = []
  yield* eachPage(undefined, (page) => Effect.sync(() => void all.push(...page)))
  return all
})

export const blocks = Effect.map(records, (all) => all.filter((one) => one.type === "block"))

/** What is stored, with the key and the checkpoints that somebody kept elsewhere. */
export const checked = Effect.fnUntraced(function* (kept: ReadonlyArray<Checkpoint> = []) {
  const { publicKey } = yield* signed(auditKey)
  const check = new AuditCheck({ keys: new Set([publicKey]), isPart: false })
  for (const one of kept) check.take({ type: "checkpoint", ...one })
  for (const one of yield* records) check.take(one)
  return check.end().get(meshId) ?? assert.fail("the mesh has no audit")
})
