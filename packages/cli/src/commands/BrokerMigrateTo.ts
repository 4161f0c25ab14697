/** `broker migrate-to`: what a broker has stored, from the embedded store to Postgres or back. Which broker, its variables say. */
import { resolve } from "node:path"
import type { Counts, Kind, NotMoved } from "@claudemesh/broker/store/transfer/Kinds"
import type { Way } from "@claudemesh/broker/store/transfer/MigrateTo"
import { Console, Effect, Redacted, Result } from "effect"
import { Argument, Command } from "effect/unstable/cli"
import { Failed, Misused } from "../Failed.ts"
import { aside, table } from "../Output.ts"
import * as runWords from "../words/running.ts"
import { json } from "./Flags.ts"

const progressRows = 50_000

/** As people call them, in their order. */
const names: ReadonlyArray<readonly [Kind, string]> = [
  ["mesh", "meshes"],
  ["member", "members"],
  ["invite", "invites"],
  ["revocation", "revocations"],
  ["moved", "moves of meshes"],
  ["session", "sessions"],
  ["channel_subscription", "sessions in channels"],
  ["accepted", "messages"],
  ["group_text", runWords.textsOfGroups],
  ["waiting", "deliveries that wait"],
  ["consumed", runWords.ackedDeliveries],
  ["journal", runWords.entriesFromBefore],
  ["audit_block", "audit blocks"],
  ["audit_checkpoint", "audit checkpoints"],
  ["audit_key", "audit keys"],
]
const namesByKind = new Map(names)

const whole = (count: number): string => count.toLocaleString("en-US")

/** Without user and password. */
const placeOf = (url: Redacted.Redacted): string => {
  const { hostname, pathname, port } = new URL(Redacted.value(url))
  return `Postgres at ${hostname}${port === "" ? "" : `:${port}`}${pathname}`
}

const isUrl = (target: string): boolean => /^postgres(ql)?:/.test(target)

const wayTo = Effect.fnUntraced(function* (target: string) {
  const { brokerConfig } = yield* Effect.promise(() => import("@claudemesh/broker/Config"))
  const { postgresTarget } = yield* Effect.promise(() => import("@claudemesh/broker/store/postgres/PostgresUrl"))
  const { database } = yield* Effect.mapError(brokerConfig, ({ message }) => new Failed({ reason: message }))
  if (database._tag === "Postgres") {
    if (isUrl(target)) {
      return yield* new Misused({ reason: runWords.bothArePostgres, hint: runWords.unsetDatabaseUrl })
    }
    const dataDir = resolve(target)
    const way: Way = { _tag: "ToSqlite", url: database.url, dataDir }
    return { way, source: placeOf(database.url), target: dataDir, next: runWords.inAFolderNow(dataDir) }
  }
  if (!isUrl(target)) return yield* new Misused({ reason: runWords.bothAreFolders, hint: runWords.copyTheFile })
  const url = Redacted.make(target)
  const read = postgresTarget(url)
  if (Result.isFailure(read)) return yield* new Misused({ reason: runWords.targetUrlIsWrong(read.failure) })
  const way: Way = { _tag: "ToPostgres", dataDir: database.dataDir, url }
  return { way, source: database.dataDir, target: placeOf(url), next: runWords.inPostgresNow }
})

const failedFor = ({ detail, why }: NotMoved): Failed => {
  switch (why) {
    case "source_missing":
      return new Failed({
        code: "source_missing",
        reason: runWords.noStoreThere(detail),
        hint: runWords.setTheDataDir,
      })
    case "source_in_use":
      return new Failed({
        code: "source_in_use",
        reason: runWords.aBrokerUses(detail),
        hint: runWords.stopTheBrokerFirst,
      })
    case "target_not_empty":
      return new Failed({
        code: "target_not_empty",
        reason: runWords.isNotEmpty(detail),
        hint: runWords.giveAnEmptyTarget,
      })
    case "source_unusable":
      return new Failed({
        code: "source_unusable",
        reason: runWords.sourceUnusable(detail),
        hint: runWords.moveAgain,
      })
    case "target_unusable":
      return new Failed({
        code: "target_unusable",
        reason: runWords.targetUnusable(detail),
        hint: runWords.moveAgain,
      })
  }
}

/** Now and then, and at the end of each kind that is there. */
const saidOnStderr = () => {
  let last = 0
  return (kind: Kind, done: number, of: number): Effect.Effect<void> => {
    if (done < last) last = 0
    if (done < of && done - last < progressRows) return Effect.void
    last = done === of ? 0 : done
    return aside(runWords.asMuchIsMoved(namesByKind.get(kind) ?? kind, whole(done), whole(of)))
  }
}

const tableOf = (counts: Counts): string =>
  table(
    ["WHAT", "ROWS"],
    names.map(([kind, name]) => [name, whole(counts[kind])]),
  )

export const migrateTo = Command.make(
  "migrate-to",
  { target: Argument.String("target").pipe(Argument.withDescription(runWords.whereTheStoreGoes)), json },
  Effect.fn(function* ({ json, target }) {
    const { migrateTo: move } = yield* Effect.promise(() => import("@claudemesh/broker/store/transfer/MigrateTo"))
    const { next, source, target: place, way } = yield* wayTo(target)
    const counts = yield* Effect.mapError(move(way, json ? () => Effect.void : saidOnStderr()), failedFor)
    if (json) return yield* Console.log(JSON.stringify({ source, target: place, rows: counts }))
    yield* Console.log(`${runWords.movedFromTo(source, place)}\n${tableOf(counts)}\n${runWords.startOnTheNewOne(next)}`)
  }),
).pipe(
  Command.withDescription(runWords.moveTheStore),
  Command.withExamples([
    { command: "claudemesh broker migrate-to postgres://user:password@host/mesh", description: runWords.toPostgres },
    { command: "claudemesh broker migrate-to /var/lib/claudemesh", description: runWords.backToAFolder },
  ]),
)
