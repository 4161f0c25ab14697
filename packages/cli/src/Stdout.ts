/**
 * Stdout, with the knowledge of what was taken from it. A write that returned proves nothing: a pipe holds 64 KiB that
 * `head -1` never reads. So a text counts as taken once a file or a terminal has it, or once whoever reads the pipe has
 * read all of it. It asks the system what no runtime tells (`docs/decisions/0030-what-stdout-has-taken.md`).
 */
import { dlopen, FFIType, type Pointer, ptr } from "bun:ffi"
import { fstatSync, statSync, writeSync } from "node:fs"
import { devNull } from "node:os"
import { type Console, Effect, Exit, Option, Schema } from "effect"

/** Stdout takes nothing: the disk is full, or it cannot be written to. */
export class StdoutFailed extends Schema.TaggedError<StdoutFailed>()("StdoutFailed", { reason: Schema.String }) {
  override get message() {
    return `The output could not be written: ${this.reason}.`
  }
}

/** Whoever read has gone, such as `head`. It is no failure. */
export class ReaderGone extends Schema.TaggedError<ReaderGone>()("ReaderGone", {}) {}

/** What is done once the text is taken, or once it is known that not all of it will be. */
export interface Ends {
  readonly taken: Effect.Effect<void>
  readonly left: Effect.Effect<void>
}

const nothing: Ends = { taken: Effect.void, left: Effect.void }

/**
 * Writes all of it, and waits until it is taken. A reader that pauses, such as a pager, is waited for. Interrupted in that
 * wait, it is looked at once more: what was read was read.
 */
export const writeTaken = (text: string, ends: Ends = nothing): Effect.Effect<void, StdoutFailed | ReaderGone> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.gen(function* () {
      const written = yield* Effect.exit(restore(Effect.andThen(takesAnything, writeInTwo(text))))
      if (Exit.isFailure(written)) return yield* Effect.andThen(ends.left, written)
      const read = yield* Effect.exit(restore(until(isRead)))
      yield* Exit.isSuccess(read) || isRead() === "yes" ? ends.taken : ends.left
      return yield* read
    }),
  )

/** Asked before anything is written: the runtime puts `/dev/null` in the place of a closed stdout, and that takes everything. */
const takesAnything = Effect.suspend(() => {
  const reason = whyNothingIsTaken() ?? (isThrownAway() ? thrownAway : undefined)
  return reason === undefined ? Effect.void : Effect.fail(new StdoutFailed({ reason }))
})

/**
 * Of several lines, the end of the last one waits until all before it was read. Whoever reads takes whole blocks: `head -1` would take
 * every line of a text that lies in the pipe, and print the first.
 */
const writeInTwo = (text: string) => {
  const lines = text.trimEnd()
  if (!lines.includes("\n")) return writeAll(text)
  return writeAll(lines).pipe(Effect.andThen(until(isRead)), Effect.andThen(writeAll(text.slice(lines.length))))
}

const writeAll = Effect.fnUntraced(function* (text: string) {
  const bytes = new TextEncoder().encode(text)
  for (let from = 0; from < bytes.length;) {
    yield* until(() => system.isWritable())
    from += yield* write(bytes.subarray(from, from + chunkBytes))
  }
})

/** Of a pipe whose other end is closed: `head` has what it wanted. */
export const isReaderGone = (): boolean => system.isWritable() === "gone"

const isRead = () => {
  if (system.unreadBytes() === 0) return "yes"
  return system.isWritable() === "gone" ? "gone" : "no"
}

/**
 * The console of commands, for what they print at once. The runtime's own passes over a full disk without a word: a link
 * that was made would be lost, and the exit code would say that all is well.
 */
export const console: Console.Console = Object.assign(Object.create(globalThis.console), {
  log: (...texts: ReadonlyArray<unknown>) => {
    const bytes = new TextEncoder().encode(`${texts.join(" ")}\n`)
    const reason = whyNothingIsTaken()
    if (reason !== undefined) fail(reason)
    try {
      for (let from = 0; from < bytes.length;) from += writeSome(bytes.subarray(from))
    } catch (error) {
      const code = codeOf(error)
      // `head` has what it wanted.
      if (code === "EPIPE") process.exit(0)
      fail(words[code] ?? code)
    }
  },
})

const fail = (reason: string): never => {
  process.stderr.write(`claudemesh: ${new StdoutFailed({ reason }).message}\n`)
  return process.exit(1)
}

const writeSome = (bytes: Uint8Array, descriptor = stdout): number => {
  try {
    return writeSync(descriptor, bytes)
  } catch (error) {
    if (codeOf(error) === "EAGAIN") return 0
    throw error
  }
}

const codeOf = (error: unknown): string =>
  error instanceof Error && "code" in error ? String(error.code) : String(error)

/** A pipe that can be written to at all takes this much without waiting (PIPE_BUF). */
const chunkBytes = 4_096
const lookAgain = "1 millis"

const until = (ask: () => "yes" | "no" | "gone"): Effect.Effect<void, ReaderGone> =>
  Effect.suspend(() => {
    const answer = ask()
    if (answer === "yes") return Effect.void
    return answer === "gone" ? Effect.fail(new ReaderGone()) : Effect.andThen(Effect.sleep(lookAgain), until(ask))
  })

