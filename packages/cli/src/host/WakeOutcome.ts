/**
 * What became of the last wake of an idle session on this machine, for `doctor`: nobody sees from the files of a host whether its monitor
 * runs. `wake/last.json` in the home, two times and no more; written by whichever server woke its host, and lost without harm.
 */
import { readFileSync, renameSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { Option, Schema } from "effect"

const WakeOutcome = Schema.Struct({
  wokenAtMillis: Schema.Int,
  /** Of the last one that a turn followed. Null where none ever did. */
  followedAtMillis: Schema.NullOr(Schema.Int),
})
export type WakeOutcome = typeof WakeOutcome.Type

const asJson = Schema.fromJsonString(WakeOutcome)
const decode = Schema.decodeUnknownOption(asJson)

const pathIn = (home: string): string => join(home, "wake", "last.json")

/** Undefined where no session was woken yet, or nothing can be read of it. */
export const readWakeOutcome = (home: string): WakeOutcome | undefined => {
  try {
    return Option.getOrUndefined(decode(readFileSync(pathIn(home), "utf8")))
  } catch {
    return undefined
  }
}

/** A wake was written, or a turn has followed it. */
export const noteWakeOutcome = (home: string, noted: Partial<WakeOutcome>): void => {
  const known = readWakeOutcome(home) ?? { wokenAtMillis: 0, followedAtMillis: null }
  const path = pathIn(home)
  const beside = `${path}.${process.pid}`
  writeFileSync(beside, JSON.stringify({ ...known, ...noted }), { mode: 0o600 })
  renameSync(beside, path)
}
