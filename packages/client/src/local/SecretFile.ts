/**
 * A file that holds secrets (I19): mode 0600, written to a temporary file beside it, synced and renamed, so that a crash
 * leaves the old content or the new and never a part. Its mode is checked before it is read. Who may write when is the
 * caller's business.
 */
import { withHint } from "@claudemesh/domain/WithHint"
import { lstatSync, readFileSync, readlinkSync, realpathSync, renameSync, statSync } from "node:fs"
import { basename, dirname, join, resolve } from "node:path"
import { Clock, Effect, FileSystem, Option, type PlatformError, Result, Schema } from "effect"
import { encodingOf } from "./FileText.ts"
import { randomHex } from "../keys/RandomBytes.ts"
import { secretFileTemporaryMillis } from "../Limits.ts"
import { notAFile } from "./NotAFile.ts"
import { platformWords, systemWords } from "@claudemesh/domain/SystemWords"

/** Others than its owner may read or write the file: it is not used until `command` was run. */
export class SecretExposed extends Schema.TaggedError<SecretExposed>()("SecretExposed", {
  path: Schema.String,
  mode: Schema.String,
  command: Schema.String,
}) {
  get what() {
    return `Other users can read ${this.path} (mode ${this.mode}).`
  }
  get hint() {
    return `Run: ${this.command}`
  }
  override get message() {
    return withHint(this)
  }
}

export class FileUnusable extends Schema.TaggedError<FileUnusable>()("FileUnusable", {
  path: Schema.String,
  doing: Schema.Literals(["read", "write"]),
  reason: Schema.String,
}) {
  override get message() {
    return `cannot ${this.doing} ${this.path}: ${this.reason}`
  }
}

const failedTo = (doing: FileUnusable["doing"], path: string) =>
  Effect.mapError(
    (error: PlatformError.PlatformError) => new FileUnusable({ path, doing, reason: reasonOf(path, error) }),
  )

const reasonOf = (path: string, error: PlatformError.PlatformError): string => {
  if (error.reason._tag !== "PermissionDenied") return platformWords(error)
  const uid = Option.getOrUndefined(Option.liftThrowable(() => statSync(path).uid)())
  const us = process.getuid?.()
  if (uid === undefined) return "permission denied"
  return uid === us
    ? `permission denied. Run: chmod 600 ${quoted(path)}`
    : `permission denied: it belongs to another user (uid ${uid}, and you are uid ${us})`
}

export const refuseExposed = (path: string, mode: number): Effect.Effect<void, SecretExposed> => {
  if ((mode & 0o077) === 0) return Effect.void
  const shown = (mode & 0o777).toString(8).padStart(4, "0")
  return Effect.fail(new SecretExposed({ path, mode: shown, command: `chmod 600 ${quoted(path)}` }))
}

/** Without the mark at its beginning. What is not UTF-8 is not guessed at: a name would be another one, and be written back so. */
const textIn = (path: string, bytes: Uint8Array): Effect.Effect<string, FileUnusable> =>
  Effect.try({
    try: () => new TextDecoder("utf-8", { fatal: true }).decode(bytes),
    catch: () => {
      const is = encodingOf(bytes) === "utf-8" ? "it is not written as UTF-8" : "it is written as UTF-16"
      return new FileUnusable({ path, doing: "read", reason: `${is}. Save it as UTF-8` })
    },
  })

/** None when there is no file. */
export const readSecretFile = Effect.fnUntraced(function* (path: string) {
  const fs = yield* FileSystem.FileSystem
  const wrong = notAFile(path)
  if (wrong !== undefined) {
    return yield* new FileUnusable({ path, doing: "read", reason: `${wrong.problem}. ${wrong.todo}` })
  }
  return yield* Effect.gen(function* () {
    const { mode } = yield* fs.stat(path)
    yield* refuseExposed(path, mode)
    return Option.some(yield* textIn(path, yield* fs.readFile(path)))
  }).pipe(
    Effect.catchTag("PlatformError", (error) =>
      error.reason._tag === "NotFound"
        ? Effect.succeed(Option.none<string>())
        : Effect.fail(new FileUnusable({ path, doing: "read", reason: reasonOf(path, error) })),
    ),
  )
})

