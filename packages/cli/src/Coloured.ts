/** Whether stdout and stderr show colours. What is not even a device is no terminal: `process.stdout` would load streams for 10 ms to say so. */
import { type ColourSettings, wantsColours } from "@claudemesh/domain/Colours"
import { fstatSync } from "node:fs"

const isDevice = (descriptor: number): boolean => {
  try {
    return fstatSync(descriptor).isCharacterDevice()
  } catch {
    return false
  }
}

const { FORCE_COLOR, NO_COLOR, TERM } = process.env
const settings: ColourSettings = { FORCE_COLOR, NO_COLOR, TERM }

export const coloured: boolean = wantsColours(settings, isDevice(1) && process.stdout.isTTY)
export const colouredStderr: boolean = wantsColours(settings, isDevice(2) && process.stderr.isTTY)
