/** What is noted of a wake: that it was written, and that a turn followed it. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { TestClock } from "effect/testing"
import { HostState } from "../../src/host/HostState.ts"
import { wakeFollowedMillis, wakeLookMillis, wakesPerHour } from "../../src/host/Limits.ts"
import { keepAwake } from "../../src/host/Wake.ts"

const woken = Effect.fnUntraced(function* (state: HostState) {
  const lines: Array<string> = []
  const notes: Array<object> = []
  const waiting = [{ arrival: 1, priority: "now" as const }]
  const manager = {
    all: [{ inbox: { waiting } }],
    awaitAvailable: Effect.void,
    isDnd: () => false,
    look: Effect.succeed(waiting),
  } as unknown as Parameters<typeof keepAwake>[0]["manager"]
  const file = { write: (line: string) => void lines.push(line), note: (one: object) => void notes.push(one) }
  yield* Effect.forkChild(keepAwake({ manager, reading: { looks: () => 0 }, state }, file, wakesPerHour))
  yield* TestClock.adjust(wakeLookMillis)
  assert.lengthOf(lines, 1)
  return notes
})

describe("a wake of an idle session", () => {
  it.effect("is noted, and so is the turn that follows it", () =>
    Effect.gen(function* () {
      const state = new HostState()
      const notes = yield* woken(state)
      assert.deepStrictEqual(notes, [{ wokenAtMillis: 0 }])
      state.saw({ event: "UserPromptSubmit", session: "s" }, 0)
      yield* TestClock.adjust(wakeLookMillis)
      assert.deepStrictEqual(notes[1], { followedAtMillis: 0 })
    }),
  )

  it.effect("counts as followed by nothing after its time", () =>
    Effect.gen(function* () {
      const state = new HostState()
      const notes = yield* woken(state)
      yield* TestClock.adjust(wakeFollowedMillis + wakeLookMillis)
      state.saw({ event: "UserPromptSubmit", session: "s" }, 0)
      yield* TestClock.adjust(wakeFollowedMillis)
      assert.lengthOf(notes, 1)
    }),
  )
})
