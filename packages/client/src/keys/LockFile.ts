/**
 * One process at a time: a file that only one can create. A process that died leaves it behind, so one that has
 * grown old is taken away; nobody holds it for longer than a file takes to write.
 */
import { dirname } from "node:path"
import { Clock, Crypto, Effect, FileSystem, Option, type PlatformError } from "effect"
import { lockRetryMillis, lockStaleMillis, lockTimeoutMillis } from "../Limits.ts"
import { randomHex } from "./RandomBytes.ts"
import { FileUnusable, makePrivateDirectory } from "../local/SecretFile.ts"

export const withLockFile =
  (path: string) =>
  <A, E, R>(
    body: Effect.Effect<A, E, R>,
  ): Effect.Effect<A, E | FileUnusable, R | FileSystem.FileSystem | Crypto.Crypto> =>
    Effect.acquireUseRelease(
      acquire(path),
      () => body,
      () => release(path),
    )

const acquire = Effect.fnUntraced(
  function* (path: string) {
    const fs = yield* FileSystem.FileSystem
    yield* makePrivateDirectory(dirname(path))
    const create = fs.writeFileString(path, "", { flag: "wx", mode: 0o600 }).pipe(
      Effect.as(true),
      Effect.catchTag("PlatformError", (error) => (isTaken(error) ? Effect.succeed(false) : Effect.fail(error))),
    )
    const untilMillis = (yield* Clock.currentTimeMillis) + lockTimeoutMillis
    while (!(yield* create)) {
      if ((yield* Clock.currentTimeMillis) >= untilMillis) {
        return yield* new FileUnusable({ path, doing: "lock", reason: "another process holds it" })
      }
      yield* takeAwayIfStale(path)
      yield* Effect.interruptible(Effect.sleep(lockRetryMillis))
    }
  },
  (effect, path) =>
    Effect.catchTag(effect, "PlatformError", (error) =>
      Effect.fail(new FileUnusable({ path, doing: "lock", reason: error.message })),
    ),
)

const release = (path: string) => Effect.flatMap(FileSystem.FileSystem, (fs) => Effect.ignore(fs.remove(path)))

const isTaken = (error: PlatformError.PlatformError): boolean => error.reason._tag === "AlreadyExists"

const ageMillis = Effect.fnUntraced(function* (path: string) {
  const { mtime } = yield* (yield* FileSystem.FileSystem).stat(path)
  return (yield* Clock.currentTimeMillis) - Option.match(mtime, { onNone: () => 0, onSome: (date) => date.getTime() })
})

/** Renamed first: of two that find the same stale file one gets it, and sees whether it was still the stale one. */
const takeAwayIfStale = Effect.fnUntraced(
  function* (path: string) {
    const fs = yield* FileSystem.FileSystem
    if ((yield* ageMillis(path)) < lockStaleMillis) return
    const aside = `${path}.${yield* randomHex(6)}`
    yield* fs.rename(path, aside)
    if ((yield* ageMillis(aside)) < lockStaleMillis) yield* fs.rename(aside, path)
    else yield* fs.remove(aside)
  },
  (effect) => Effect.ignore(effect),
)