const write = (bytes: Uint8Array): Effect.Effect<number, StdoutFailed | ReaderGone> =>
  Effect.try({
    try: () => writeSync(stdout, bytes),
    catch: codeOf,
  }).pipe(
    Effect.catch((code) => {
      if (code === "EAGAIN") return Effect.as(Effect.sleep(lookAgain), 0)
      return Effect.fail(code === "EPIPE" ? new ReaderGone() : new StdoutFailed({ reason: words[code] ?? code }))
    }),
  )

const words: Readonly<Record<string, string>> = {
  ENOSPC: "no space is left on the device (ENOSPC)",
  EBADF: "stdout is not open for writing (EBADF)",
  EIO: "the terminal is gone (EIO)",
  EFBIG: "the file may not grow any more (EFBIG)",
  EDQUOT: "your quota of the disk is used up (EDQUOT)",
}

const thrownAway =
  "stdout is closed, or the program that started this command ignores it. To throw messages away: claudemesh inbox > /dev/null"

const [stdout, stderr] = [1, 2]

interface SystemCalls {
  /** What it was opened for; undefined where nothing was opened. */
  readonly openedFor: () => number | undefined
  /** Whether this process opened it: what it was given when it started is there because it stays open in a new program. */
  readonly isOurOwn: (descriptor: number) => boolean
  readonly isWritable: () => "yes" | "no" | "gone"
  /** Written and not read yet; 0 for what is no pipe. */
  readonly unreadBytes: () => number
}

const [getDescriptorFlags, getStatusFlags] = [1, 3]
const closeOnExec = 1
const accessMode = 3
const [forReading, forBoth] = [0, 2]
const pollOut = 4
const pollErrorOrHangUp = 8 | 16
const unreadInPipe = 0x541b
const unreadInSocket = 0x5411

/** Where the system's library is not found, what was written counts as taken. */
const withoutLibrary: SystemCalls = {
  openedFor: () => forBoth,
  isOurOwn: () => false,
  isWritable: () => "yes",
  unreadBytes: () => 0,
}

const calls = (library: string): SystemCalls => {
  const { symbols } = dlopen(library, {
    poll: { args: [FFIType.ptr, FFIType.u64, FFIType.i32], returns: FFIType.i32 },
    fcntl: { args: [FFIType.i32, FFIType.i32], returns: FFIType.i32 },
    ioctl: { args: [FFIType.i32, FFIType.u64, FFIType.ptr], returns: FFIType.i32 },
  })
  const pollOnce = (asked: Pointer): number => symbols.poll(asked, 1, 0)
  return {
    openedFor: () => {
      const flags = symbols.fcntl(stdout, getStatusFlags)
      return flags < 0 ? undefined : flags & accessMode
    },
    isOurOwn: (descriptor) => (symbols.fcntl(descriptor, getDescriptorFlags) & closeOnExec) !== 0,
    isWritable: () => {
      const asked = Buffer.alloc(8)
      asked.writeInt32LE(stdout, 0)
      asked.writeInt16LE(pollOut, 4)
      if (pollOnce(ptr(asked)) <= 0) return "no"
      const found = asked.readInt16LE(6)
      if ((found & pollErrorOrHangUp) !== 0) return "gone"
      return (found & pollOut) === 0 ? "no" : "yes"
    },
    unreadBytes: () => {
      const stat = fstatSync(stdout)
      if (!stat.isFIFO() && !stat.isSocket()) return 0
      // macOS says it in the size, and passes the argument of ioctl in another way than here.
      if (process.platform !== "linux") return stat.size
      const count = new Int32Array(1)
      const failed = symbols.ioctl(stdout, stat.isSocket() ? unreadInSocket : unreadInPipe, ptr(count)) !== 0
      return failed ? 0 : (count[0] ?? 0)
    },
  }
}

const libraries: Readonly<Partial<Record<NodeJS.Platform, ReadonlyArray<string>>>> = {
  linux: ["libc.so.6", `libc.musl-${process.arch === "x64" ? "x86_64" : "aarch64"}.so.1`],
  darwin: ["libSystem.B.dylib"],
}

const open = Option.liftThrowable(calls)

const system: SystemCalls = Option.getOrElse(
  Option.firstSomeOf((libraries[process.platform] ?? []).map((library) => open(library))),
  () => withoutLibrary,
)

const wasClosed = system.isOurOwn(stdout)
const stderrWasClosed = system.isOurOwn(stderr)

/** Writes a line beside the data, and says whether stderr took it. */
export const saidOnStderr = (text: string): Effect.Effect<boolean> =>
  Effect.sync(() => {
    if (stderrWasClosed) return false
    const bytes = new TextEncoder().encode(`${text}\n`)
    try {
      for (let from = 0; from < bytes.length;) from += writeSome(bytes.subarray(from), stderr)
      return true
    } catch {
      return false
    }
  })

const whyNothingIsTaken = (): string | undefined => {
  const openedFor = system.openedFor()
  if (wasClosed || openedFor === undefined) return "stdout is closed"
  return openedFor === forReading ? words["EBADF"] : undefined
}

/**
 * A shell opens `/dev/null` for writing alone; whoever ignores an output opens it for both, and so does Node where stdout is closed.
 * Nobody is shown anything then, and nobody has said that messages are to be thrown away.
 */
const isThrownAway = (): boolean => {
  const stat = fstatSync(stdout)
  return stat.isCharacterDevice() && stat.rdev === statSync(devNull).rdev && system.openedFor() === forBoth
}
