/** An error that somebody was answered is found in the log, by its id, and a flood of them does not fill it. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Logger } from "effect"
import { loggerFor } from "../../src/serve.ts"
import { withBroker } from "../support/TestBroker.ts"

interface Line {
  readonly level: string
  readonly message: unknown
  readonly annotations: Readonly<Record<string, unknown>>
}

/** With what is logged meanwhile, as JSON has it. */
const logged = (lines: Array<Line>) =>
  Logger.layer([Logger.map(Logger.formatJson, (line) => void lines.push(JSON.parse(line)))])

describe("an HTTP answer that is an error", () => {
  const lines: Array<Line> = []
  it.live("has the id of its request, which stands in the log with what was asked and how it was answered", () =>
    withBroker(async ({ origin }) => {
      const health = await fetch(`${origin}/health`)
      assert.isNull(health.headers.get("x-request-id"))
      const refused = await fetch(`${origin}/meshes?${"a".repeat(300)}`, { method: "POST", body: "{}" })
      const requestId = refused.headers.get("x-request-id")
      const [line] = lines.filter(({ annotations }) => annotations["requestId"] === requestId)
      assert.deepStrictEqual(line?.annotations, { requestId, method: "POST", path: "/meshes", status: 415 })
      const unknown = await fetch(`${origin}/${"a".repeat(1_000)}`)
      assert.notStrictEqual(unknown.headers.get("x-request-id"), requestId)
      assert.isBelow(JSON.stringify(lines.at(-1)).length, 500)
    }).pipe(Effect.provide(logged(lines))),
  )

  const flood: Array<Line> = []
  it.live("is in the log no more often than a bound, and has its id all the same", () =>
    withBroker(
      async ({ origin }) => {
        for (let n = 0; n < 10; n++) {
          const { headers } = await fetch(`${origin}/no-such-path`)
          assert.match(headers.get("x-request-id") ?? "", /^[0-9a-z]+-[0-9a-z]+$/)
        }
        assert.lengthOf(
          flood.filter(({ annotations }) => annotations["status"] === 404),
          3,
        )
      },
      { limits: { refusalLinesBurst: 3, refusalLinesPerSecond: 0.001 } },
    ).pipe(Effect.provide(logged(flood))),
  )
})

describe("a log line", () => {
  it("is one JSON object where nobody looks at a terminal, whatever is in it", () => {
    const said: Array<string> = []
    const error = console.error
    console.error = (line: string) => void said.push(line)
    try {
      Effect.runSync(
        Effect.logWarning('a "line"\nof two').pipe(
          Effect.annotateLogs({ meshId: "m1" }),
          Effect.provide(Logger.layer([loggerFor(false)])),
        ),
      )
    } finally {
      console.error = error
    }
    assert.lengthOf(said, 1)
    assert.notInclude(said[0] ?? "\n", "\n")
    assert.deepInclude(JSON.parse(said[0] ?? ""), {
      level: "WARN",
      message: 'a "line"\nof two',
      annotations: { meshId: "m1" },
    })
  })
})
