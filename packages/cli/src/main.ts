/**
 * The `claudemesh` command. Exit codes: 0 done, 1 failed, 2 the command was not understood, 130 interrupted.
 * Data goes to stdout, everything else to stderr.
 */
import "./Launch.ts"
import * as BunRuntime from "@effect/platform-bun/BunRuntime"
import * as BunServices from "@effect/platform-bun/BunServices"
import { ConfigFile } from "@claudemesh/client/keys/ConfigFile"
import { StateDb } from "@claudemesh/client/local/StateDb"
import { localStores } from "@claudemesh/client/LocalStores"
import { Cause, Console, Effect, Exit, Layer, Logger, Option, References } from "effect"
import { CliError, Command } from "effect/unstable/cli"
import { FetchHttpClient } from "effect/unstable/http"
import manifest from "../package.json" with { type: "json" }
import { broker } from "./commands/broker.ts"
import { channels } from "./commands/channels.ts"
import { create } from "./commands/create.ts"
import { demo } from "./commands/demo.ts"
import { exportIdentity } from "./commands/exportIdentity.ts"
import { importIdentity } from "./commands/importIdentity.ts"
import { inbox } from "./commands/inbox.ts"
import { invite } from "./commands/invite.ts"
import { invites } from "./commands/invites.ts"
import { join } from "./commands/join.ts"
import { leave } from "./commands/leave.ts"
import { list } from "./commands/list.ts"
import { mcp } from "./commands/mcp.ts"
import { messageStatus } from "./commands/messageStatus.ts"
import { outbox } from "./commands/outbox.ts"
import { peers } from "./commands/peers.ts"
import { revoke } from "./commands/revoke.ts"
import { revokeInvite } from "./commands/revokeInvite.ts"
import { seedTestMesh } from "./commands/seedTestMesh.ts"
import { send } from "./commands/send.ts"
import { status } from "./commands/status.ts"
import { verify } from "./commands/verify.ts"
import { Failed } from "./Failed.ts"
import { console } from "./Stdout.ts"
import { printable } from "./Output.ts"

const root = Command.make("claudemesh").pipe(
  Command.withDescription("End-to-end encrypted messages between people's coding agents"),
  Command.withSubcommands([
    create,
    invite,
    join,
    invites,
    revokeInvite,
    revoke,
    leave,
    verify,
    list,
    peers,
    channels,
    send,
    messageStatus,
    inbox,
    outbox,
    status,
    exportIdentity,
    importIdentity,
    mcp,
    broker,
    demo,
    seedTestMesh,
  ]),
)

const logging = Layer.mergeAll(
  Logger.layer([Logger.withConsoleError(Logger.formatLogFmt)]),
  Layer.succeed(References.LogToStderr, true),
)

const oneLine = (text: string): string => text.replaceAll(/\s*\n\s*/g, " ")

const report = (cause: Cause.Cause<unknown>) =>
  Option.match(Cause.findErrorOption(cause), {
    onSome: (error) =>
      error instanceof Failed ? Console.error(`claudemesh: ${printable(oneLine(error.reason))}`) : Effect.void,
    onNone: () => (Cause.hasInterruptsOnly(cause) ? Effect.void : Effect.logFatal(cause)),
  })

const usageErrors = (cause: Cause.Cause<unknown>): number =>
  Option.match(Cause.findErrorOption(cause), {
    onSome: (error) => (CliError.isCliError(error) && error._tag === "ShowHelp" ? error.errors.length : -1),
    onNone: () => -1,
  })

/** These run until they are told to stop: that is no failure of theirs. */
const runsUntilStopped = ["broker", "mcp"].includes(process.argv[2] ?? "")

const exitCode = (exit: Exit.Exit<unknown, unknown>): number => {
  if (Exit.isSuccess(exit)) return 0
  if (Cause.hasInterruptsOnly(exit.cause)) return runsUntilStopped ? 0 : 130
  const errors = usageErrors(exit.cause)
  if (errors < 0) return 1
  return errors === 0 ? 0 : 2
}

BunRuntime.runMain(
  Command.run(root, { version: manifest.version }).pipe(
    Effect.tapCause(report),
    Effect.provideService(Console.Console, console),
    Effect.provide([ConfigFile.layer, localStores]),
    Effect.provide(StateDb.layer),
    Effect.provide([BunServices.layer, FetchHttpClient.layer, logging]),
  ),
  { disableErrorReporting: true, teardown: (exit, onExit) => onExit(exitCode(exit)) },
)
