/** What is inferred from a transcript, whatever of it is cut, and when that is said. */
import { execFileSync } from "node:child_process"
import { appendFileSync, mkdtempSync, rmSync, truncateSync, unlinkSync, utimesSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Effect, Option } from "effect"
import fc from "fast-check"
import { type Inferred, Inferring, Told } from "../../src/host/Inference.ts"
import { activityOf } from "../../src/host/Transcript.ts"
import { tailReader, transcriptFinder } from "../../src/host/TranscriptFile.ts"
import { inferredAgainMillis, inferredWorkingMillis, transcriptBytesMax } from "../../src/host/Limits.ts"

/** As Claude Code 2.1.332 writes them, without what is not read. */
const line = {
  prompt: { type: "user", message: { role: "user", content: 'look at "type" and {braces}' } },
  toolUse: { type: "assistant", message: { content: [{ type: "tool_use", name: "Bash" }], stop_reason: "tool_use" } },
  toolResult: { type: "user", message: { content: [{ type: "tool_result", content: "x" }] }, toolUseResult: {} },
  part: { type: "assistant", message: { content: [{ type: "text", text: "I " }], stop_reason: null } },
  answer: { type: "assistant", message: { content: [{ type: "text", text: "done" }], stop_reason: "end_turn" } },
  stop: { type: "system", subtype: "stop_hook_summary", hookCount: 0 },
  ended: { type: "system", subtype: "turn_duration", durationMs: 5, isMeta: false },
  interrupted: {
    type: "user",
    message: { content: [{ type: "text", text: "[Request interrupted by user for tool use]" }] },
  },
  printed: { type: "user", message: { content: "<local-command-stdout>Bye</local-command-stdout>" } },
  // Says nothing of the session's turn.
  meta: { type: "user", isMeta: true, message: { content: "<system-reminder>x" } },
  subagent: { type: "assistant", isSidechain: true, message: { content: [], stop_reason: "tool_use" } },
  attachment: { type: "attachment", attachment: { type: "hook" } },
  lastPrompt: { type: "last-prompt", lastPrompt: '{"type":"assistant"}' },
  mode: { type: "mode", mode: "normal" },
  unknown: { type: "system", subtype: "of a later version" },
} as const
type Kind = keyof typeof line

const said: Readonly<Partial<Record<Kind, "working" | "idle">>> = {
  prompt: "working",
  toolUse: "working",
  toolResult: "working",
  part: "working",
  answer: "idle",
  stop: "idle",
  ended: "idle",
  interrupted: "idle",
  printed: "idle",
}
const kinds = Object.keys(line).filter((kind): kind is Kind => kind in line)
const textOf = (those: ReadonlyArray<Kind>) => those.map((kind) => `${JSON.stringify(line[kind])}\n`).join("")
const saidBy = (those: ReadonlyArray<Kind>) => those.flatMap((kind) => said[kind] ?? []).at(-1) ?? "unknown"
const some = fc.array(fc.constantFrom(...kinds), { maxLength: 12 })

describe("a transcript", () => {
  it("says what its last line says that says anything, whatever stands behind it", () => {
    fc.assert(fc.property(some, (those) => assert.strictEqual(activityOf(textOf(those)), saidBy(those))))
  })

  it("that is cut anywhere says the same of what is whole, and nothing of what is not", () => {
    fc.assert(
      fc.property(some, fc.nat(), fc.nat(), (those, from, to) => {
        const text = textOf(those)
        const [begin, end] = [from % (text.length + 1), to % (text.length + 1)].toSorted((a, b) => a - b)
        let at = 0
        const whole = those.filter((kind) => {
          const start = at
          at += textOf([kind]).length
          // Without the line's end it is whole as well.
          return start >= (begin ?? 0) && at - 1 <= (end ?? 0)
        })
        assert.strictEqual(activityOf(text.slice(begin, end)), saidBy(whole))
      }),
    )
  })

  it("of anything at all is one of three words", () => {
    const json = fc.jsonValue({ maxDepth: 2 }).map((value) => JSON.stringify(value))
    const lines = fc.array(json, { maxLength: 4 }).map((all) => all.join("\n"))
    fc.assert(
      fc.property(fc.oneof(fc.string({ unit: "binary-ascii" }), lines), (text) => {
        assert.include(["working", "idle", "unknown"], activityOf(text))
      }),
      { numRuns: 50 },
    )
  })
})

