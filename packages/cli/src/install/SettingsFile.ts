/**
 * A settings file of another program, changed so that it is never lost: the new content is written beside it and renamed into
 * its place, if what is there is still what it was made from; else it is made anew. A link stays a link, mode and owner stay.
 * Claude Code takes a lock on its files (a folder of the same name with `.lock`), and so do we.
 */
import {
  chmodSync,
  chownSync,
  closeSync,
  fsyncSync,
  lstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  renameSync,
  rmdirSync,
  rmSync,
  type Stats,
  statSync,
  writeSync,
} from "node:fs"
import { dirname, resolve } from "node:path"
import { randomHex } from "@claudemesh/client/keys/RandomBytes"
import { Clock, Effect, type Result } from "effect"
import { Failed } from "../Failed.ts"
import { settingsBytesMax, settingsLockStaleMillis, settingsLockWaitMillis, settingsWritesMax } from "./Limits.ts"
import * as installWords from "../words/install.ts"

const nothingChanged = "Nothing was changed"

/** Undefined where there is none. A BOM is part of the text. */
export const readSettings = (path: string): Effect.Effect<string | undefined, Failed> =>
  Effect.try({ try: () => contentOf(path)?.text, catch: (error) => unusable(path, error) })

/** The outermost folder on the way to a file that is not there. */
const missingFolder = (path: string): string | undefined => {
  let missing: string | undefined
  for (
    let folder = dirname(path);
    lstatSync(folder, { throwIfNoEntry: false }) === undefined;
    folder = dirname(folder)
  ) {
    missing = folder
  }
  return missing
}

/** From the file's folder up to one that was made for it, as far as they are empty. */
export const removeEmptyFolders = (path: string, outermost: string): void => {
  try {
    for (let folder = dirname(path); folder.startsWith(outermost); folder = dirname(folder)) rmdirSync(folder)
  } catch {
    // Somebody has put something there, or has removed it.
  }
}

/**
 * `change` is pure: it is asked again where another program wrote the file meanwhile. Undefined takes the file away. Gives the folder
 * that was made for it, too.
 */
export const changeSettings = Effect.fnUntraced(function* (
  path: string,
  change: (text: string | undefined) => Result.Result<string | undefined, Failed>,
) {
  const madeFolder = missingFolder(path)
  for (let writes = 0; writes < settingsWritesMax; writes++) {
    const before = yield* readSettings(path)
    const after = yield* Effect.fromResult(change(before))
    if (after === before) return { before, after, madeFolder: undefined }
    const ending = yield* randomHex(6)
    if (yield* Effect.scoped(Effect.andThen(locked(path), put(path, before, after, ending)))) {
      return { before, after, madeFolder }
    }
  }
  return yield* new Failed({
    reason: installWords.isWrittenByAnotherProgramAllThe(path, nothingChanged),
  })
})

const put = (path: string, before: string | undefined, after: string | undefined, ending: string) =>
  Effect.try({
    try: () => (after === undefined ? taken(path, before) : replaced(path, before, after, ending)),
    catch: (error) => unusable(path, error),
  })

interface Found {
  readonly text: string
  readonly stats: Stats
}

const contentOf = (path: string): Found | undefined => {
  const stats = statSync(path, { throwIfNoEntry: false })
  if (stats === undefined) return undefined
  if (stats.isDirectory()) throw new Problem(installWords.itIsAFolderAndNotA, "Move it away")
  if (!stats.isFile()) throw new Problem(installWords.itIsNotARegularFile, "Move it away")
  if (stats.size > settingsBytesMax)
    throw new Problem(installWords.itIsLargerThanBytes(settingsBytesMax), installWords.lookWhatIsInIt)
  return { text: decoded(readFileSync(path)), stats }
}

const decoded = (bytes: Uint8Array): string => {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    throw new Problem(installWords.itIsNotUtf8Text, installWords.saveItAsUtf8)
  }
}

