/**
 * `installed.json` beside the config file: what of other programs' files `install` has changed, and how to make each as it was.
 * It keeps edits and a digest, never a copy of a file: there may be secrets of others in it. An older entry of ours that was replaced is in an
 * edit as it stood, comments within it included, since uninstall puts it back; the file is for this user alone. Where it is lost or cannot be
 * understood, what is ours is still found by what it is.
 */
import { createHash } from "node:crypto"
import { rmSync } from "node:fs"
import { join } from "node:path"
import { makeHome } from "@claudemesh/client/local/Home"
import { readSecretFile, writeSecretFile } from "@claudemesh/client/local/SecretFile"
import { Effect, Option, Schema } from "effect"

const Path = Schema.Array(Schema.String)

export const FileRecord = Schema.Struct({
  /** Whether the file was there before. */
  existed: Schema.Boolean,
  /** The outermost folder that was made for it. */
  madeFolder: Schema.optionalKey(Schema.String),
  /** Of the content that we wrote. */
  digest: Schema.String,
  /** None where it was changed by others, too: what was found is not known then. */
  undo: Schema.NullOr(Schema.Array(Schema.Struct({ offset: Schema.Int, length: Schema.Int, content: Schema.String }))),
  created: Schema.Array(Path),
  replaced: Schema.Array(Schema.Struct({ path: Path, value: Schema.Unknown })),
})
export type FileRecord = typeof FileRecord.Type

const InstallRecord = Schema.Struct({ version: Schema.Literal(1), files: Schema.Record(Schema.String, FileRecord) })
type Files = Readonly<Record<string, FileRecord>>

const asJson = Schema.fromJsonString(InstallRecord)
const decode = Schema.decodeUnknownOption(asJson)

export const digestOf = (text: string): string => createHash("sha256").update(text).digest("hex")

const pathIn = (home: string): string => join(home, "installed.json")

export const readRecord = (home: string) =>
  Effect.map(Effect.orElseSucceed(readSecretFile(pathIn(home)), Option.none<string>), (text): Files =>
    Option.match(Option.flatMap(text, decode), { onNone: () => ({}), onSome: ({ files }) => files }),
  )

/** Undefined forgets the file. */
export const writeRecord = Effect.fnUntraced(function* (home: string, path: string, record: FileRecord | undefined) {
  yield* makeHome(home)
  const { [path]: _, ...others } = yield* readRecord(home)
  const files = record === undefined ? others : { ...others, [path]: record }
  if (Object.keys(files).length === 0) return rmSync(pathIn(home), { force: true })
  yield* writeSecretFile(pathIn(home), `${JSON.stringify({ version: 1, files }, undefined, 2)}\n`)
})
