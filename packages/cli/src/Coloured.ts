/**
 * Whether a stream shows colours: a terminal does, unless `NO_COLOR` or a dumb one says otherwise; with `FORCE_COLOR` any
 * does. What is not even a device is no terminal: `process.stdout` would load streams for 10 ms to say so.
 */
import { fstatSync } from "node:fs"

const isDevice = (descriptor: number): boolean => {
  try {
    return fstatSync(descriptor).isCharacterDevice()
  } catch {
    return false
  }
}

export interface ColourSettings {
  readonly FORCE_COLOR?: string | undefined
  readonly NO_COLOR?: string | undefined
  readonly TERM?: string | undefined
}

/** Who forces colours for one command means it more than what is set for all. */
export const wantsColours = ({ FORCE_COLOR, NO_COLOR, TERM }: ColourSettings, isTerminal: boolean): boolean => {
  if (FORCE_COLOR !== undefined && FORCE_COLOR !== "") return !["0", "false"].includes(FORCE_COLOR)
  return isTerminal && (NO_COLOR ?? "") === "" && TERM !== "dumb"
}

const { FORCE_COLOR, NO_COLOR, TERM } = process.env
const settings: ColourSettings = { FORCE_COLOR, NO_COLOR, TERM }

export const coloured: boolean = wantsColours(settings, isDevice(1) && process.stdout.isTTY)
export const colouredStderr: boolean = wantsColours(settings, isDevice(2) && process.stderr.isTTY)
