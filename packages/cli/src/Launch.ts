/**
 * The first that runs of the command. `bin/claudemesh` starts Bun in a folder of ours, since Bun obeys what lies in the
 * folder that it starts in; now that everything is loaded, this goes to the folder that the person is in.
 */
import { existsSync, mkdtempSync, rmdirSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

const { CLAUDEMESH_STARTED_AS: as, CLAUDEMESH_STARTED_IN: folder } = process.env

// Not for what is started from here.
for (const name of [
  "CLAUDEMESH_STARTED_AS",
  "CLAUDEMESH_STARTED_IN",
  "BUN_JSC_useDFGJIT",
  "BUN_JSC_useOMGJIT",
  "BUN_JSC_thresholdForJITAfterWarmUp",
  "BUN_JSC_thresholdForOptimizeAfterWarmUp",
]) {
  delete process.env[name]
}

/** For whatever is started from here: without it, `Bun.spawn` hands on what this process itself was given. */
export const handedOn = process.env

try {
  if (folder !== undefined && folder !== "") process.chdir(folder)
} catch (error) {
  const reason = error instanceof Error && "code" in error ? String(error.code) : String(error)
  process.stderr.write(`claudemesh: the folder that this was started in cannot be entered: ${folder} (${reason})\n`)
  process.exit(1)
}

// Nobody can go back to a folder that was deleted.
const isLost = as !== undefined && as !== "" && (folder === undefined || folder === "")
const { CLAUDEMESH_HOME: home } = process.env
if (isLost && home !== undefined && home !== "" && !/^[/~]/.test(home)) {
  process.stderr.write(
    `claudemesh: the folder that this was started in is gone, and CLAUDEMESH_HOME is named from there: ${home}. Give the whole path.\n`,
  )
  process.exit(1)
}

/** What is named from a folder that was deleted is nowhere, and not beside this program: it goes to another one that is gone. */
const goNowhere = (): void => {
  try {
    const nowhere = mkdtempSync(join(tmpdir(), "claudemesh-"))
    process.chdir(nowhere)
    rmdirSync(nowhere)
  } catch {
    process.chdir("/")
  }
}
if (isLost) goNowhere()

const whereItIs = (): string | undefined => {
  try {
    return process.cwd()
  } catch {
    return undefined
  }
}

/** The folder that the person is in; undefined where it was deleted. */
export const startedIn: string | undefined = isLost ? undefined : whereItIs()

/** As a word of a shell's line: a folder may be called anything. */
export const quoted = (word: string): string =>
  /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", String.raw`'\''`)}'`

/** The folder of the built program, where this is that; none where the sources run. */
export const builtIn: string | undefined = existsSync(join(import.meta.dirname, "claudemesh.js"))
  ? import.meta.dirname
  : undefined

/** The file that starts this program from any folder, whoever's that is. */
export const launcher = join(builtIn ?? join(import.meta.dirname, "../bin"), "claudemesh")

/** How the person calls this program, for hints that can be pasted. A host may have started Bun without the launcher. */
export const command = as === undefined || as === "" ? quoted(launcher) : as
