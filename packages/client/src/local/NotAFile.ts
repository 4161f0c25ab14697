/** Why nothing can be kept at a path: what lies there is not a file, or leads nowhere. In words, with what to do about it. */
import { lstatSync, readlinkSync, type Stats, statSync } from "node:fs"
import { dirname, resolve } from "node:path"

export interface NotAFile {
  readonly problem: string
  readonly todo: string
}

/** Undefined for a file, and where nothing is. Asked before a file is opened: to open a pipe may wait for ever. */
export const notAFile = (path: string): NotAFile | undefined => {
  try {
    const stats = statSync(path, { throwIfNoEntry: false })
    return stats === undefined ? leadsNowhere(path) : kindOf(stats)
  } catch (error) {
    return problems[error instanceof Error && "code" in error ? String(error.code) : ""]
  }
}

const away = "Move it away, then try again"

const problems: Readonly<Record<string, NotAFile>> = {
  ELOOP: { problem: "its links lead in a circle", todo: "Remove the link, then try again" },
  EACCES: { problem: "permission denied to a folder above it", todo: "Make that folder yours, then try again" },
  ENOTDIR: { problem: "something above it is not a folder", todo: away },
}

const kindOf = (stats: Stats): NotAFile | undefined => {
  if (stats.isFile()) return undefined
  const kinds = [
    [stats.isDirectory(), "a folder"],
    [stats.isFIFO(), "a pipe"],
    [stats.isSocket(), "a socket"],
  ] as const
  const kind = kinds.find(([isIt]) => isIt)?.[1] ?? "a device"
  return { problem: `it is ${kind} and not a file`, todo: away }
}

/** A link to a file that is not there yet is well: it is made there. */
const leadsNowhere = (path: string): NotAFile | undefined => {
  if (lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() !== true) return undefined
  const target = resolve(dirname(path), readlinkSync(path))
  if (statSync(dirname(target), { throwIfNoEntry: false }) !== undefined) return undefined
  return {
    problem: `it is a link to ${target}, and that folder is not there`,
    todo: "Make that folder, or remove the link, then try again",
  }
}
