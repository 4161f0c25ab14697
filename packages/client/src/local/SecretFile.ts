/**
 * A file that holds secrets (I19): mode 0600 in a directory of mode 0700, written to a temporary file beside it,
 * synced and renamed, so that a crash leaves the old content or the new and never a part. Its mode is checked
 * before it is read. Who may write when is the caller's business.
 */
import { dirname } from "node:path"
import { Effect, FileSystem, Option, type PlatformError, Schema } from "effect"
import { randomHex } from "../keys/RandomBytes.ts"

/** Others than its owner may read or write the file: it is not used until `command` was run. */
export class SecretExposed extends Schema.TaggedError<SecretExposed>()("SecretExposed", {
  path: Schema.String,
  mode: Schema.String,
  command: Schema.String,
}) {
  override get message() {
    return `others than you may read ${this.path} (mode ${this.mode}); run: ${this.command}`
  }
}

export class FileUnusable extends Schema.TaggedError<FileUnusable>()("FileUnusable", {
  path: Schema.String,
  doing: Schema.Literals(["read", "write", "lock"]),
  reason: Schema.String,
}) {
  override get message() {
    return `cannot ${this.doing} ${this.path}: ${this.reason}`
  }
}

const failedTo = (doing: FileUnusable["doing"], path: string) =>
  Effect.mapError((error: PlatformError.PlatformError) => new FileUnusable({ path, doing, reason: error.message }))

export const refuseExposed = (path: string, mode: number): Effect.Effect<void, SecretExposed> => {
  if ((mode & 0o077) === 0) return Effect.void
  const shown = (mode & 0o777).toString(8).padStart(4, "0")
  return Effect.fail(new SecretExposed({ path, mode: shown, command: `chmod 600 ${quoted(path)}` }))
}

/** None when there is no file. */
export const readSecretFile = Effect.fnUntraced(function* (path: string) {
  const fs = yield* FileSystem.FileSystem
  return yield* Effect.gen(function* () {
    const { mode } = yield* fs.stat(path)
    yield* refuseExposed(path, mode)
    return Option.some(yield* fs.readFileString(path))
  }).pipe(
    Effect.catchTag("PlatformError", (error) =>
      error.reason._tag === "NotFound"
        ? Effect.succeed(Option.none<string>())
        : Effect.fail(new FileUnusable({ path, doing: "read", reason: error.message })),
    ),
  )
})

export const writeSecretFile = Effect.fnUntraced(
  function* (path: string, content: string) {
    const fs = yield* FileSystem.FileSystem
    yield* makePrivateDirectory(dirname(path))
    const temporary = `${path}.${yield* randomHex(6)}.tmp`
    yield* Effect.scoped(
      Effect.gen(function* () {
        const file = yield* fs.open(temporary, { flag: "wx", mode: 0o600 })
        yield* file.writeAll(new TextEncoder().encode(content))
        yield* file.sync
      }),
    ).pipe(
      Effect.andThen(fs.rename(temporary, path)),
      Effect.onError(() => Effect.ignore(fs.remove(temporary))),
    )
    yield* syncDirectory(dirname(path))
  },
  (effect, path) => failedTo("write", path)(effect),
)

export const makePrivateDirectory = Effect.fnUntraced(function* (path: string) {
  const fs = yield* FileSystem.FileSystem
  yield* fs.makeDirectory(path, { recursive: true, mode: 0o700 })
  const { mode } = yield* fs.stat(path)
  if ((mode & 0o077) !== 0) yield* fs.chmod(path, 0o700)
})

/** Makes the rename itself durable. Not every file system can, and the content is safe either way. */
const syncDirectory = (path: string) =>
  Effect.ignore(
    Effect.scoped(
      Effect.gen(function* () {
        const directory = yield* (yield* FileSystem.FileSystem).open(path, { flag: "r" })
        yield* directory.sync
      }),
    ),
  )

export const quoted = (path: string): string => (/^[\w./~-]+$/.test(path) ? path : `'${path.replaceAll("'", `'\\''`)}'`)
