/**
 * What of ours is put into a settings file, as entries: put in, found again, and taken out. It is pure: from a text to a text.
 * An entry that is there as wanted is not touched, so that doing it twice gives the same bytes.
 */
import { isDeepStrictEqual } from "node:util"
import { Result } from "effect"
import { applyAll, type Edit, inverseOf, JsonText, JsonUnusable, notByProgram, type Path } from "./JsonEdit.ts"
import * as installWords from "../words/install.ts"

export interface Entry {
  /** Of the property, or of the list that has the elements. */
  readonly path: Path
  /** A value; some elements of a list; that there is none of ours; or that there are none in the lists but for those named. */
  readonly kind: "property" | "elements" | "absence" | "sweep"
  readonly value: unknown
  /** Of an earlier version, too. What is not ours is never touched. */
  readonly isOurs: (value: unknown) => boolean
}

/** What was there under our name before. */
export interface Replaced {
  readonly path: Path
  readonly value: unknown
}

export interface Merged {
  readonly text: string
  /** Turns the text into the one before. */
  readonly undo: ReadonlyArray<Edit>
  /** Objects and lists that were made, the outermost first. */
  readonly created: ReadonlyArray<Path>
  readonly replaced: ReadonlyArray<Replaced>
}

export const merge = (before: string, entries: ReadonlyArray<Entry>): Result.Result<Merged, JsonUnusable> =>
  Result.gen(function* () {
    const json = yield* JsonText.parse(before)
    const created: Array<Path> = []
    const replaced: Array<Replaced> = []
    for (const entry of entries) {
      yield* checked(json, entry)
      if (entry.kind === "property") created.push(...(yield* setProperty(json, entry, replaced)))
      if (entry.kind === "elements") created.push(...setElements(json, entry))
      if (entry.kind === "absence") removeProperty(json, entry, replaced)
      if (entry.kind === "sweep") sweep(json, entry, entry.value)
    }
    const { edits, text } = yield* json.changed
    yield* checkOthers(before, text, entries)
    return { text, undo: inverseOf(before, edits), created, replaced }
  })

/** Takes ours out, wherever it is by now, and puts back what was there under our name. */
export const unmerge = (
  before: string,
  entries: ReadonlyArray<Entry>,
  { created, replaced }: Pick<Merged, "created" | "replaced">,
): Result.Result<string, JsonUnusable> =>
  Result.gen(function* () {
    const json = yield* JsonText.parse(before)
    for (const entry of entries) {
      const { isOurs, kind, path } = entry
      if (kind === "property" && isOurs(json.valueAt(path))) {
        yield* json.checkWay(path)
        json.remove(path)
      }
      if (kind === "elements") removeElements(json, path, isOurs)
      // A list that was there before, and empty, stays, where it is known what was made.
      if (kind === "sweep") sweep(json, entry, [], created.length === 0)
    }
    for (const { path, value } of replaced) {
      const isFree = json.valueAt(path) === undefined && Result.isSuccess(json.checkWay(path))
      if (isFree) json.set(path, value)
    }
    for (const path of created.toReversed()) if (isEmpty(json.valueAt(path))) json.remove(path)
    const { text } = yield* json.changed
    yield* checkOthers(before, text, entries)
    return text
  })

/** The text before, where nothing else was changed since. */
export const undone = (text: string, undo: ReadonlyArray<Edit>): string => applyAll(text, undo)

const checked = (json: JsonText, { kind, path }: Entry): Result.Result<void, JsonUnusable> => {
  const way = json.checkWay(path)
  if (kind !== "elements" || Result.isFailure(way)) return way
  const list = json.valueAt(path)
  return list === undefined || Array.isArray(list)
    ? Result.void
    : Result.fail(new JsonUnusable({ problem: installWords.isNotAList(path.join(".")) }))
}

const setProperty = (json: JsonText, { isOurs, path, value }: Entry, replaced: Array<Replaced>) => {
  const found = json.valueAt(path)
  if (isDeepStrictEqual(found, value)) return Result.succeed([])
  if (found !== undefined && !isOurs(found)) {
    const problem = installWords.isThereAndIsNotAnEntry(path.join("."), startedWords(found))
    return Result.fail(new JsonUnusable({ problem }))
  }
  if (found !== undefined) replaced.push({ path, value: found })
  return Result.succeed(json.set(path, value))
}