/** False where it is not what it was. */
const replaced = (path: string, before: string | undefined, after: string, ending: string): boolean => {
  const target = targetOf(path)
  mkdirSync(dirname(target), { recursive: true })
  const found = contentOf(path)
  if (found?.text !== before) return false
  if (found !== undefined && (found.stats.mode & 0o200) === 0) throw readOnly(path)
  const temporary = `${target}.claudemesh-${ending}.tmp`
  try {
    write(temporary, after, found?.stats)
    if (contentOf(path)?.text !== before) return false
    renameSync(temporary, target)
    return true
  } finally {
    rmSync(temporary, { force: true })
  }
}

const taken = (path: string, before: string | undefined): boolean => {
  if (contentOf(path)?.text !== before) return false
  rmSync(targetOf(path))
  return true
}

const write = (path: string, text: string, like: Stats | undefined): void => {
  const file = openSync(path, "wx", 0o600)
  try {
    const bytes = Buffer.from(text)
    for (let from = 0; from < bytes.length;) from += writeSync(file, bytes, from)
    fsyncSync(file)
  } finally {
    closeSync(file)
  }
  if (like === undefined) return
  chmodSync(path, like.mode & 0o7777)
  if (process.getuid?.() === 0) chownSync(path, like.uid, like.gid)
}

const linksMax = 40

/** Where links lead in the end, also where there is nothing yet. */
const targetOf = (path: string): string => {
  let at = path
  for (let links = 0; links < linksMax; links++) {
    if (lstatSync(at, { throwIfNoEntry: false })?.isSymbolicLink() !== true) return at
    at = resolve(realpathSync(dirname(at)), readlinkSync(at))
  }
  throw new Problem(installWords.itsLinksLeadInACircle, "Mend the link")
}

/** The lock that Claude Code takes: a folder. It is held for some milliseconds. */
const locked = Effect.fnUntraced(function* (path: string) {
  const lock = `${path}.lock`
  const since = yield* Clock.currentTimeMillis
  const take = Effect.gen(function* () {
    while (true) {
      const now = yield* Clock.currentTimeMillis
      const took = yield* Effect.try({ try: () => takeLock(lock, now), catch: (error) => unusable(path, error) })
      if (took) return
      if (now - since > settingsLockWaitMillis) {
        return yield* new Failed({
          reason: installWords.anotherProgramHoldsTryAgainOrRemove(lock, nothingChanged),
        })
      }
      yield* Effect.sleep(50)
    }
  })
  yield* Effect.acquireRelease(take, () => Effect.ignore(Effect.try(() => rmdirSync(lock))), { interruptible: true })
})

const takeLock = (lock: string, nowMillis: number): boolean => {
  try {
    mkdirSync(dirname(lock), { recursive: true })
    mkdirSync(lock)
    return true
  } catch (error) {
    if (codeOf(error) !== "EEXIST") throw error
  }
  const left = statSync(lock, { throwIfNoEntry: false })
  // Whoever holds it says so every few seconds.
  if (left !== undefined && nowMillis - left.mtimeMs > settingsLockStaleMillis) rmdirSync(lock)
  return false
}

class Problem extends Error {
  readonly todo: string
  constructor(problem: string, todo: string) {
    super(problem)
    this.todo = todo
  }
}

const codeOf = (error: unknown): string =>
  error instanceof Error && "code" in error
    ? String(error.code)
    : error instanceof Error
      ? error.message
      : String(error)

const readOnly = (path: string) => new Problem("it is read-only", `Run: chmod u+w '${path}'`)

const unusable = (path: string, error: unknown): Failed => {
  const [problem, todo] =
    error instanceof Problem ? [error.message, error.todo] : [words[codeOf(error)] ?? codeOf(error), "Mend that"]
  return new Failed({ reason: installWords.cannotBeUsedThenTryAgain(path, problem, nothingChanged, todo) })
}

const words: Readonly<Record<string, string>> = {
  EACCES: "permission denied",
  EPERM: "permission denied",
  EROFS: installWords.itsDiskIsReadOnly,
  ENOSPC: installWords.noSpaceIsLeftOnTheDisk,
  ENOTDIR: installWords.aFolderOnItsWayIsA,
  ELOOP: installWords.itsLinksLeadInACircle,
}
