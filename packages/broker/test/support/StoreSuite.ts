/** What the suites of the store have in common: how a claim is made, and on which databases it must hold. */
import { Label, SessionId } from "@claudemesh/domain/Ids"
import { describe, it, layer } from "@effect/vitest"
import { Effect, type Layer, References } from "effect"
import { SqlClient } from "effect/unstable/sql"
import type { AuditStore } from "../../src/store/AuditStore.ts"
import { MessageStore, type PageRequest, type StoreError, Write } from "../../src/store/MessageStore.ts"
import { bob, meshId } from "./MeshScenario.ts"
import { Postgres } from "./Postgres.ts"
import { inboxOf, postgresWithTables, sqliteInAFile, sqliteInMemory, sqliteStoreOn, storeOn } from "./Stores.ts"

/** A claim that fails in any way is refuted. */
export type Claim = Effect.Effect<void, unknown, MessageStore | AuditStore | SqlClient.SqlClient>

export const sessionWrite = (tag: "SessionAttached" | "SessionDetached", name: string, atMillis: number): Write => {
  const where = { meshId, memberId: bob.memberId, session: SessionId.make(name), atMillis }
  return tag === "SessionAttached" ? Write.SessionAttached({ ...where, protocol: 2 }) : Write.SessionDetached(where)
}

export const pageOf = (changes: Partial<PageRequest> = {}) =>
  Effect.flatMap(MessageStore, (store) =>
    store.page({
      meshId,
      inbox: inboxOf(bob),
      priority: "next",
      afterSeq: 0,
      limit: 100,
      nowMillis: 2_000,
      ...changes,
    }),
  )

export const seqsOf = (changes: Partial<PageRequest> = {}) =>
  Effect.map(pageOf(changes), (rows) => rows.map(({ message }) => message.seq))

/** As the owner of such an epoch. The first that loads a mesh has 1. */
export const commitIn = (epoch: number, ...batch: ReadonlyArray<Write>) =>
  Effect.flatMap(MessageStore, (store) => store.commit(batch.map((write) => ({ write, epoch }))))

/** Whoever owns the mesh. */
export const commit = (...batch: ReadonlyArray<Write>) => commitIn(Number.MAX_SAFE_INTEGER, ...batch)

export const reasonOf = (effect: Effect.Effect<unknown, StoreError, MessageStore>) =>
  Effect.map(Effect.flip(effect), (error) => error.reason)

export const moveOf = (what: "all" | "groups", session: string, who = bob): Write =>
  Write.InboxMoved({ meshId, memberId: who.memberId, session: SessionId.make(session), what })

export const channelWrite = (tag: "ChannelJoined" | "ChannelLeft", session: string, channel: string): Write => {
  const where = { meshId, memberId: bob.memberId, session: SessionId.make(session), channel: Label.make(channel) }
  return tag === "ChannelJoined"
    ? Write.ChannelJoined({ ...where, atMillis: 1 })
    : Write.ChannelLeft({ ...where, atMillis: 2 })
}

export const tables = ["message", "delivery", "audit_log", "session"] as const

export const sizes = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const counted = yield* Effect.forEach(tables, (table) =>
    Effect.map(
      sql<{ readonly rows: number | bigint }>`SELECT count(*) AS rows FROM mesh.${sql.literal(table)}`,
      ([row]) => [table, Number(row?.rows)] as const,
    ),
  )
  return Object.fromEntries(counted)
})

export const nothing = { message: 0, delivery: 0, audit_log: 0, session: 0 }

type Fresh<R> = Layer.Layer<MessageStore | AuditStore | SqlClient.SqlClient, unknown, R>

const fresh = <R>(claim: Claim, store: Fresh<R>) =>
  claim.pipe(Effect.provide(store), Effect.provideService(References.MinimumLogLevel, "None"), Effect.orDie)

/** Holds every claim against each database. */
export const conforms = (claims: Readonly<Record<string, Claim>>): void => {
  describe("the store on SQLite in memory", () => {
    for (const [name, claim] of Object.entries(claims))
      it.effect(name, () => fresh(claim, sqliteStoreOn(sqliteInMemory)))
  })

  describe("the store on SQLite in a file", () => {
    for (const [name, claim] of Object.entries(claims)) it.live(name, () => fresh(claim, sqliteStoreOn(sqliteInAFile)))
  })

  layer(Postgres.layer, { excludeTestServices: true, timeout: "60 seconds" })("the store on Postgres", (it) => {
    for (const [name, claim] of Object.entries(claims)) it.effect(name, () => fresh(claim, storeOn(postgresWithTables)))
  })
}
