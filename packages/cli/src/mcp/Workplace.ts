/** Where this session runs, for its sealed profile: the members see it, and the broker does not. */
import { readFile } from "node:fs/promises"
import { hostname } from "node:os"
import { dirname, join } from "node:path"
import { ProfileFacts } from "@claudemesh/domain/trust/Plaintext"
import { Effect, Schema } from "effect"

const decode = Schema.decodeUnknownOption(ProfileFacts)

/** What is unknown, or nothing that one line can say, is left out. */
export const workplace = (cwd: string) =>
  Effect.map(
    Effect.promise(() => branchOf(cwd)),
    (branch): ProfileFacts => {
      const found = Object.entries({ cwd, host: hostname(), branch })
      return Object.fromEntries(
        found.filter(([name, value]) => value !== undefined && decode({ [name]: value })._tag === "Some"),
      )
    },
  )

/** Read from `.git/HEAD`, here or in a folder above: git itself need not be there. */
const branchOf = async (folder: string): Promise<string | undefined> => {
  const head = await readFile(join(folder, ".git/HEAD"), "utf8").catch(() => undefined)
  if (head !== undefined) return /^ref: refs\/heads\/(\S+)\s*$/.exec(head)?.[1]
  const above = dirname(folder)
  return above === folder ? undefined : branchOf(above)
}
