import { isoFromMillis } from "@claudemesh/domain/IsoTime"
import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import { ago, onClock, untilClock, wholeMinute } from "../src/Ago.ts"

const now = Date.parse("2026-06-15T12:00:00.000Z")
const before = (millis: number) => ago(isoFromMillis(now - millis), now)

it.effect.each([
  ["a moment", 3_000, /^just now$/],
  ["a clock that is a little ahead", -20_000, /^just now$/],
  ["a minute", 60_000, /^1 min ago$/],
  ["half an hour", 31 * 60_000, /^31 min ago$/],
  ["days", 3 * 86_400_000, /^12 Jun \d\d:\d\d$/],
  ["a year", 400 * 86_400_000, /^\d{1,2} May 2025,? \d\d:\d\d$/],
] as const)("says how long ago %s is", ([, millis, words]) => Effect.sync(() => assert.match(before(millis), words)))

it.effect("says when on the local clock, and counts a minute that has begun", () =>
  Effect.sync(() => {
    assert.match(onClock("2026-06-15T12:00:00.000Z", now), /^\d\d:\d\d$/)
    assert.match(untilClock("2026-06-15T12:03:01.000Z", now), /^\d\d:04$/)
    assert.strictEqual(untilClock("2026-06-15T12:04:00.000Z", now), untilClock("2026-06-15T12:03:01.000Z", now))
    assert.strictEqual(wholeMinute("2026-06-15T12:59:30.000Z"), "2026-06-15T13:00Z")
  }),
)
