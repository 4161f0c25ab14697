/**
 * `broker`: runs the service in this process, as `npm start` does. Its settings are its environment. `broker backup` copies what such a
 * broker has stored, while it runs or not, and `broker migrate-to` moves it to another database.
 */
import { Console, Effect } from "effect"
import { Argument, Command } from "effect/unstable/cli"
import { Failed } from "../Failed.ts"
import * as does from "../words/commands.ts"
import * as runWords from "../words/running.ts"
import { migrateTo } from "./BrokerMigrateTo.ts"

const backup = Command.make(
  "backup",
  { file: Argument.String("file").pipe(Argument.withDescription(runWords.whereTheBackupGoes)) },
  Effect.fn(function* ({ file }) {
    const { brokerConfig } = yield* Effect.promise(() => import("@claudemesh/broker/Config"))
    const { backUp } = yield* Effect.promise(() => import("@claudemesh/broker/store/sqlite/Backup"))
    const { database } = yield* Effect.mapError(brokerConfig, ({ message }) => new Failed({ reason: message }))
    if (database._tag === "Postgres") {
      return yield* new Failed({
        reason: runWords.postgresHasItsOwnBackups,
        hint: runWords.backPostgresUpWithPgDump,
      })
    }
    const copy = yield* Effect.mapError(
      backUp(database.dataDir, file),
      ({ message }) => new Failed({ reason: message }),
    )
    yield* Console.log(runWords.backedUp({ file, ...copy }))
  }),
).pipe(
  Command.withDescription(does.copyWhatTheBrokerHasStored),
  Command.withExamples([
    {
      command: "claudemesh broker backup /var/backups/mesh.sqlite",
      description: runWords.ofTheFolderThatTheBrokerUses,
    },
  ]),
)

export const broker = Command.make(
  "broker",
  {},
  Effect.fn(function* () {
    const { runBroker } = yield* Effect.promise(() => import("./RunBroker.ts"))
    return yield* runBroker
  }),
).pipe(
  Command.withDescription(does.runTheBrokerItsSettingsAreEnvironment),
  Command.withExamples([
    { command: "claudemesh broker", description: runWords.on1270017900With },
    { command: "BROKER_PORT=8080 claudemesh broker", description: "On another port" },
    { command: "claudemesh broker backup mesh.sqlite", description: runWords.copyItWhileItRuns },
  ]),
  Command.withSubcommands([backup, migrateTo]),
)
