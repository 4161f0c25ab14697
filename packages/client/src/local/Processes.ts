/**
 * Which processes of this machine are still there, as far as that can be known at once: a process id says that one has ended, and
 * never that it lives, since numbers are used again, and other machines and containers have numbers of their own.
 */
import { hostname } from "node:os"
import { Context } from "effect"

export interface ProcessName {
  readonly pid: number
  readonly host: string
}

export class Processes extends Context.Reference<{
  readonly own: ProcessName
  readonly hasEnded: (name: ProcessName) => boolean
}>("@claudemesh/client/local/Processes", {
  defaultValue: () => {
    const own = { pid: process.pid, host: hostname() }
    return { own, hasEnded: ({ host, pid }) => host === own.host && pid !== own.pid && !exists(pid) }
  },
}) {}

/** One of another user is there, too, though it may not be asked. */
const exists = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return !(error instanceof Error && "code" in error && error.code === "ESRCH")
  }
}
