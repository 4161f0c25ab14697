/**
 * Lists of what is in each mesh, inside the bound of an answer. A list that is long says less of each; what does not fit
 * then is counted, with the call that shows it. What members say of themselves stands between quotation marks.
 */
import { countFitting, fitted } from "./Fit.ts"
import { bodyCharactersMax, listCharactersMax, summaryCharactersMax } from "./Limits.ts"
import { noMesh, type ToolResult } from "./Tool.ts"
import { harmless } from "./WrapUntrusted.ts"
import * as agentWords from "../words/agent.ts"

export interface Entry {
  /** Behind which a list can go on. */
  readonly place: string
  /** Written when it has a place in the answer: a list may be long. `words`: so many characters of what a member says of itself. */
  readonly text: (words: number) => string
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
  of: { readonly tool: string; readonly one: string; readonly many: string; readonly shortened?: string },
): ToolResult => {
  const detail = wordsFor(meshes)
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
    const texts = textsUpTo(entries, share, detail)
    const count = countFitting(texts, share - head.length - wrappingCharacters, more)
    const block = [
      head,
      ...(count === 0 ? [] : ["<peer-list>", ...texts.slice(0, count), "</peer-list>"]),
      ...(count === entries.length ? [] : [more(0, count)]),
    ].join("\n")
    blocks.push(block)
    left -= block.length + 2
  }
  const shown = fitted(blocks, bodyCharactersMax, (count) => agentWords.moreMeshesNameOneAsMesh(count))
  const hint = detail < wordsInFull && of.shortened !== undefined && shown.length > 0 ? [of.shortened] : []
  return { text: [...shown, ...hint].join("\n\n") || noMesh }
}

/** All that a member may say of itself. */
export const wordsInFull = summaryCharactersMax
const shorter = [80, 40, 20, 0]

/** As much as a list of a usual length has room for. */
const wordsFor = (meshes: ReadonlyArray<MeshList>): number =>
  [wordsInFull, ...shorter].find((words) => {
    const lines = meshes.flatMap((mesh) => [mesh.words, ...textsUpTo(mesh.entries, listCharactersMax, words)])
    return lines.join("\n").length + meshes.length * wrappingCharacters <= listCharactersMax
  }) ?? 0

/** All, or more than have a place. */
const textsUpTo = (entries: ReadonlyArray<Entry>, charactersMax: number, words: number): ReadonlyArray<string> => {
  const texts: Array<string> = []
  let used = 0
  for (const { text } of entries) {
    if (used > charactersMax) break
    const written = text(words)
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
