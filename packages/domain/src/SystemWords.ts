/** What the system says about a file, in words: by the system's own code, else by the kind that the framework makes of it. */
import type { PlatformError } from "effect"

const byCode: Readonly<Record<string, string>> = {
  EACCES: "permission denied",
  EPERM: "permission denied",
  ENOENT: "there is no such file or folder",
  ENOSPC: "no space is left on the disk",
  EROFS: "it is on a disk that can only be read",
  EDQUOT: "your quota of the disk is used up",
  EFBIG: "the file may not grow any more",
  EEXIST: "it is there already",
  ENOTDIR: "something above it is not a folder",
  EISDIR: "it is a folder and not a file",
  EMFILE: "too many files are open",
  ENFILE: "too many files are open",
  ENAMETOOLONG: "the name is too long",
  ELOOP: "its links lead in a circle",
  EBUSY: "another program uses it",
  EIO: "the disk cannot be read or written",
  ESTALE: "the disk that it is on has gone",
}

const byKind: Readonly<Record<string, string>> = {
  NotFound: "there is no such file or folder",
  PermissionDenied: "permission denied",
  BadResource: "it is not a regular file",
  AlreadyExists: "it is there already",
  Busy: "another program uses it",
  WriteZero: "nothing can be written to it. Is the disk full?",
}

export const systemCodeOf = (error: unknown): string =>
  typeof error === "object" && error !== null && "code" in error ? String(error.code) : ""

/** Of an error that a call of the system threw. */
export const systemWords = (error: unknown): string => {
  const code = systemCodeOf(error)
  return byCode[code] ?? (code === "" && error instanceof Error ? error.message : code || String(error))
}

/** Never the framework's own words, which name its calls. */
export const platformWords = ({ reason }: PlatformError.PlatformError): string => {
  if (reason._tag === "BadArgument") return reason.description ?? "it is no name of a file"
  return byCode[systemCodeOf(reason.cause)] ?? byKind[reason._tag] ?? `it cannot be used (${reason._tag})`
}