/** The command's first word and no more of it: a secret may be in what follows, or in the environment. */
const startedWords = (found: unknown): string => {
  const { command } = objectAt(found, [])
  const first: unknown = Array.isArray(command) ? command[0] : command
  const [word = ""] = typeof first === "string" ? first.trim().split(/\s/) : []
  return word === "" || word.includes("=") ? "" : `: it starts ${JSON.stringify(word)}`
}

const setElements = (json: JsonText, { isOurs, path, value }: Entry): ReadonlyArray<Path> => {
  const wanted = Array.isArray(value) ? value : [value]
  const ours = elementsOf(json, path).filter((element) => isOurs(element))
  if (isDeepStrictEqual(ours, wanted)) return []
  removeElements(json, path, isOurs)
  return wanted.flatMap((element) => json.append(path, element))
}

const removeProperty = (json: JsonText, { isOurs, path }: Entry, replaced: Array<Replaced>): void => {
  const found = json.valueAt(path)
  if (found === undefined || !isOurs(found)) return
  replaced.push({ path, value: found })
  json.remove(path)
}

/** Of an earlier version, which had them elsewhere. */
const sweep = (json: JsonText, { isOurs, path }: Entry, kept: unknown, isEmptyToGo = true): void => {
  const lists = json.valueAt(path)
  if (typeof lists !== "object" || lists === null) return
  for (const key of Object.keys(lists)) {
    const list = [...path, key]
    if ((Array.isArray(kept) && kept.includes(key)) || !elementsOf(json, list).some((element) => isOurs(element)))
      continue
    removeElements(json, list, isOurs)
    if (isEmptyToGo && elementsOf(json, list).length === 0) json.remove(list)
  }
}

const elementsOf = (json: JsonText, path: Path): ReadonlyArray<unknown> => {
  const list = json.valueAt(path)
  return Array.isArray(list) ? list : []
}

const removeElements = (json: JsonText, path: Path, isOurs: (value: unknown) => boolean): void => {
  for (let index = elementsOf(json, path).length - 1; index >= 0; index--) {
    if (isOurs(elementsOf(json, path)[index])) json.remove(path, index)
  }
}

const isEmpty = (value: unknown): boolean =>
  typeof value === "object" && value !== null && Object.keys(value).length === 0

/** Whatever the edits were: what others have in the file is the same after them, or they are not written. */
const checkOthers = (before: string, after: string, entries: ReadonlyArray<Entry>): Result.Result<void, JsonUnusable> =>
  Result.gen(function* () {
    const [old, now] = [yield* JsonText.parse(before), yield* JsonText.parse(after)].map((json) =>
      entries.reduce(withoutOurs, json.valueAt([]) ?? {}),
    )
    if (!isDeepStrictEqual(old, now)) return yield* Result.fail(new JsonUnusable({ problem: notByProgram }))
  })

const withoutOurs = (value: unknown, { isOurs, kind, path, value: wanted }: Entry): unknown => {
  const isTaken = (found: unknown) => isOurs(found) || isDeepStrictEqual(found, wanted)
  const withoutElements = (list: unknown) => (Array.isArray(list) ? list.filter((element) => !isOurs(element)) : list)
  if (kind === "elements") return changedAt(value, path, withoutElements)
  if (kind === "property" || kind === "absence") {
    return changedAt(value, path, (found) => (isTaken(found) ? undefined : found))
  }
  const keys = Object.keys(objectAt(value, path))
  return keys.reduce((left, key) => changedAt(left, [...path, key], withoutElements), value)
}

/** Without what is empty then: it may have been made for ours. */
const changedAt = (value: unknown, [key, ...rest]: Path, change: (found: unknown) => unknown): unknown => {
  if (key === undefined) return change(value)
  if (!isObject(value)) return value
  const { [key]: found, ...others } = value
  const left = changedAt(found, rest, change)
  return left === undefined || isEmpty(left) ? others : { ...others, [key]: left }
}

const objectAt = (value: unknown, path: Path): Readonly<Record<string, unknown>> => {
  const found = path.reduce<unknown>((within, key) => (isObject(within) ? within[key] : undefined), value)
  return isObject(found) ? found : {}
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value)
