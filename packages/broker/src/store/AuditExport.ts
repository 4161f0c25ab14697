/** The audit as records, in the order in which they can be checked one by one: what was signed as removed, then blocks with the checkpoints of each. */
import type { AuditBlock } from "@claudemesh/domain/audit/AuditBlock"
import type { AuditRecord } from "@claudemesh/domain/audit/AuditRecord"
import { Effect } from "effect"
import { AuditStore } from "./AuditStore.ts"

const blocksAtOnce = 1_000
const meshesAtOnce = 1_000

/** Of all meshes, or of one, in pages of a bounded size. */
export const eachPage = Effect.fnUntraced(function* <E, R>(
  mesh: string | undefined,
  take: (page: ReadonlyArray<AuditRecord>) => Effect.Effect<void, E, R>,
) {
  const store = yield* AuditStore
  yield* take([
    ...(yield* store.keys).map(({ publicKey }) => ({ type: "key", key: publicKey }) as const),
    ...(yield* store.rotations).map((one) => ({ type: "rotation", ...one }) as const),
  ])
  if (mesh !== undefined) return yield* pagesOf(mesh, take)
  let after: string | undefined = ""
  while (after !== undefined) {
    const meshes: ReadonlyArray<string> = yield* store.meshes(after, meshesAtOnce)
    for (const one of meshes) yield* pagesOf(one, take)
    after = meshes.length < meshesAtOnce ? undefined : meshes.at(-1)
  }
})

/** Of all meshes, or of one, those behind the numbers that were seen. */
export const newBlocks = Effect.fnUntraced(function* (mesh: string | undefined, seen: ReadonlyMap<string, number>) {
  const store = yield* AuditStore
  const found: Array<AuditBlock> = []
  let after: string | undefined = ""
  while (after !== undefined) {
    const meshes: ReadonlyArray<string> = mesh === undefined ? yield* store.meshes(after, meshesAtOnce) : [mesh]
    for (const last of yield* store.lastBlocks(meshes)) {
      let number = seen.get(last.mesh) ?? 0
      while (number < last.number) {
        const blocks = yield* store.blocks(last.mesh, number, blocksAtOnce)
        found.push(...blocks.map(({ block }) => block))
        number = blocks.length < blocksAtOnce ? last.number : (blocks.at(-1)?.cursor ?? last.number)
      }
    }
    after = mesh !== undefined || meshes.length < meshesAtOnce ? undefined : meshes.at(-1)
  }
  return found
})

const pagesOf = Effect.fnUntraced(function* <E, R>(
  mesh: string,
  take: (page: ReadonlyArray<AuditRecord>) => Effect.Effect<void, E, R>,
) {
  const store = yield* AuditStore
  // Before what was signed is read: what goes meanwhile was signed, too.
  let blocks = yield* store.blocks(mesh, 0, blocksAtOnce)
  const checkpoints = (yield* store.checkpoints(mesh)).map((one): AuditRecord & { readonly type: "checkpoint" } => ({
    type: "checkpoint",
    ...one,
  }))
  yield* take(checkpoints.filter(({ kind }) => kind === "removed"))
  const heads = checkpoints.filter(({ kind }) => kind === "head")
  let next = 0
  let after = 0
  while (blocks.length > 0) {
    const page: Array<AuditRecord> = []
    // In the embedded store a commit that took effect after a later one lies before it.
    for (const { block } of blocks.toSorted((one, other) => one.block.number - other.block.number)) {
      page.push({ type: "block", ...block })
      for (let head = heads[next]; head !== undefined && head.number <= block.number; head = heads[next]) {
        page.push(head)
        next += 1
      }
    }
    yield* take(page)
    after = blocks.at(-1)?.cursor ?? after
    blocks = blocks.length < blocksAtOnce ? [] : yield* store.blocks(mesh, after, blocksAtOnce)
  }
  // Of blocks that are not there.
  yield* take(heads.slice(next))
})
