/**
 * The file of one session's transcript: where it is, and its end, as far as that has changed. The host appends to it, replaces it and
 * removes it as it likes. Nothing else of the folder is opened.
 */
import { accountHome, expanded } from "@claudemesh/client/local/Home"
import { constants } from "node:fs"
import { open, readdir, stat } from "node:fs/promises"
import { join } from "node:path"
import { Clock, Config, Effect, Option } from "effect"
import { projectsMax, transcriptBytesMax, transcriptSearchMillis } from "./Limits.ts"

/** As it is in a file's name; whatever else is in the environment leads nowhere. */
const isFileName = (sessionId: string): boolean => /^[\w-]{1,128}$/.test(sessionId)

const attempt = <A>(run: () => Promise<A>) => Effect.option(Effect.tryPromise(run))

const isThere = (path: string) =>
  Effect.map(
    attempt(() => stat(path)),
    Option.exists((stats) => stats.isFile()),
  )

/** Finds it, as long as it is not found; undefined where there is none yet. */
export const transcriptFinder = Effect.fnUntraced(function* (sessionId: string, project: string) {
  const own = Option.getOrUndefined(yield* Effect.orDie(Config.option(Config.NonEmptyString("CLAUDE_CONFIG_DIR"))))
  const projects = join(expanded(own ?? "~/.claude", yield* Effect.orDie(accountHome)), "projects")
  const name = `${sessionId}.jsonl`
  let searchedAtMillis = Number.NEGATIVE_INFINITY
  let found: string | undefined

  /** Where the folder is called otherwise than we think: a session's id is in one of them only. */
  const search = Effect.gen(function* () {
    const folders = Option.getOrElse(yield* attempt(() => readdir(projects)), (): ReadonlyArray<string> => [])
    for (const folder of folders.slice(0, projectsMax)) {
      if (yield* isThere(join(projects, folder, name))) return join(projects, folder, name)
    }
    return undefined
  })

  return Effect.gen(function* () {
    if (!isFileName(sessionId)) return undefined
    if (found !== undefined) return found
    const expected = join(projects, project.replaceAll(/[^a-zA-Z0-9]/g, "-"), name)
    if (yield* isThere(expected)) return (found = expected)
    const nowMillis = yield* Clock.currentTimeMillis
    if (Math.abs(nowMillis - searchedAtMillis) < transcriptSearchMillis) return undefined
    searchedAtMillis = nowMillis
    return (found = yield* search)
  })
})

export interface Tail {
  readonly text: string
  /** When the file was written last, by its own clock. */
  readonly writtenAtMillis: number
}

/** Where there is no file any more: nothing is known, and nothing is of now. */
const nothing: Tail = { text: "", writtenAtMillis: Number.NEGATIVE_INFINITY }

/** Of a file at each look: its end where it is another than at the look before, else nothing. */
export const tailReader = () => {
  let known = ""
  return (path: string): Effect.Effect<Option.Option<Tail>> =>
    Effect.gen(function* () {
      const stats = Option.getOrUndefined(yield* attempt(() => stat(path)))
      const stamp = stats === undefined ? "" : [path, stats.dev, stats.ino, stats.size, stats.mtimeMs].join(" ")
      if (stats === undefined || !stats.isFile()) {
        known = ""
        return Option.some(nothing)
      }
      if (stamp === known) return Option.none()
      const text = yield* attempt(() => endOf(path))
      if (Option.isSome(text)) known = stamp
      return Option.map(text, (text): Tail => ({ text, writtenAtMillis: stats.mtimeMs }))
    })
}

/** It may have shrunk, or be a pipe by now, which is not waited for. */
const endOf = async (path: string): Promise<string> => {
  const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK)
  try {
    const stats = await file.stat()
    if (!stats.isFile()) return ""
    const length = Math.min(stats.size, transcriptBytesMax)
    const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, stats.size - length)
    return buffer.subarray(0, bytesRead).toString("utf8")
  } finally {
    await file.close()
  }
}
