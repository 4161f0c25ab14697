/**
 * Puts this program into a folder where it stays, with the Bun that runs it: a host's settings name it there, whatever
 * becomes of the checkout or of npm's folder that it came from. From the sources it is built first. What was there is
 * replaced file by file, and what an older one that still runs may load stays for a while.
 */
import { chmod, copyFile, link, mkdir, mkdtemp, readdir, realpath, rename, rm, stat, utimes } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Clock, Duration, Effect } from "effect"
import { Failed } from "./Failed.ts"
import { builtIn, handedOn } from "./Launch.ts"
import * as installWords from "./words/install.ts"

/** How a host starts what lies in a folder: Bun directly, told to obey nothing of the folder that the host is in. */
export interface Runnable {
  readonly bun: string
  readonly flags: ReadonlyArray<string>
  readonly entry: string
  /** For `mcp`: the launcher's words say why. */
  readonly environment: Readonly<Record<string, string>>
  /** For a person, or for a host that takes one word: a script that is replaced by Bun, started in a folder of ours. */
  readonly launcher: string
}

const entryName = "claudemesh.js"

export const runnableIn = (directory: string): Runnable => ({
  bun: join(directory, "bun"),
  flags: [
    "--no-env-file",
    "--no-install",
    `--config=${join(directory, "bunfig.toml")}`,
    `--tsconfig-override=${join(directory, "tsconfig.json")}`,
  ],
  entry: join(directory, entryName),
  environment: { BUN_JSC_useDFGJIT: "0", BUN_JSC_useOMGJIT: "0", BUN_JSC_thresholdForJITAfterWarmUp: "4000" },
  launcher: join(directory, "claudemesh"),
})

/** A session may run this long on a version that was replaced. */
const oldPartsStay = Duration.days(30)

/** Writes the program into `directory`, which is made; again and again gives the same. */
export const installRunnable = Effect.fnUntraced(function* (directory: string) {
  const now = yield* Clock.currentTimeMillis
  const install = Effect.tryPromise({
    try: () => withBuilt((built) => replace(built, directory, now)),
    catch: (error) => new Failed({ reason: installWords.theProgramCannotBePutThere(directory, String(error)) }),
  })
  yield* Effect.uninterruptible(install)
  return runnableIn(directory)
})

/** The folder of the built program, which from the sources is there for the call alone. */
const withBuilt = async (use: (built: string) => Promise<void>): Promise<void> => {
  if (builtIn !== undefined) return use(builtIn)
  const temporary = await mkdtemp(join(tmpdir(), "claudemesh-build-"))
  try {
    await build(temporary)
    await use(temporary)
  } finally {
    await rm(temporary, { recursive: true, force: true })
  }
}

const build = async (outdir: string): Promise<void> => {
  const root = join(import.meta.dirname, "../../..")
  const script = join(root, "scripts/build.ts")
  const child = Bun.spawn([process.execPath, "--no-env-file", "--no-install", script, "--outdir", outdir], {
    cwd: root,
    env: handedOn,
    stdio: ["ignore", "ignore", "pipe"],
  })
  const said = await new Response(child.stderr).text()
  if ((await child.exited) !== 0) throw new Error(installWords.itCouldNotBeBuilt(said.trim()))
}

const replace = async (built: string, directory: string, now: number): Promise<void> => {
  await mkdir(directory, { recursive: true })
  // It runs from there.
  if ((await realpath(directory)) === (await realpath(built))) return
  const entries = await readdir(built, { withFileTypes: true })
  const names = entries.filter((entry) => entry.isFile() && entry.name !== "bun").map(({ name }) => name)
  // The entry last: whoever starts meanwhile has all parts of the one or of the other.
  for (const name of names.toSorted((a, b) => Number(a === entryName) - Number(b === entryName))) {
    await put(join(directory, name), (to) => copyFile(join(built, name), to))
  }
  await putBun(join(directory, "bun"))
  const seconds = now / 1_000
  for (const name of await readdir(directory)) {
    const file = join(directory, name)
    if (names.includes(name)) await utimes(file, seconds, seconds)
    else if (name !== "bun" && (await stat(file)).mtimeMs < now - Duration.toMillis(oldPartsStay))
      await rm(file, { force: true })
  }
}

/** A link, where the file system has both: 100 MB that are there once. */
const putBun = async (path: string): Promise<void> => {
  if (process.execPath === path) return
  const [there, ours] = await Promise.all([stat(path).catch(() => undefined), stat(process.execPath)])
  if (there !== undefined && there.ino === ours.ino && there.dev === ours.dev) return
  await put(path, (to) => link(process.execPath, to).catch(() => copyFile(process.execPath, to)))
  await chmod(path, 0o755)
}

/** Never half written, and never written into what another process runs. */
const put = async (path: string, write: (to: string) => Promise<void>): Promise<void> => {
  const beside = `${path}.${process.pid}`
  await rm(beside, { force: true })
  await write(beside)
  await rename(beside, path)
}