/** New content beside the file that it is for, on the disk and not yet in its place. */
export interface PreparedFile {
  /**
   * Puts it there if `before` is still what is there, and says whether. A plain function, for a transaction that lets one
   * process at a time do it.
   */
  readonly takeThePlaceOf: (before: string | undefined) => Result.Result<boolean, FileUnusable>
  readonly put: Effect.Effect<void, FileUnusable>
}

/** A link stays one: what it leads to is replaced. It is taken away again with the scope, if it was not put. */
export const prepareSecretFile = Effect.fnUntraced(function* (path: string, content: string) {
  const fs = yield* FileSystem.FileSystem
  const asUnusable = failedTo("write", path)
  const targetNow = Result.try({ try: () => targetOf(path), catch: (error) => unwritable(path, error) })
  const target = yield* Effect.fromResult(targetNow)
  yield* sweep(target)
  const temporary = `${target}.${yield* randomHex(6)}.tmp`
  yield* Effect.acquireRelease(
    Effect.scoped(
      Effect.gen(function* () {
        const file = yield* fs.open(temporary, { flag: "wx", mode: 0o600 })
        yield* file.writeAll(new TextEncoder().encode(content))
        yield* file.sync
      }),
    ).pipe(asUnusable),
    () => Effect.ignore(fs.remove(temporary)),
  )
  return {
    takeThePlaceOf: (before) =>
      Result.try({
        try: () => {
          if (textAt(path) !== before || targetOf(path) !== target || textAt(temporary) === undefined) return false
          renameSync(temporary, target)
          return true
        },
        catch: (error) => unwritable(path, error),
      }),
    put: fs
      .rename(temporary, target)
      .pipe(
        asUnusable,
        Effect.andThen(syncDirectory(dirname(target))),
        Effect.provideService(FileSystem.FileSystem, fs),
      ),
  } satisfies PreparedFile
})

export const writeSecretFile = (path: string, content: string) =>
  Effect.scoped(Effect.flatMap(prepareSecretFile(path, content), ({ put }) => put))

const unwritable = (path: string, error: unknown): FileUnusable =>
  new FileUnusable({ path, doing: "write", reason: systemWords(error) })

/** As `readSecretFile` gives it: without the mark that some editors put in front. */
const textAt = (path: string): string | undefined =>
  statSync(path, { throwIfNoEntry: false }) === undefined
    ? undefined
    : readFileSync(path, "utf8").replace(/^\ufeff/, "")

const linksMax = 40

/** Where links lead in the end, also where there is nothing yet. */
const targetOf = (path: string): string => {
  let at = path
  for (let links = 0; links < linksMax; links++) {
    if (lstatSync(at, { throwIfNoEntry: false })?.isSymbolicLink() !== true) return at
    at = resolve(realpathSync(dirname(at)), readlinkSync(at))
  }
  throw new Error("its links lead in a circle")
}

/** What processes left behind that were killed before they put it in its place: it has keys in it. */
const sweep = Effect.fnUntraced(
  function* (target: string) {
    const fs = yield* FileSystem.FileSystem
    const nowMillis = yield* Clock.currentTimeMillis
    for (const name of yield* fs.readDirectory(dirname(target))) {
      if (!name.startsWith(`${basename(target)}.`) || !/\.[0-9a-f]{12}\.tmp$/.test(name)) continue
      const path = join(dirname(target), name)
      const { mtime } = yield* fs.stat(path)
      const isLeft = Option.exists(mtime, (date) => date.getTime() < nowMillis - secretFileTemporaryMillis)
      if (isLeft) yield* fs.remove(path)
    }
  },
  (effect) => Effect.ignore(effect),
)

/** Makes the rename itself durable. Not every file system can, and the content is safe either way. */
export const syncDirectory = (path: string) =>
  Effect.ignore(
    Effect.scoped(
      Effect.gen(function* () {
        const directory = yield* (yield* FileSystem.FileSystem).open(path, { flag: "r" })
        yield* directory.sync
      }),
    ),
  )

export const quoted = (path: string): string => (/^[\w./~-]+$/.test(path) ? path : `'${path.replaceAll("'", `'\\''`)}'`)
