/** Where this session runs, for its sealed profile: the members see it, and the broker does not. */
import { constants, open } from "node:fs/promises"
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
  const head = await beginningOf(join(folder, ".git/HEAD")).catch(() => undefined)
  if (head !== undefined) return /^ref: refs\/heads\/(\S+)\s*$/.exec(head)?.[1]
  const above = dirname(folder)
  return above === folder ? undefined : branchOf(above)
}

const headBytesMax = 1_024

/** The folder is anybody's: a pipe there would never answer, and a device might never end. */
const beginningOf = async (path: string): Promise<string | undefined> => {
  const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK)
  try {
    if (!(await file.stat()).isFile()) return undefined
    const { buffer, bytesRead } = await file.read(Buffer.alloc(headBytesMax), 0, headBytesMax, 0)
    return buffer.toString("utf8", 0, bytesRead)
  } finally {
    await file.close()
  }
}
