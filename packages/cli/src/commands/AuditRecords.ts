/** Where the records of an audit come from, for `audit`: the store of the broker whose variables are set here, or the file of an export. */
import { createReadStream, statSync } from "node:fs"
import type { AuditStore } from "@claudemesh/broker/store/AuditStore"
import { type AuditRecord, parseRecord } from "@claudemesh/domain/audit/AuditRecord"
import { systemWords } from "@claudemesh/domain/SystemWords"
import { Clock, Effect, Predicate } from "effect"
import { Failed } from "../Failed.ts"
import { aside } from "../Output.ts"
import * as auditWords from "../words/audit.ts"

/** With the audit of this machine's broker. */
export const ofTheStore = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const { brokerConfig } = yield* Effect.promise(() => import("@claudemesh/broker/Config"))
    const { auditSource } = yield* Effect.promise(() => import("@claudemesh/broker/store/AuditSource"))
    const { database } = yield* Effect.mapError(brokerConfig, ({ message }) => new Failed({ reason: message }))
    return yield* Effect.provide(effect, auditSource(database))
  })

/** With the audit of this machine's broker, to write to it. */
export const inTheStore = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const { brokerConfig } = yield* Effect.promise(() => import("@claudemesh/broker/Config"))
    const { auditStoreOf } = yield* Effect.promise(() => import("@claudemesh/broker/store/AuditSource"))
    const { database } = yield* Effect.mapError(brokerConfig, ({ message }) => new Failed({ reason: message }))
    return yield* Effect.provide(effect, auditStoreOf(database))
  })

/** Between two looks. */
const lookEveryMillis = 1_000
/** A copy may take so much of the time, and no more. */
const copyShare = 0.1

/**
 * Looks once and then over and over. On Postgres by one connection, and no transaction is open meanwhile. The embedded store is copied anew where
 * something was written since: the larger it is, the more seldom. A look that fails is said, and tried again.
 */
export const overAndOver = <E1, R1, E2 extends { readonly message: string }, R2>(
  first: Effect.Effect<void, E1, R1>,
  more: Effect.Effect<void, E2, R2>,
) =>
  Effect.gen(function* () {
    const { brokerConfig } = yield* Effect.promise(() => import("@claudemesh/broker/Config"))
    const { auditSource } = yield* Effect.promise(() => import("@claudemesh/broker/store/AuditSource"))
    const { database } = yield* Effect.mapError(brokerConfig, ({ message }) => new Failed({ reason: message }))
    if (database._tag === "Postgres") {
      const again = Effect.andThen(Effect.sleep(lookEveryMillis), triedAgain(more))
      return yield* Effect.provide(Effect.andThen(first, Effect.forever(again)), auditSource(database))
    }
    let written = stampOf(database.dataDir)
    yield* Effect.provide(first, auditSource(database))
    while (true) {
      const begun = yield* Clock.currentTimeMillis
      yield* Effect.sleep(lookEveryMillis)
      const now = stampOf(database.dataDir)
      if (now === written) continue
      written = now
      const looked = yield* Clock.currentTimeMillis
      yield* triedAgain(Effect.provide(more, auditSource(database)))
      const took = (yield* Clock.currentTimeMillis) - looked
      yield* Effect.sleep(Math.max(0, took / copyShare - (looked - begun)))
    }
  })

/** Whoever reads what is printed has gone: that is the end of it. */
const triedAgain = <E extends { readonly message: string }, R>(look: Effect.Effect<void, E, R>) =>
  Effect.catchIf(
    look,
    (error) => !Predicate.isTagged(error, "ReaderGone") && !Predicate.isTagged(error, "StdoutFailed"),
    ({ message }) => aside(auditWords.cannotBeReadNow(message)),
  )

/** Which changes with each commit. */
const stampOf = (dataDir: string): string =>
  ["broker.sqlite", "broker.sqlite-wal"]
    .map((name) => statSync(`${dataDir}/${name}`, { throwIfNoEntry: false }))
    .map((file) => `${file?.size} ${file?.mtimeMs} ${file?.ino}`)
    .join(" ")

export type Take<E, R> = (page: ReadonlyArray<AuditRecord>) => Effect.Effect<void, E, R>

export const pagesOfStore = <E, R>(mesh: string | undefined, take: Take<E, R>) =>
  Effect.gen(function* () {
    const { eachPage } = yield* Effect.promise(() => import("@claudemesh/broker/store/AuditExport"))
    yield* eachPage(mesh, take)
  }) satisfies Effect.Effect<void, unknown, R | AuditStore>

const linesAtOnce = 1_000
/** No block is nearly as long: a commit has a bounded number of events. */
const lineCharactersMax = 16 * 1024 * 1024

/** A line that has no end is given as it is once it is longer than any record. */
async function* linesOf(file: string): AsyncGenerator<ReadonlyArray<string>, undefined> {
  let rest = ""
  let lines: Array<string> = []
  for await (const chunk of createReadStream(file, "utf8")) {
    const parts = `${rest}${String(chunk)}`.split("\n")
    rest = parts.pop() ?? ""
    lines.push(...parts)
    if (rest.length > lineCharactersMax) lines.push(rest)
    if (lines.length >= linesAtOnce || rest.length > lineCharactersMax) {
      yield lines
      lines = []
    }
  }
  if (rest !== "") lines.push(rest)
  yield lines
}

export const pagesOfFile = Effect.fnUntraced(function* <E, R>(file: string, take: Take<E, R>) {
  const pages = linesOf(file)
  let before = 0
  while (true) {
    const { done, value: lines } = yield* Effect.tryPromise({
      try: () => pages.next(),
      catch: (cause) => new Failed({ reason: auditWords.cannotBeRead(file, systemWords(cause)) }),
    })
    if (done === true || lines === undefined) return
    const records: Array<AuditRecord> = []
    for (const [index, line] of lines.entries()) {
      const record = parseRecord(line)
      if (record === undefined) return yield* new Failed({ reason: auditWords.isNotARecord(file, before + index + 1) })
      records.push(record)
    }
    before += lines.length
    yield* take(records)
  }
})
