/** A fault that is planted in a copy of the sources, and what the simulation says of the copy. `PlantedFaults.ts` is the list of them. */
import { cp, mkdir, readdir, readFile, symlink } from "node:fs/promises"
import { join } from "node:path"

export interface Mutant {
  readonly name: string
  /** Or a folder, for a line that may move between its files. */
  readonly file: string
  readonly find: string
  readonly put: string
  /** The first seed to try, where it takes a rare run. */
  readonly from?: number
}

const root = join(import.meta.dirname, "../../..")

/** What a simulation needs to run, in a folder of its own. */
export const copySources = async (folder: string): Promise<void> => {
  await cp(join(root, "packages"), join(folder, "packages"), {
    recursive: true,
    filter: (path) => !path.includes("node_modules"),
  })
  const modules = join(folder, "node_modules")
  await mkdir(join(modules, "@claudemesh"), { recursive: true })
  for (const name of await readdir(join(root, "node_modules"))) {
    if (name !== "@claudemesh") await symlink(join(root, "node_modules", name), join(modules, name))
  }
  for (const name of await readdir(join(root, "packages"))) {
    await symlink(join(folder, "packages", name), join(modules, "@claudemesh", name))
  }
}

/** The file with the line, which must be in one place only: else it is not known what the mutant does. */
export const theOneWith = async (line: string, place: string) => {
  const paths = place.endsWith(".ts") ? [place] : (await readdir(place)).map((file) => join(place, file))
  const found: Array<{ readonly path: string; readonly source: string }> = []
  for (const path of paths) {
    const source = await readFile(path, "utf8")
    for (let count = source.split(line).length - 1; count > 0; count--) found.push({ path, source })
  }
  const [only, ...others] = found
  return others.length > 0 ? undefined : only
}

export interface Outcome {
  readonly caught: string
  readonly problem: string
}

/** The simulation of the sources in the folder, until it notices. */
export const runWith = async (folder: string, from: number, seeds: string): Promise<Outcome> => {
  const main = join(folder, "packages/simulation/src/main.ts")
  const options = ["--no-shrink", "--from", String(from), "--seeds", seeds]
  const child = Bun.spawn([process.execPath, ...process.execArgv, main, ...options], { stdout: "pipe", stderr: "pipe" })
  const [said, code] = await Promise.all([new Response(child.stdout).text(), child.exited])
  if (code === 0) return { caught: "NO", problem: "" }
  const lines = said.trim().split("\n")
  return { caught: /seed (\d+)/.exec(said)?.[1] ?? "at once", problem: lines[1]?.trim() ?? "it does not run" }
}
