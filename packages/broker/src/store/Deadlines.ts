/**
 * No call of the store waits for ever. Each has a time, at whose end its caller hears `unavailable` and what was
 * begun is interrupted behind its back: a transaction that is not being committed yet is rolled back. One that is
 * being committed may still take effect, so its outcome is not known. The database has a shorter time for each
 * statement, and its socket for each silence, so what was given up does not go on holding a connection.
 */
import { Context, Effect, Fiber, Option } from "effect"
import type { BrokerLimits } from "../Limits.ts"
import { AuditStore } from "./AuditStore.ts"
import { MessageStore, StoreError } from "./MessageStore.ts"

/** How long one statement of the call that runs it may take. */
export const StatementMillis = Context.Reference<number>("@claudemesh/broker/store/StatementMillis", {
  defaultValue: () => 4_000,
})

/** Of the time of a call. */
const statementShare = 0.8

type DeadlineLimits = Pick<BrokerLimits, "storeCallMillis" | "storeLoadMillis">

export const withDeadlines = (
  store: MessageStore["Service"],
  { storeCallMillis, storeLoadMillis }: DeadlineLimits,
): MessageStore["Service"] => {
  const soon = within(storeCallMillis)
  return MessageStore.of({
    commit: (batch) => soon(store.commit(batch)),
    meshExists: (meshId) => soon(store.meshExists(meshId)),
    // It counts all that waits in a mesh.
    loadMesh: (meshId) => within(storeLoadMillis)(store.loadMesh(meshId)),
    page: (request) => soon(store.page(request)),
    backlog: (meshId, inboxes, nowMillis) => soon(store.backlog(meshId, inboxes, nowMillis)),
    countWaiting: (meshId, inboxes, except, nowMillis) => soon(store.countWaiting(meshId, inboxes, except, nowMillis)),
    deliveryReportOf: (meshId, messageId) => soon(store.deliveryReportOf(meshId, messageId)),
    applyRetention: (retention, rowsMax, nowMillis) => soon(store.applyRetention(retention, rowsMax, nowMillis)),
    createMesh: (mesh, invite, members, nowMillis) => soon(store.createMesh(mesh, invite, members, nowMillis)),
    ping: soon(store.ping),
    probe: soon(store.probe),
  })
}

export const withAuditDeadlines = (
  store: AuditStore["Service"],
  { storeCallMillis }: Pick<DeadlineLimits, "storeCallMillis">,
): AuditStore["Service"] => {
  const soon = within(storeCallMillis)
  return AuditStore.of({
    keys: soon(store.keys),
    addKey: (key, nowMillis) => soon(store.addKey(key, nowMillis)),
    rotations: soon(store.rotations),
    rotateKey: (key, rotation) => soon(store.rotateKey(key, rotation)),
    meshes: (after, limit) => soon(store.meshes(after, limit)),
    lastBlocks: (meshes) => soon(store.lastBlocks(meshes)),
    unsignedHeads: (meshes) => soon(store.unsignedHeads(meshes)),
    removable: (beforeMillis, rowsMax) => soon(store.removable(beforeMillis, rowsMax)),
    addCheckpoints: (checkpoints) => soon(store.addCheckpoints(checkpoints)),
    checkpoints: (mesh) => soon(store.checkpoints(mesh)),
    blocks: (mesh, after, limit) => soon(store.blocks(mesh, after, limit)),
  })
}

/** The caller may be interrupted at once, whatever the call waits for: a broker that stops does not wait for a database. */
const within =
  (millis: number) =>
  <A>(call: Effect.Effect<A, StoreError>): Effect.Effect<A, StoreError> =>
    Effect.uninterruptibleMask(() =>
      Effect.gen(function* () {
        const timed = Effect.provideService(call, StatementMillis, millis * statementShare)
        const fiber = yield* Effect.forkDetach(timed, { startImmediately: true })
        const giveUp = Effect.sync(() => fiber.interruptUnsafe())
        const ended = yield* Effect.interruptible(Effect.timeoutOption(Fiber.await(fiber), millis)).pipe(
          Effect.onInterrupt(() => giveUp),
        )
        if (Option.isSome(ended)) return yield* ended.value
        yield* giveUp
        return yield* new StoreError({ reason: "unavailable", cause: `the store did not answer in ${millis} ms` })
      }),
    )
