/** Where this session runs, for its sealed profile: the members see it, and the broker does not. */
import { readFile } from "node:fs/promises"
import { hostname } from "node:os"
import { dirname, join } from "node:path"
import { Effect } from "effect"

export const workplace = (cwd: string) =>
  Effect.map(
    Effect.promise(() => branchOf(cwd)),
    (branch) => ({ cwd, host: hostname(), ...(branch !== undefined && { branch }) }),
  )

/** Read from `.git/HEAD`, here or in a folder above: git itself need not be there. */
const branchOf = async (folder: string): Promise<string | undefined> => {
  const head = await readFile(join(folder, ".git/HEAD"), "utf8").catch(() => undefined)
  if (head !== undefined) return /^ref: refs\/heads\/(\S+)\s*$/.exec(head)?.[1]
  const above = dirname(folder)
  return above === folder ? undefined : branchOf(above)
}
