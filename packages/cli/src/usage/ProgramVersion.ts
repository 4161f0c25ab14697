/** Which program this is: its version, the commit it was built from where that is known, and the newest protocol it speaks. */
import { readFileSync } from "node:fs"
import { join } from "node:path"
import manifest from "../../package.json" with { type: "json" }
import { builtIn } from "../Launch.ts"

const protocol = 2
export const commitFile = "commit.txt"

/** The build writes it down; the sources ask the folder that they are in. */
const commit = (): string => {
  try {
    if (builtIn !== undefined) return readFileSync(join(builtIn, commitFile), "utf8").trim()
    return headCommit(join(import.meta.dirname, "../../../.."))
  } catch {
    return ""
  }
}

/** Without git. Of a worktree, `.git` is a file that says where its own folder is, and what all share is elsewhere. */
export const headCommit = (root: string): string => {
  const own = gitFolder(root)
  const head = readFileSync(join(own, "HEAD"), "utf8").trim()
  const ref = /^ref: (.+)$/.exec(head)?.[1]
  if (ref === undefined) return head
  const shared = orElse(() => join(own, readFileSync(join(own, "commondir"), "utf8").trim()), own)
  return orElse(
    () => readFileSync(join(shared, ref), "utf8").trim(),
    readFileSync(join(shared, "packed-refs"), "utf8")
      .split("\n")
      .find((line) => line.endsWith(` ${ref}`))
      ?.slice(0, 40) ?? "",
  )
}

const gitFolder = (root: string): string => {
  const place = join(root, ".git")
  return orElse(() => /^gitdir: (.+)$/m.exec(readFileSync(place, "utf8"))?.[1]?.trim() ?? place, place)
}

const orElse = <A>(read: () => A, otherwise: A): A => {
  try {
    return read()
  } catch {
    return otherwise
  }
}

export const programVersion = (): string => {
  const known = commit()
  return `${manifest.version} (${known === "" ? "" : `commit ${known.slice(0, 10)}, `}protocol ${protocol})`
}
