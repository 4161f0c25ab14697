import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import {
  effectiveStatus,
  gateAdmits,
  Status,
  type StatusReport,
  type StatusReports,
  type StatusSource,
  withReport,
} from "../../src/routing/Status.ts"

const rules = { workingTtlMillis: 60_000, hookFreshMillis: 30_000 }

const reports = (...all: ReadonlyArray<StatusReport>): StatusReports => all.reduce(withReport, {})
const report = (source: StatusSource, status: Status, atMillis: number): StatusReport => ({ source, status, atMillis })
const statusAt = (nowMillis: number, ...all: ReadonlyArray<StatusReport>) =>
  effectiveStatus(reports(...all), nowMillis, rules)

const idle = { status: "idle", untilMillis: undefined } as const
const dnd = { status: "dnd", untilMillis: undefined } as const
const workingUntil = (untilMillis: number) => ({ status: "working", untilMillis }) as const

describe("the status of a session", () => {
  it("is idle as long as nobody has said anything (I10)", () => assert.deepStrictEqual(statusAt(0), idle))

  it("follows a fresh hook rather than what was said by hand later (I10)", () => {
    const hook = report("hook", "working", 0)
    assert.deepStrictEqual(statusAt(29_999, hook, report("manual", "idle", 10_000)), workingUntil(60_000))
    assert.deepStrictEqual(statusAt(29_999, report("hook", "idle", 0), report("manual", "working", 10_000)), idle)
  })

  it("follows the hand once the hook's report is stale and older (I10)", () => {
    const hook = report("hook", "working", 0)
    assert.deepStrictEqual(statusAt(30_000, hook, report("manual", "idle", 10_000)), idle)
    assert.deepStrictEqual(
      statusAt(30_000, report("hook", "idle", 0), report("manual", "working", 10_000)),
      workingUntil(70_000),
    )
  })

  it("follows a stale hook that is newer than the hand (I10)", () => {
    assert.deepStrictEqual(
      statusAt(40_000, report("manual", "idle", 0), report("hook", "working", 5_000)),
      workingUntil(65_000),
    )
  })

  it("takes an inference only when neither hook nor hand has spoken (I10)", () => {
    const inferred = report("inference", "working", 50_000)
    assert.deepStrictEqual(statusAt(50_000, inferred), workingUntil(110_000))
    assert.deepStrictEqual(statusAt(50_000, inferred, report("manual", "idle", 0)), idle)
    assert.deepStrictEqual(statusAt(50_000, inferred, report("hook", "idle", 0)), idle)
  })

  it("leaves working at the end of its time, and says beforehand when (I10)", () => {
    for (const source of ["hook", "manual", "inference"] as const) {
      const working = report(source, "working", 1_000)
      assert.deepStrictEqual(statusAt(60_999, working), workingUntil(61_000), source)
      assert.deepStrictEqual(statusAt(61_000, working), idle, source)
    }
  })

  it("stays working for as long as it is renewed (I10)", () => {
    const renewed = [report("hook", "working", 0), report("hook", "working", 50_000)]
    assert.deepStrictEqual(statusAt(109_999, ...renewed), workingUntil(110_000))
  })

  it("leaves dnd by hand only: no hook and no age ends it (I10)", () => {
    const byHand = report("manual", "dnd", 0)
    for (const status of Status.literals) {
      assert.deepStrictEqual(statusAt(1_000, byHand, report("hook", status, 1_000)), dnd)
      assert.deepStrictEqual(statusAt(1_000, byHand, report("inference", status, 1_000)), dnd)
    }
    assert.deepStrictEqual(statusAt(365 * 86_400_000, byHand), dnd)
    assert.deepStrictEqual(statusAt(2_000, byHand, report("manual", "idle", 1_000)), idle)
  })

  const Reports = Schema.Array(
    Schema.Struct({
      source: Schema.Literals(["hook", "manual", "inference"]),
      status: Status,
      atMillis: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 200_000 })),
    }),
  )
  const Moment = Schema.Int.check(Schema.isBetween({ minimum: 200_000, maximum: 400_000 }))

  it.prop(
    "is working only until a time yet to come, and then it is not (I10)",
    { all: Reports, now: Moment },
    ({ all, now }) => {
      const { status, untilMillis } = statusAt(now, ...all)
      assert.strictEqual(status === "working", untilMillis !== undefined)
      if (untilMillis === undefined) return
      assert.isAbove(untilMillis, now)
      assert.notStrictEqual(statusAt(untilMillis, ...all).status, "dnd")
      assert.isTrue(statusAt(untilMillis, ...all).untilMillis !== untilMillis)
    },
  )
})

describe("withReport", () => {
  it("keeps the last report of each source", () => {
    const [first, second, other] = [report("hook", "idle", 1), report("hook", "working", 2), report("manual", "dnd", 1)]
    assert.deepStrictEqual(reports(first, other, second), { hook: second, manual: other })
  })
})

describe("the gate", () => {
  const table = {
    idle: { now: true, next: true, low: false },
    working: { now: true, next: false, low: false },
    dnd: { now: true, next: false, low: false },
  }
  for (const status of Status.literals) {
    for (const priority of ["now", "next", "low"] as const) {
      const admits = table[status][priority]
      it(`${admits ? "lets" : "does not let"} ${priority} through to one who is ${status} (I14)`, () =>
        assert.strictEqual(gateAdmits(status, priority), admits))
    }
  }
})
