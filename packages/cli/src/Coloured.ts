/** Whether stdout shows colours. What is not even a device is no terminal: `process.stdout` would load streams for 10 ms to say so. */
import { fstatSync } from "node:fs"

const isDevice = (descriptor: number): boolean => {
  try {
    return fstatSync(descriptor).isCharacterDevice()
  } catch {
    return false
  }
}

export const coloured: boolean = isDevice(1) && process.stdout.isTTY && (process.env["NO_COLOR"] ?? "") === ""
