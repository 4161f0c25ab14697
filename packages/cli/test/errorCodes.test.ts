/** What scripts tell failures apart by: the table of `docs/json.md` has each code that there is, and no other. */
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { assert, it } from "@effect/vitest"
import { UnreachedCause } from "@claudemesh/client/connection/Unreached"
import { codeOf } from "../src/Failed.ts"

const root = join(import.meta.dirname, "../../..")

/** None of these is ever what a command ends with. */
const inside: Readonly<Record<string, string>> = {
  ConnectionLost: "the client connects again",
  ConnectionClosed: "the client connects again",
  DialFailed: "the client says why it is not connected",
  DatabaseBusy: "it is tried again",
  DatabaseFailed: "said as the state that cannot be used",
  Failed: "it has a code of its own, or none",
  NoReplyTarget: "said to a model",
  ReaderGone: "who read the output has what it wanted",
  SendGone: "the send is looked for again",
  SummaryTooLong: "said to a model",
  TooManyReaders: "said to a model",
}

const sources = (folder: string): ReadonlyArray<string> =>
  readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".ts"))
    .map((name) => readFileSync(join(root, folder, name), "utf8"))

const found = (pattern: RegExp): ReadonlyArray<string> =>
  ["packages/client/src", "packages/cli/src"]
    .flatMap(sources)
    .flatMap((source) => [...source.matchAll(pattern)].map(([, name = ""]) => name))

it("each code of a failure stands in docs/json.md, and no other", () => {
  const [, table = ""] = readFileSync(join(root, "docs/json.md"), "utf8").split("# Codes of failures")
  const rows = table.split("\n").filter((line) => line.startsWith("| `"))
  const written = rows.flatMap((row) =>
    [...(row.split("|")[1] ?? "").matchAll(/`(\w+)`/g)].map(([, code = ""]) => code),
  )
  assert.lengthOf(new Set(written), written.length)
  const tags = found(/TaggedError<\w+>\(\)\(\s*"(\w+)"/g).filter((tag) => !Object.hasOwn(inside, tag))
  const named = found(/\bcode: "([a-z]+_[a-z_]+|unauthorized)"/g)
  const expected = new Set([
    "usage",
    "failed",
    "internal",
    "revoked",
    ...UnreachedCause.literals,
    ...tags.map((_tag) => codeOf({ _tag })),
    ...named,
  ])
  assert.deepStrictEqual(written.toSorted(), [...expected].toSorted())
})
