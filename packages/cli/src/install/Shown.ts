/** What a person reads of changes to files: what would be written, or what was. */
import { difference } from "./Difference.ts"
import type { Change } from "./Registering.ts"

export const differencesOf = (changes: ReadonlyArray<Change>): ReadonlyArray<string> =>
  changes.map(({ after, before, path }) => difference(path, before, after)).filter((text) => text !== "")

/** Empty where nothing was. */
export const pathsWritten = (what: string, changes: ReadonlyArray<Change>): ReadonlyArray<string> => {
  const paths = changes.filter(({ after, before }) => after !== before).map(({ path }) => path)
  return paths.length === 0 ? [] : [`${what} ${paths.join(" and ")}.`]
}
