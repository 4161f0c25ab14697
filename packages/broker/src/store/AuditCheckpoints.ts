/**
 * Signs the audit's chains: the last block of each mesh once in a while and at the end, and up to where blocks may go before any of them is
 * removed. What fails is logged, and done the next time.
 */
import { Clock, Crypto, Effect, Layer } from "effect"
import type { BrokerLimits } from "../Limits.ts"
import { type AuditKey, auditKeyOf } from "../trust/AuditKey.ts"
import { AuditStore, type ChainPlace } from "./AuditStore.ts"

const seedBytes = 32
const meshesAtOnce = 200

const newKey = Effect.gen(function* () {
  const secretKey = Buffer.from(yield* (yield* Crypto.Crypto).randomBytes(seedBytes)).toString("hex")
  return { publicKey: auditKeyOf(secretKey).publicKey, secretKey }
})

/** The one key of the store that has not handed over to another. The first start makes one. */
export const auditKey = Effect.gen(function* () {
  const store = yield* AuditStore
  const before = new Set((yield* store.rotations).map(({ key }) => key))
  const now = (yield* store.keys).find(({ publicKey }) => !before.has(publicKey))
  if (now !== undefined) return auditKeyOf(now.secretKey)
  const made = yield* newKey
  yield* store.addKey(made, yield* Clock.currentTimeMillis)
  return auditKeyOf(made.secretKey)
})

/** From now on another key signs. A broker that runs takes it with what it signs next. */
export const rotateAuditKey = Effect.gen(function* () {
  const store = yield* AuditStore
  const now = yield* auditKey
  const next = yield* newKey
  // They are told in the order of their times.
  const last = (yield* store.rotations).at(-1)?.atMillis ?? 0
  const rotation = now.handsOver(next.publicKey, Math.max(yield* Clock.currentTimeMillis, last + 1))
  yield* store.rotateKey(next, rotation)
  return rotation
})

const sign = (key: AuditKey, kind: "head" | "removed", places: ReadonlyArray<ChainPlace>) =>
  Effect.map(Clock.currentTimeMillis, (atMillis) =>
    places.map(({ hash, mesh, number, total }) => key.signed({ mesh, kind, number, hash, total, atMillis })),
  )

/** Of every mesh whose last block is not signed yet. */
export const signHeads = Effect.gen(function* () {
  const store = yield* AuditStore
  const key = yield* auditKey
  let after: string | undefined = ""
  while (after !== undefined) {
    const meshes: ReadonlyArray<string> = yield* store.meshes(after, meshesAtOnce)
    const heads = yield* store.unsignedHeads(meshes)
    if (heads.length > 0) yield* store.addCheckpoints(yield* sign(key, "head", heads))
    after = meshes.length < meshesAtOnce ? undefined : meshes.at(-1)
  }
})

/** Of a bounded number of blocks, as many as a step of retention removes. */
export const signRemovals = Effect.fnUntraced(function* (beforeMillis: number, rowsMax: number) {
  const store = yield* AuditStore
  const places = yield* store.removable(beforeMillis, rowsMax)
  if (places.length > 0) yield* store.addCheckpoints(yield* sign(yield* auditKey, "removed", places))
})

export const AuditCheckpoints = {
  layer: (limits: BrokerLimits) =>
    Layer.effectDiscard(
      Effect.gen(function* () {
        const logged = <E, R>(step: Effect.Effect<void, E, R>) =>
          Effect.catchCause(step, (cause) => Effect.logWarning("the audit was not signed", cause))
        const regularly = <E, R>(millis: number, step: Effect.Effect<void, E, R>) =>
          Effect.forkScoped(Effect.forever(Effect.andThen(Effect.sleep(millis), logged(step))))
        yield* logged(Effect.asVoid(auditKey))
        const context = yield* Effect.context<AuditStore | Crypto.Crypto>()
        yield* Effect.addFinalizer(() =>
          logged(Effect.asVoid(Effect.timeoutOption(signHeads, limits.storeCallMillis))).pipe(Effect.provide(context)),
        )
        yield* regularly(limits.auditCheckpointMillis, signHeads)
        const removals = Effect.flatMap(Clock.currentTimeMillis, (nowMillis) =>
          signRemovals(nowMillis - limits.auditRetentionMillis, limits.retentionRowsMax),
        )
        yield* regularly(limits.retentionIntervalMillis, removals)
      }),
    ),
}
