/**
 * The text of a message, as a person gives it: as words, from a file, or from stdin. What is no text, or none at all, is one clear line
 * before anything is sent.
 */
import { fstatSync } from "node:fs"
import { homedir } from "node:os"
import { join } from "node:path"
import { FileSystem, Effect, Option, Stdio, Stream } from "effect"
import { Flag } from "effect/unstable/cli"
import { failed, Failed, instead, Misused } from "../Failed.ts"
import { unmarked } from "../DashedWords.ts"
import { aside } from "../Output.ts"
import * as sendingWords from "../words/sending.ts"

/** Far more than any broker takes; so much is read to say so, and no more. */
const inputBytesMax = 4_194_304

export const fileFlag = Flag.String("file").pipe(
  Flag.withDescription(sendingWords.theMessageIsInThisFileFor),
  Flag.optional,
)

const notUtf8 = { code: "not_utf8", hint: sendingWords.convertItFirst }

/** Somebody types there, and nothing is piped. */
const isTerminal = (): boolean => {
  try {
    return fstatSync(0).isCharacterDevice() && process.stdin.isTTY
  } catch {
    return true
  }
}

export const typedText = Effect.fnUntraced(function* (typed: ReadonlyArray<string>, file: Option.Option<string>) {
  const words = typed.map(unmarked)
  if (Option.isSome(file) && words.length > 0) {
    return yield* new Misused({ reason: sendingWords.giveATextOrFileAndNot })
  }
  if (Option.isSome(file) && file.value !== "-") return yield* notEmpty(yield* inFile(file.value))
  const isStdin = Option.isSome(file) || words.length === 0 || (words.length === 1 && words[0] === "-")
  if (!isStdin) return yield* notEmpty(yield* asTyped(words.join(" ")))
  if (isTerminal()) {
    if (words.length === 0 && Option.isNone(file)) {
      return yield* new Misused({ reason: sendingWords.thereIsNoTextGiveOneOr })
    }
    yield* aside(sendingWords.typeTheMessageCtrlDOnAn)
  }
  return yield* notEmpty(yield* textOf(yield* wholeStdin, "stdin"))
})

const notEmpty = (text: string) =>
  text.trim() === ""
    ? Effect.fail(new Misused({ reason: sendingWords.theTextIsEmptyNothingWasSent }))
    : Effect.succeed(text)

/** What was no UTF-8 in the line is a sign of its own in it by now. */
const asTyped = (text: string) =>
  text.includes("\ufffd")
    ? Effect.fail(new Failed({ reason: sendingWords.theTextIsNotUtf8Nothing, ...notUtf8 }))
    : Effect.succeed(text)

const wholeStdin = Effect.gen(function* () {
  const { stdin } = yield* Stdio.Stdio
  let bytes = 0
  const chunks = yield* stdin.pipe(
    Stream.takeWhile((chunk) => {
      const had = bytes
      bytes += chunk.length
      return had <= inputBytesMax
    }),
    Stream.runCollect,
    Effect.mapError((error) => new Failed({ reason: sendingWords.stdinCannotBeReadNothingWasSent(error.message) })),
  )
  return Buffer.concat([...chunks])
})

const inFile = Effect.fnUntraced(function* (typed: string) {
  const path = typed === "~" || typed.startsWith("~/") ? join(homedir(), typed.slice(1)) : typed
  const files = yield* FileSystem.FileSystem
  const { size, type } = yield* Effect.mapError(files.stat(path), (error) => unreadable(failed(error)))
  if (type === "Directory") return yield* new Failed({ reason: sendingWords.itIsAFolderNothingWasSent(path) })
  if (size > BigInt(inputBytesMax)) return yield* tooLong(path)
  return yield* textOf(yield* Effect.mapError(files.readFile(path), (error) => unreadable(failed(error))), path)
})

const unreadable = (failure: Failed) => instead(failure, `${failure.reason}. Nothing was sent.`)

const tooLong = (where: string) =>
  new Failed({
    reason: sendingWords.hasMoreThanMiBAndAMessage(where, inputBytesMax / 1_048_576),
    code: "too_large",
    hint: sendingWords.sendAPartOfIt,
  })

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })

const byteOrderMarks: ReadonlyArray<readonly [string, ReadonlyArray<number>]> = [
  ["UTF-16", [0xff, 0xfe]],
  ["UTF-16", [0xfe, 0xff]],
]

const textOf = (bytes: Uint8Array, where: string) => {
  if (bytes.length > inputBytesMax) return Effect.fail(tooLong(where))
  const other = byteOrderMarks.find(([, mark]) => mark.every((byte, at) => bytes[at] === byte))?.[0]
  const isWhat = other === undefined ? "not UTF-8 text" : `${other} and not UTF-8`
  return Effect.try({
    try: () => decoder.decode(bytes),
    catch: () => new Failed({ reason: sendingWords.isNothingWasSent(where, isWhat), ...notUtf8 }),
  })
}
