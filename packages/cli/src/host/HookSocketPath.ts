/**
 * Where a server listens for the hooks of its host: `hooks/<process of the host>.<own process>.sock` in the home. A host may have several
 * servers of ours at a time, of several conversations. No library is loaded here.
 */
import { readdirSync } from "node:fs"
import { join } from "node:path"
import type { HookInput } from "./OtherHost.ts"

export const hooksFolderIn = (home: string): string => join(home, "hooks")

export const hookSocketIn = (home: string, hostPid: number, pid: number): string =>
  join(hooksFolderIn(home), `${hostPid}.${pid}.sock`)

/** A system takes no longer name for a socket: the shorter one of Linux and macOS. */
export const socketPathBytesMax = 103

export interface HookSocket {
  readonly path: string
  readonly hostPid: number
  readonly pid: number
}

/** The youngest server last. */
export const hookSocketsIn = (home: string): ReadonlyArray<HookSocket> => {
  const folder = hooksFolderIn(home)
  return namesIn(folder)
    .flatMap((name) => {
      const [, hostPid, pid] = /^([1-9]\d*)\.([1-9]\d*)\.sock$/.exec(name) ?? []
      return hostPid === undefined ? [] : [{ path: join(folder, name), hostPid: Number(hostPid), pid: Number(pid) }]
    })
    .toSorted((one, other) => one.pid - other.pid)
}

const namesIn = (folder: string): ReadonlyArray<string> => {
  try {
    return readdirSync(folder)
  } catch {
    return []
  }
}

/** The one line that comes by it. */
export interface HookQuestion {
  readonly input: HookInput
  /** No server of the host has this conversation, and none is without one: it is a new one. */
  readonly isOnlyOne?: boolean
}

/** A server answers this where it belongs to another conversation of its host. */
export const otherConversation = '"another conversation"'