describe("what is inferred", () => {
  const tail = (kind: Kind, writtenAtMillis: number) => ({ text: textOf([kind]), writtenAtMillis })

  it("stands until the transcript says otherwise; working not longer than the transcript grows", () => {
    const session = new Inferring()
    assert.strictEqual(session.now(undefined, 0), "idle")
    assert.strictEqual(session.now(tail("prompt", 1_000), 1_000), "working")
    assert.strictEqual(session.now(tail("meta", 2_000), 2_000), "working")
    assert.strictEqual(session.now(undefined, 1_999 + inferredWorkingMillis), "working")
    assert.strictEqual(session.now(undefined, 2_000 + inferredWorkingMillis), undefined)
    assert.strictEqual(session.now(tail("toolResult", 700_000), 700_000), "working")
    assert.strictEqual(session.now(tail("answer", 702_000), 702_000), "idle")
    assert.strictEqual(session.now(undefined, 9_000_000), "idle")
    assert.strictEqual(session.now(tail("toolUse", 0), inferredWorkingMillis), undefined, "of a session long ago")
  })

  it("is told each mesh when it changes, and working again after a while and on another connection", () => {
    const told = new Told()
    const tell = (status: Inferred, connection: number, nowMillis: number) => {
      const isDue = told.isDue(status, connection, nowMillis)
      if (isDue) told.tell(status, connection, nowMillis)
      return isDue
    }
    assert.deepStrictEqual(
      [
        tell("idle", 1, 0),
        tell("working", 1, 1_000),
        tell("working", 1, 2_000),
        tell("working", 2, 3_000),
        tell("working", 2, 2_999 + inferredAgainMillis),
        tell("working", 2, 3_000 + inferredAgainMillis),
        tell("idle", 2, 60_000),
        tell("idle", 3, 90_000),
      ],
      [false, true, false, true, false, true, true, false],
    )
  })
})

const folder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "transcript-"))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true })),
)

describe("a transcript's file", () => {
  it.live("is read where it has changed, at its end alone; it may shrink, be replaced, be a pipe or be gone", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const path = join(yield* folder, "s.jsonl")
        const read = tailReader()
        const look = Effect.map(read(path), (tail) =>
          Option.match(tail, { onNone: () => "same", onSome: ({ text }) => activityOf(text) }),
        )
        const looks: Array<string> = [yield* look]
        const after = (change: () => void) =>
          Effect.flatMap(Effect.sync(change), () => Effect.map(look, (seen) => void looks.push(seen)))
        yield* after(() => writeFileSync(path, textOf(["prompt", "toolUse"])))
        yield* after(() => {})
        yield* after(() => appendFileSync(path, textOf(["answer"])))
        yield* after(() =>
          appendFileSync(path, `{"type":"user","message":{"content":"${"x".repeat(2 * transcriptBytesMax)}"}}\n`),
        )
        yield* after(() => appendFileSync(path, textOf(["ended"])))
        yield* after(() => truncateSync(path, textOf(["prompt", "toolUse"]).length))
        yield* after(() => (unlinkSync(path), writeFileSync(path, textOf(["answer"])), utimesSync(path, 1, 1)))
        yield* after(() => (unlinkSync(path), void execFileSync("mkfifo", [path])))
        yield* after(() => unlinkSync(path))
        assert.deepStrictEqual(looks, [
          "unknown",
          "working",
          "same",
          "idle",
          "unknown",
          "idle",
          "working",
          "idle",
          "unknown",
          "unknown",
        ])
        const { text } = Option.getOrThrow(yield* read(import.meta.filename))
        assert.isAtMost(text.length, transcriptBytesMax)
      }),
    ),
  )

  it.live("is in the folder of its project, or in whichever has it, and never outside of them", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const config = yield* folder
        const projects = join(config, "projects")
        execFileSync("mkdir", ["-p", join(projects, "-projects-my-app"), join(projects, "other")])
        const find = (session: string) =>
          Effect.flatten(transcriptFinder(session, "/projects/my.app")).pipe(
            Effect.provide(ConfigProvider.layer(ConfigProvider.fromUnknown({ CLAUDE_CONFIG_DIR: config }))),
          )
        writeFileSync(join(projects, "-projects-my-app", "a-1.jsonl"), "")
        writeFileSync(join(projects, "other", "b-2.jsonl"), "")
        writeFileSync(join(config, "c.jsonl"), "")
        assert.strictEqual(yield* find("a-1"), join(projects, "-projects-my-app", "a-1.jsonl"))
        assert.strictEqual(yield* find("b-2"), join(projects, "other", "b-2.jsonl"))
        for (const session of ["c", "../../c", "", "a".repeat(129), "a/1"]) assert.isUndefined(yield* find(session))
      }),
    ),
  )
})
