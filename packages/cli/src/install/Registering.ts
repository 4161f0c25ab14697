/**
 * Puts entries into a settings file and takes them out again, with a record of how. What `install` would do and what it does is
 * one pure function of the text that is there, so that `--dry-run` shows what would happen.
 */
import { Effect, Option, Result } from "effect"
import { Failed } from "../Failed.ts"
import type { Target } from "./ClaudeCode.ts"
import { digestOf, type FileRecord, readRecord, writeRecord } from "./InstallRecord.ts"
import type { JsonUnusable } from "./JsonEdit.ts"
import { merge, type Replaced, undone, unmerge } from "./Registration.ts"
import { changeSettings, readSettings, removeEmptyFolders } from "./SettingsFile.ts"
import { mergeToml, unmergeToml } from "./TomlEdit.ts"
import * as installWords from "../words/install.ts"

export interface Change {
  readonly path: string
  readonly before: string | undefined
  readonly after: string | undefined
  /** What was there under our name. */
  readonly replaced: ReadonlyArray<Replaced>
}

interface Step {
  readonly after: string | undefined
  readonly record: FileRecord | undefined
  readonly replaced: ReadonlyArray<Replaced>
}

type Plan = (text: string | undefined, record: FileRecord | undefined) => Result.Result<Step, Failed>

export const registering =
  ({ entries, path }: Target): Plan =>
  (text, record) =>
    Result.gen(function* () {
      // From what was found, where nothing else was changed since: it can be made again then.
      const found = record === undefined ? { text } : originalOf(text, record)
      const [bom, body] = withoutBom((found ?? { text }).text ?? "")
      const merged = yield* Result.mapError(mergeAs(path)(body, entries), unusable(path))
      const after = bom + merged.text
      const replaced = merged.replaced.filter(({ path: at }) => !known(record).some((old) => same(old.path, at)))
      if (after === text) return { after, record, replaced: [] }
      const kept = found === undefined ? record : undefined
      return {
        after,
        replaced,
        record: {
          existed: record?.existed ?? text !== undefined,
          digest: digestOf(after),
          undo: found === undefined ? null : merged.undo,
          created: [...(kept?.created ?? []), ...merged.created],
          replaced: kept === undefined ? merged.replaced : [...kept.replaced, ...replaced],
        },
      }
    })

export const unregistering =
  ({ entries, path }: Target): Plan =>
  (text, record) =>
    Result.gen(function* () {
      const gone = { record: undefined, replaced: [] }
      if (text === undefined) return { ...gone, after: undefined }
      const found = record === undefined ? undefined : originalOf(text, record)
      if (found !== undefined) return { ...gone, after: found.text }
      const [bom, body] = withoutBom(text)
      const left = yield* Result.mapError(
        unmergeAs(path)(body, entries, record ?? { created: [], replaced: [] }),
        unusable(path),
      )
      const isEmpty = record?.existed === false && /^\s*(\{\s*\})?\s*$/.test(left)
      return { ...gone, after: isEmpty ? undefined : bom + left }
    })

/** What would be. */
export const preview = Effect.fnUntraced(function* (home: string, path: string, plan: Plan) {
  const record = (yield* readRecord(home))[path]
  const before = yield* readSettings(path)
  const { after, replaced } = yield* Effect.fromResult(plan(before, record))
  return { path, before, after, replaced } satisfies Change
})

/** Does it. A file that was changed and did not get into the record is still cleaned by what is known to be ours. */
export const carryOut = Effect.fnUntraced(function* (home: string, path: string, plan: Plan) {
  const record = (yield* readRecord(home))[path]
  let last: Step | undefined
  const { after, before, madeFolder } = yield* changeSettings(path, (text) =>
    Result.map(plan(text, record), (step) => {
      last = step
      return step.after
    }),
  )
  if (last !== undefined && last.record !== record) {
    const made = record?.madeFolder ?? madeFolder
    const kept =
      last.record === undefined ? undefined : { ...last.record, ...(made !== undefined && { madeFolder: made }) }
    yield* asFailed(writeRecord(home, path, kept))
  }
  if (after === undefined && record?.madeFolder !== undefined) removeEmptyFolders(path, record.madeFolder)
  return { path, before, after, replaced: last?.replaced ?? [] } satisfies Change
})

const isToml = (path: string): boolean => path.endsWith(".toml")
const mergeAs = (path: string) => (isToml(path) ? mergeToml : merge)
const unmergeAs = (path: string) => (isToml(path) ? unmergeToml : unmerge)

const asFailed = Effect.mapError((error: { readonly message: string }) => new Failed({ reason: error.message }))

/** What was there before us, if that is what we left. Undefined where it was changed since. */
const originalOf = (
  text: string | undefined,
  record: FileRecord,
): { readonly text: string | undefined } | undefined => {
  if (text === undefined || record.undo === null || digestOf(text) !== record.digest) return undefined
  const [bom, body] = withoutBom(text)
  return { text: record.existed ? bom + undone(body, record.undo) : undefined }
}

const withoutBom = (text: string): readonly [string, string] =>
  text.startsWith("\uFEFF") ? ["\uFEFF", text.slice(1)] : ["", text]

const known = (record: FileRecord | undefined): ReadonlyArray<Replaced> => record?.replaced ?? []
const same = (one: ReadonlyArray<string>, other: ReadonlyArray<string>): boolean => one.join("\0") === other.join("\0")

const unusable =
  (path: string) =>
  ({ problem }: JsonUnusable): Failed =>
    new Failed({ reason: installWords.nothingWasChangedMendThatThenTry(path, problem) })

/** Whether the texts say the same as JSON. */
export const meansTheSame = (one: string, other: string): boolean => {
  const parse = Option.liftThrowable((text: string): unknown => JSON.parse(text))
  const [a, b] = [parse(one), parse(other)]
  return Option.isSome(a) && Option.isSome(b) && Bun.deepEquals(a.value, b.value, true)
}
