/**
 * Files in which an earlier version kept what is in `state.db` now. Each is taken over once, and removed when what it
 * says has been committed: a crash in between takes it over again, and two processes at once do it twice, so taking over
 * has to give the same the second time. A file that cannot be understood is the caller's error, and stays.
 */
import { rmdirSync } from "node:fs"
import { dirname } from "node:path"
import { Effect, FileSystem, Option } from "effect"
import { readSecretFile } from "./SecretFile.ts"

export const takenOver = Effect.fnUntraced(function* <E, R>(
  path: string,
  takeOver: (text: string) => Effect.Effect<void, E, R>,
) {
  const fs = yield* FileSystem.FileSystem
  let taken: string | undefined
  while (true) {
    const text = Option.getOrUndefined(yield* readSecretFile(path))
    if (text === undefined) return
    // A process of the earlier version may still write to it.
    if (text === taken) break
    yield* takeOver(text)
    taken = text
  }
  yield* Effect.ignore(fs.remove(path))
  for (const lock of [`${path}.lock`, path.replace(/\.\w+$/, ".lock")]) yield* Effect.ignore(fs.remove(lock))
  // It stays while another file is in it.
  yield* Effect.ignore(Effect.try(() => rmdirSync(dirname(path))))
})
