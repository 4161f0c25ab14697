/**
 * The signed head of each mesh's audit, for clients to keep. It is read from the store and signed when somebody asks and the last one is old, so
 * that a hello or a ping costs neither a read nor a signature, and a commit costs nothing of it. A head is a checkpoint that is not written down.
 */
import type { MeshId } from "@claudemesh/domain/Ids"
import type { Checkpoint } from "@claudemesh/domain/audit/Checkpoint"
import type { AuditHead } from "@claudemesh/domain/wire/BrokerFrame"
import { Clock, Context, Crypto, Effect, Fiber, Layer, Semaphore } from "effect"
import type { BrokerLimits } from "../Limits.ts"
import { auditKey } from "./AuditCheckpoints.ts"
import { AuditStore } from "./AuditStore.ts"

/** The very same object until something new is signed. Undefined where there is none, or it cannot be had now. */
export type HeadOf = (meshId: MeshId) => Effect.Effect<AuditHead | undefined>

interface Entry {
  head: AuditHead | undefined
  /** When it was read. */
  atMillis: number
  reading: Fiber.Fiber<void> | undefined
}

/** Read at once: many meshes come back together, and their messages come first. */
const readsMax = 2
const meshesMax = 20_000
/** Who says hello waits no longer for the first of a mesh. */
const firstWaitMillis = 1_000
/** Nobody rotates a key so often, and each is in every head. */
const rotationsToldMax = 16

type HeadLimits = Pick<BrokerLimits, "auditHeadMillis">

const make = Effect.fnUntraced(function* ({ auditHeadMillis }: HeadLimits) {
  const store = yield* AuditStore
  const crypto = yield* Crypto.Crypto
  const scope = yield* Effect.scope
  const turns = yield* Semaphore.make(readsMax)
  const entries = new Map<MeshId, Entry>()

  const signed = Effect.fnUntraced(function* (mesh: MeshId, before: AuditHead | undefined) {
    const [place] = yield* store.lastBlocks([mesh])
    if (place === undefined) return undefined
    const key = yield* auditKey
    const { hash, number, total } = place
    if (before?.number === number && before.hash === hash && before.key === key.publicKey) return before
    // Nobody is to see an older time with a newer block, whatever became of the clock.
    const atMillis = Math.max(yield* Clock.currentTimeMillis, before?.atMillis ?? 0)
    const rotations = (yield* store.rotations).slice(-rotationsToldMax)
    return {
      ...headOf(key.signed({ mesh, kind: "head", number, hash, total, atMillis })),
      ...(rotations.length > 0 && { rotations }),
    }
  })

  const read = (mesh: MeshId, entry: Entry) =>
    signed(mesh, entry.head).pipe(
      Semaphore.withPermit(turns),
      Effect.map((head) => void (entry.head = head)),
      Effect.catchCause((cause) => Effect.logWarning("the head of an audit was not read", cause)),
      Effect.ensuring(Effect.sync(() => void (entry.reading = undefined))),
      Effect.provideService(AuditStore, store),
      Effect.provideService(Crypto.Crypto, crypto),
    )

  const entryOf = (mesh: MeshId): Entry => {
    const known = entries.get(mesh)
    if (known !== undefined) return known
    if (entries.size >= meshesMax) entries.clear()
    const made: Entry = { head: undefined, atMillis: Number.NEGATIVE_INFINITY, reading: undefined }
    entries.set(mesh, made)
    return made
  }

  const headOfMesh: HeadOf = Effect.fnUntraced(function* (mesh) {
    const entry = entryOf(mesh)
    const nowMillis = yield* Clock.currentTimeMillis
    const isFirst = entry.atMillis === Number.NEGATIVE_INFINITY
    if (entry.reading === undefined && Math.abs(nowMillis - entry.atMillis) >= auditHeadMillis) {
      entry.atMillis = nowMillis
      entry.reading = yield* Effect.forkIn(read(mesh, entry), scope)
    }
    const isWanted = isFirst || entry.head === undefined
    if (isWanted && entry.reading !== undefined)
      yield* Effect.timeoutOption(Fiber.await(entry.reading), firstWaitMillis)
    return entry.head
  })
  return headOfMesh
})

const headOf = ({ atMillis, hash, key, number, signature, total }: Checkpoint): AuditHead => ({
  number,
  hash,
  total,
  atMillis,
  key,
  signature,
})

/** Where no layer gives it nobody is told of a head. */
export const AuditHeads = Context.Reference<HeadOf>("@claudemesh/broker/store/AuditHeads", {
  defaultValue: () => () => Effect.undefined,
})

export const auditHeads = (limits: HeadLimits) => Layer.effect(AuditHeads, make(limits))
