/**
 * Running the broker as a process: configuration from the environment, a few lines that say where it listens,
 * where its data is and what to do next, logs to stderr (pretty in a terminal, JSON elsewhere), and an end that is clean on SIGTERM.
 */
import { wantsColours } from "@claudemesh/domain/Colours"
import * as BunRuntime from "@effect/platform-bun/BunRuntime"
import { Cause, Console, Effect, Exit, Layer, Logger, Option, Predicate, References, Schema } from "effect"
import type { SqlError } from "effect/unstable/sql"
import { Broker } from "./Broker.ts"
import { type BrokerConfig, brokerConfig, isLoopback, strayVariables } from "./Config.ts"
import { Server } from "./http/Server.ts"

/** What keeps the broker from starting, as one line for the operator. */
export class CannotStart extends Schema.TaggedError<CannotStart>()("CannotStart", { reason: Schema.String }) {
  override get message() {
    return this.reason
  }
}

const banner = (config: BrokerConfig, port: number, command: string): string => {
  // No client can dial the address that means all of them.
  const isAll = ["0.0.0.0", "::"].includes(config.host)
  const named = isAll ? "127.0.0.1" : config.host
  const host = named.includes(":") ? `[${named}]` : named
  const data = config.database._tag === "Postgres" ? "Postgres (DATABASE_URL)" : config.database.dataDir
  const s = Option.isSome(config.tls) ? "s" : ""
  const url = `ws${s}://${host}:${port}/ws`
  const dialled = config.publicOrigins[0] ?? "wss://your-host"
  const next = isLoopback(config.host)
    ? [
        `two agents on this machine:  ${command} seed-test-mesh --into ./homes --broker ${url}`,
        `a mesh of your own:          ${command} create my-team --broker ${url}`,
        `other machines:              set BROKER_HOST=0.0.0.0, BROKER_PUBLIC_URL and BROKER_ADMIN_TOKEN, see README.md`,
      ]
    : [
        `a mesh of your own:  ${command} create my-team --broker ${dialled}/ws --admin-token …`,
        ...(config.publicOrigins.length === 0 ? ["set BROKER_PUBLIC_URL to the URL that clients dial"] : []),
        ...(Option.isNone(config.adminToken) ? ["set BROKER_ADMIN_TOKEN: nobody can make a mesh without it"] : []),
      ]
  const reached =
    config.onPlatform && isLoopback(config.host)
      ? [
          `  NOTE       nobody else will reach this broker: PORT is set, as on a platform, and it listens on ${config.host}.`,
          `             Set BROKER_PUBLIC_URL to the URL that clients dial, or DATABASE_URL, or BROKER_HOST=0.0.0.0`,
        ]
      : []
  const strays = strayVariables(Object.keys(process.env)).map(
    (name) => `  NOTE       ${name} is set, and is no variable of the broker: README.md lists them`,
  )
  return [
    "claudemesh broker",
    `  listening  ${url}${isAll ? ", and at every other address of this machine" : ""}   (health: http${s}://${host}:${port}/health)`,
    `  data       ${data}`,
    ...reached,
    ...strays,
    ...next.map((line, index) => (index === 0 ? `  next       ${line}` : `             ${line}`)),
  ].join("\n")
}

/** For a person who looks at it, and for a program that collects it: one JSON object a line. */
export const loggerFor = (isTerminal: boolean, colors = isTerminal): Logger.Logger<unknown, void> =>
  isTerminal ? Logger.consolePretty({ colors }) : Logger.withConsoleError(Logger.formatJson)

const sqlReason = ({ reason }: SqlError.SqlError): string => {
  const cause = Predicate.hasProperty(reason.cause, "message") ? `: ${String(reason.cause.message)}` : ""
  return `DATABASE_URL: the database cannot be used (${reason._tag}, ${reason.message}${cause})`
}

/** Serves until interrupted. `command`: how a person calls the program that makes meshes, for the first hints. */
export const serve = Effect.fnUntraced(function* (command: string) {
  const config = yield* Effect.mapError(brokerConfig, (error) => new CannotStart({ reason: error.message }))
  const announce = Layer.effectDiscard(
    Effect.gen(function* () {
      const { port } = yield* Server
      yield* Console.log(banner(config, port, command))
      // Begun last, so it is the first to end.
      yield* Effect.addFinalizer(() => Effect.logInfo("the broker stops"))
    }),
  )
  const { FORCE_COLOR, NO_COLOR, TERM } = process.env
  const { isTTY } = process.stderr
  const logging = Layer.mergeAll(
    Logger.layer([loggerFor(isTTY, wantsColours({ FORCE_COLOR, NO_COLOR, TERM }, isTTY))]),
    Layer.succeed(References.LogToStderr, true),
    Layer.succeed(References.MinimumLogLevel, config.logLevel),
  )
  return yield* Layer.launch(announce.pipe(Layer.provide(Broker.layer(config)), Layer.provide(logging))).pipe(
    Effect.onInterrupt(() => Effect.logInfo("the broker has stopped").pipe(Effect.provide(logging))),
    Effect.catchTags({
      TlsUnusable: (error) => Effect.fail(new CannotStart({ reason: error.message })),
      CannotListen: (error) => Effect.fail(new CannotStart({ reason: error.message })),
      DatabaseUrlUnusable: (error) => Effect.fail(new CannotStart({ reason: error.message })),
      DataDirUnusable: (error) => Effect.fail(new CannotStart({ reason: error.message })),
      SqlError: (error) => Effect.fail(new CannotStart({ reason: sqlReason(error) })),
      MigrationError: (error) => Effect.fail(new CannotStart({ reason: `the database's tables: ${error.message}` })),
    }),
  )
})

/** As the main program: 0 after SIGTERM, 130 after Ctrl-C, 1 when it cannot start. */
export const main = (command: string): void => {
  let isCtrlC = false
  process.once("SIGINT", () => (isCtrlC = true))
  BunRuntime.runMain(
    Effect.tapCause(serve(command), (cause) =>
      Option.match(Cause.findErrorOption(cause), {
        onSome: (error) => Console.error(`claudemesh broker: ${error.message}`),
        onNone: () => (Cause.hasInterruptsOnly(cause) ? Effect.void : Effect.logFatal(cause)),
      }),
    ),
    {
      disableErrorReporting: true,
      teardown: (exit, onExit) => {
        if (Exit.isSuccess(exit)) return onExit(0)
        if (!Cause.hasInterruptsOnly(exit.cause)) return onExit(1)
        return onExit(isCtrlC ? 130 : 0)
      },
    },
  )
}
