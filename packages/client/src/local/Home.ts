/**
 * Where everything of a person is kept on this machine: `CLAUDEMESH_HOME`, else `~/.claudemesh`. It holds keys, so it is
 * this user's alone. What we make is made so; the mode of a folder that we did not make is never changed: it may be
 * `/tmp`. Such a folder is refused, with the command that mends it.
 */
import { withHint } from "@claudemesh/domain/WithHint"
import { lstatSync, mkdirSync, readdirSync, rmSync, statfsSync, type Stats, statSync } from "node:fs"
import { homedir } from "node:os"
import { basename, dirname, join, resolve } from "node:path"
import { Config, Effect, Layer, Option, Schema } from "effect"
import { quoted } from "./SecretFile.ts"
import { systemWords } from "@claudemesh/domain/SystemWords"

/** A service manager may start us without `HOME`: the system knows the account's folder, too. */
export const accountHome = Config.NonEmptyString("HOME").pipe(Config.orElse(() => Config.succeed(systemHome())))

/** Empty for an account that the system does not know, such as a container's: nothing is made for it wherever one is. */
export const systemHome = (): string => Option.getOrElse(Option.liftThrowable(homedir)(), () => "")

/** A file of settings, such as a service manager's, knows no `~` as a shell does; who writes one there means their own folder. */
export const expanded = (path: string, account: string): string =>
  account !== "" && (path === "~" || path.startsWith("~/")) ? join(account, path.slice(1)) : path

/** For what has files of its own there, such as `wake`. */
export const home = Config.all([
  Config.NonEmptyString("CLAUDEMESH_HOME").pipe(Config.withDefault("~/.claudemesh")),
  accountHome,
]).pipe(Config.map(([path, account]) => expanded(path, account)))

/** What is kept there, as a layer. */
export const layerAtHome = <A, E, R>(layerIn: (directory: string) => Layer.Layer<A, E, R>) =>
  Layer.unwrap(Effect.map(home, layerIn))

export class HomeUnusable extends Schema.TaggedError<HomeUnusable>()("HomeUnusable", {
  path: Schema.String,
  problem: Schema.String,
  todo: Schema.String,
}) {
  get what() {
    return `${this.path} cannot keep your keys: ${this.problem}.`
  }
  get hint() {
    return this.todo
  }
  override get message() {
    return withHint(this)
  }
}

/** Whether the folder is there. It fails when it is there and is not this user's alone. */
export const checkHome = (path: string): Effect.Effect<boolean, HomeUnusable> =>
  Effect.suspend(() => {
    const found = looked(path)
    return found instanceof HomeUnusable ? Effect.fail(found) : Effect.succeed(found === "ours")
  })

/** Makes the folder where there is none, for this user alone. */
export const makeHome = (path: string): Effect.Effect<void, HomeUnusable> =>
  Effect.gen(function* () {
    if (yield* checkHome(path)) return
    const made = yield* Effect.try({
      try: () => mkdirSync(path, { recursive: true, mode: 0o700 }),
      catch: (error) => unusable(path, `it cannot be made: ${systemWords(error)}`, anotherFolder),
    })
    // What was just made for us alone, and is open to all, is on a disk that cannot do that: nothing is left on it.
    if (made !== undefined && (statSync(path).mode & 0o077) !== 0) {
      yield* Effect.sync(() => rmSync(made, { recursive: true, force: true }))
      return yield* unusable(path, keepsNoModes, onAnotherDisk)
    }
    // Somebody else may have made it in between.
    yield* checkHome(path)
  })

const unusable = (path: string, problem: string, todo: string) => new HomeUnusable({ path, problem, todo })
const anotherFolder = "Set CLAUDEMESH_HOME to a folder of your own"
const keepsNoModes = "its disk keeps no permissions, so other users could read your keys"
const onAnotherDisk = "Set CLAUDEMESH_HOME to a folder on another disk"

/** File systems of other systems' disks and of networks, by the number that the system calls them by: a mode says nothing there. */
const withoutModes: ReadonlySet<number> = new Set([
  0x4d44, 0x2011bab0, 0x5346544e, 0x65735546, 0x01021997, 0xff534d42, 0xfe534d42,
])

const canKeepModes = (path: string): boolean =>
  !withoutModes.has(Option.getOrElse(Option.liftThrowable(() => statfsSync(path).type >>> 0)(), () => 0))

const looked = (path: string): "absent" | "ours" | HomeUnusable => {
  // Else a folder of this name would be made wherever one is, with the keys in it.
  if (path === "~" || path.startsWith("~/")) {
    return unusable(path, "this account has no home folder", "Set HOME, or CLAUDEMESH_HOME to a folder of your own")
  }
  if (path.startsWith("~")) {
    const todo = "Set CLAUDEMESH_HOME to the whole path, or to one in ~/"
    return unusable(path, "only a shell knows the folders of other users by ~", todo)
  }
  try {
    const stats = statSync(path, { throwIfNoEntry: false })
    if (stats !== undefined) return problemWith(path, stats) ?? "ours"
    return lstatSync(path, { throwIfNoEntry: false }) === undefined
      ? "absent"
      : unusable(path, "it is a link to a folder that is not there", "Make that folder, or remove the link")
  } catch (error) {
    return unusable(path, `it cannot be looked at: ${systemWords(error)}`, anotherFolder)
  }
}

const problemWith = (path: string, stats: Stats): HomeUnusable | undefined => {
  if (!stats.isDirectory()) return unusable(path, "it is a file and not a folder", anotherFolder)
  const us = process.getuid?.()
  if (us !== undefined && stats.uid !== us) {
    return unusable(path, `it belongs to another user (uid ${stats.uid}, and you are uid ${us})`, anotherFolder)
  }
  if ((stats.mode & 0o077) === 0) return undefined
  if (!canKeepModes(path)) return unusable(path, keepsNoModes, onAnotherDisk)
  const mode = (stats.mode & 0o7777).toString(8).padStart(4, "0")
  const problem = `other users can look into it (mode ${mode}), and claudemesh changes no folder that it did not make`
  const command = isForUsAlone(path, stats)
    ? `chmod 700 ${quoted(path)}`
    : `export CLAUDEMESH_HOME=${quoted(join(resolve(path), "claudemesh"))}`
  return unusable(path, problem, `Run: ${command}`)
}

const ourNames =
  /^(config(\.v1)?\.json(\.\w+\.tmp)?|config\.lock|state\.db(-wal|-shm)?|seen|known|pending|broker|plugin|run|installed\.json|wake)$/

/** Whoever closes a folder that others use, such as `/tmp` or `/etc`, breaks more than this program. */
const isForUsAlone = (path: string, stats: Stats): boolean => {
  const isShared = (stats.mode & 0o1000) !== 0 || dirname(resolve(path)) === resolve(path)
  if (isShared) return false
  const names = readdirSync(path)
  return /^\.?claudemesh/.test(basename(resolve(path))) || names.includes("config.json") || names.every(isOurName)
}

const isOurName = (name: string): boolean => ourNames.test(name)
