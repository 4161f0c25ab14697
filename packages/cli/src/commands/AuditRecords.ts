/** Where the records of an audit come from, for `audit`: the store of the broker whose variables are set here, or the file of an export. */
import { createReadStream } from "node:fs"
import type { AuditStore } from "@claudemesh/broker/store/AuditStore"
import { type AuditRecord, parseRecord } from "@claudemesh/domain/audit/AuditRecord"
import { systemWords } from "@claudemesh/domain/SystemWords"
import { Effect } from "effect"
import { Failed } from "../Failed.ts"
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
