/**
 * The file by which a host is woken: `wake/<process id of the host>` in the home. A line that is appended here is read by a
 * `tail` that the host started, or seen by its watcher. It holds nothing but our own fixed lines, belongs to this user
 * alone, and is removed when its host is dead, by whichever server starts next; never while it lives.
 */
import {
  appendFileSync,
  chmodSync,
  closeSync,
  mkdirSync,
  openSync,
  readdirSync,
  statSync,
  truncateSync,
  unlinkSync,
} from "node:fs"
import { join } from "node:path"
import type { ProcessName } from "@claudemesh/client/local/Processes"
import { wakeFileBytesMax, wakeFilesMax } from "./Limits.ts"
import { noteWakeOutcome, type WakeOutcome } from "./WakeOutcome.ts"

export interface WakeFile {
  readonly path: string
  readonly write: (line: string) => void
  /** What became of a wake of an idle host. */
  readonly note: (noted: Partial<WakeOutcome>) => void
}

/** Makes the file, empty, so that whoever watches it need not wait for the first line. */
export const openWakeFile = (home: string, hostPid: number): WakeFile => {
  const folder = join(home, "wake")
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  chmodSync(folder, 0o700)
  const path = join(folder, String(hostPid))
  closeSync(openSync(path, "w", 0o600))
  chmodSync(path, 0o600)
  return {
    path,
    write: (line) => {
      // A reader that follows the file sees it shrink, and reads on from its beginning.
      if ((statSync(path, { throwIfNoEntry: false })?.size ?? 0) + line.length >= wakeFileBytesMax) truncateSync(path)
      appendFileSync(path, `${line}\n`, { mode: 0o600 })
    },
    note: (noted) => noteWakeOutcome(home, noted),
  }
}

/** Those of hosts that have ended. Gives how many. */
export const removeDeadWakeFiles = (
  home: string,
  { hasEnded, own }: { readonly own: ProcessName; readonly hasEnded: (name: ProcessName) => boolean },
): number => {
  const folder = join(home, "wake")
  const dead = namesIn(folder)
    .slice(0, wakeFilesMax)
    .filter((name) => /^[1-9]\d*$/.test(name) && hasEnded({ pid: Number(name), host: own.host }))
  for (const name of dead) {
    // A reader whose host was killed waits for its next line for ever: writing it ends the reader.
    appendFileSync(join(folder, name), "\n")
    unlinkSync(join(folder, name))
  }
  return dead.length
}

const namesIn = (folder: string): ReadonlyArray<string> => {
  try {
    return readdirSync(folder)
  } catch {
    return []
  }
}
