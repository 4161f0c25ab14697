/** What an installation is about: whose home, where this program is put, and what hosts are told of it. */
import { dirname, join, resolve } from "node:path"
import { ConfigFile } from "@claudemesh/client/keys/ConfigFile"
import { makeHome } from "@claudemesh/client/local/Home"
import { Effect, FileSystem, Result, Schema } from "effect"
import { Failed, failed } from "../Failed.ts"
import { installRunnable, runnableIn } from "../Runnable.ts"
import type { HookHost } from "../host/OtherHost.ts"
import { userHome } from "./ClaudeCode.ts"
import { commandHooks } from "./CommandHooks.ts"
import { serverOf } from "./OurEntries.ts"
import { PluginHooks } from "./PluginHooks.ts"
import { runIn } from "./Places.ts"
import { pluginSource } from "./PluginFolder.ts"
import * as installWords from "../words/install.ts"

export interface Machine {
  readonly home: string
  /** Only where it is not the usual one: else a host's own environment may name another. */
  readonly unusualHome: string | undefined
  readonly user: string
}

export const theMachine = Effect.gen(function* () {
  const home = dirname(resolve((yield* ConfigFile).path))
  const user = yield* userHome
  return { home, user, unusualHome: home === join(user, ".claudemesh") ? undefined : home } satisfies Machine
})

/** Puts the program where it stays. */
export const placeProgram = Effect.fnUntraced(function* ({ home }: Machine) {
  yield* Effect.mapError(makeHome(home), failed)
  yield* installRunnable(runIn(home))
})

export const serverOfMachine = ({ home, unusualHome }: Machine, host?: HookHost) =>
  serverOf(runnableIn(runIn(home)), unusualHome, host)

export const commandHooksOfMachine = ({ home, unusualHome }: Machine, host: HookHost) =>
  commandHooks(host, runnableIn(runIn(home)), unusualHome)

const decodeHooks = Schema.decodeUnknownResult(Schema.fromJsonString(PluginHooks))

/** As the plugin has them. */
export const pluginHooks = Effect.gen(function* () {
  const path = join(pluginSource(), "hooks/hooks.json")
  const text = yield* Effect.mapError(
    (yield* FileSystem.FileSystem).readFileString(path),
    () => new Failed({ reason: installWords.isMissingThisCopyOfClaudemeshIs(path) }),
  )
  return yield* Effect.fromResult(
    Result.mapError(
      decodeHooks(text),
      ({ message }) => new Failed({ reason: `${path} cannot be understood: ${message}` }),
    ),
  )
})
