/** The list of all commands as the build has printed it, once for a terminal and once without colours. */
import { readFileSync, writeSync } from "node:fs"
import { join } from "node:path"
import { coloured } from "./Coloured.ts"

export const helpFiles = { plain: "help.txt", coloured: "help-coloured.txt" } as const

export const helpPage = (builtIn: string): string | undefined => {
  try {
    return readFileSync(join(builtIn, coloured ? helpFiles.coloured : helpFiles.plain), "utf8")
  } catch {
    return undefined
  }
}

/** False where stdout takes nothing: others say why. A page fits into a pipe. */
export const printAll = (text: string): boolean => {
  const bytes = Buffer.from(text)
  try {
    for (let from = 0; from < bytes.length;) from += writeSync(1, bytes, from)
    return true
  } catch {
    return false
  }
}
