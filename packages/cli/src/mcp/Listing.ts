/**
 * Lists of what is in each mesh, inside the bound of an answer. What does not fit is counted, with the call that shows
 * it. Names and summaries are words of the members, so each mesh's list is wrapped like any other text of theirs.
 */
import { countFitting, fitted } from "./Fit.ts"
import { bodyCharactersMax } from "./Limits.ts"
import { noMesh, type ToolResult } from "./Tool.ts"
import { harmless } from "./WrapUntrusted.ts"

export interface Entry {
  /** Behind which a list can go on. */
  readonly place: string
  /** Written when it has a place in the answer: a list may be long. */
  readonly text: () => string
}

export interface MeshList {
  readonly mesh: string
  /** Behind the mesh's name. */
  readonly words: string
  /** In a stable order; those that were listed before are left out. */
  readonly entries: ReadonlyArray<Entry>
}

export const listing = (
  meshes: ReadonlyArray<MeshList>,
  of: { readonly tool: string; readonly one: string; readonly many: string },
): ToolResult => {
  const blocks: Array<string> = []
  let left = bodyCharactersMax
  for (const [index, { entries, mesh, words }] of meshes.entries()) {
    const share = Math.floor(left / (meshes.length - index))
    const head = `Mesh ${mesh}: ${harmless(words)}`
    const more = (_: number, shown: number) => {
      const count = entries.length - shown
      const from = shown === 0 ? { mesh } : { after: `${mesh}/${entries[shown - 1]?.place}` }
      const what = count === 1 ? of.one : of.many
      return `${count}${shown === 0 ? "" : " more"} ${what}: call ${of.tool} with ${JSON.stringify(from)}.`
    }
    const texts = textsUpTo(entries, share)
    const count = countFitting(texts, share - head.length - wrappingCharacters, more)
    const block = [
      head,
      ...(count === 0 ? [] : ["<peer-list>", ...texts.slice(0, count), "</peer-list>"]),
      ...(count === entries.length ? [] : [more(0, count)]),
    ].join("\n")
    blocks.push(block)
    left -= block.length + 2
  }
  const shown = fitted(blocks, bodyCharactersMax, (count) => `${count} more meshes: name one, as {"mesh": …}.`)
  return { text: shown.join("\n\n") || noMesh }
}

/** All, or more than have a place. */
const textsUpTo = (entries: ReadonlyArray<Entry>, charactersMax: number): ReadonlyArray<string> => {
  const texts: Array<string> = []
  let used = 0
  for (const { text } of entries) {
    if (used > charactersMax) break
    const written = text()
    used += written.length + 1
    texts.push(written)
  }
  return texts
}

const wrappingCharacters = "\n<peer-list>\n\n</peer-list>\n\n".length

/** `after` names the mesh as well. */
export const placeIn = (after: string | undefined): { readonly mesh: string; readonly place: string } | undefined => {
  const slash = after?.indexOf("/") ?? -1
  return after === undefined || slash === -1
    ? undefined
    : { mesh: after.slice(0, slash), place: after.slice(slash + 1) }
}
