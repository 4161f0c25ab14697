import { assert, describe, it } from "@effect/vitest"
import fc from "fast-check"
import {
  effectiveStatus,
  gateAdmits,
  maySay,
  Status,
  type StatusReport,
  type StatusReports,
  StatusSource,
  withReport,
  withReportNow,
} from "../../src/routing/Status.ts"

const rules = { workingTtlMillis: 60_000, hookFreshMillis: 30_000 }

const reports = (...all: ReadonlyArray<StatusReport>): StatusReports => all.reduce(withReport, {})
const report = (source: StatusSource, status: Status, atMillis: number, untilMillis?: number): StatusReport => ({
  source,
  status,
  atMillis,
  untilMillis,
})
const allAt = (nowMillis: number, ...all: ReadonlyArray<StatusReport>) =>
  effectiveStatus(reports(...all), nowMillis, rules)
/** The status, whose word it is, and when that changes by itself. */
const statusAt = (nowMillis: number, ...all: ReadonlyArray<StatusReport>) => {
  const { source, status, untilMillis } = allAt(nowMillis, ...all)
  return [status, source, untilMillis]
}

describe("the status of a session", () => {
  it("is idle as long as nobody has said anything (I10)", () =>
    assert.deepStrictEqual(statusAt(0), ["idle", undefined, undefined]))

  it("follows a fresh hook rather than what was said by hand later, and says when the hand counts (I10)", () => {
    const hook = report("hook", "working", 0)
    assert.deepStrictEqual(statusAt(29_999, hook, report("manual", "idle", 10_000)), ["working", "hook", 30_000])
    assert.deepStrictEqual(statusAt(29_999, report("hook", "idle", 0), report("manual", "working", 10_000)), [
      "idle",
      "hook",
      30_000,
    ])
  })

  it("follows the hand once the hook's report is stale and older (I10)", () => {
    const hook = report("hook", "working", 0)
    assert.deepStrictEqual(statusAt(30_000, hook, report("manual", "idle", 10_000)), ["idle", "manual", undefined])
    assert.deepStrictEqual(statusAt(30_000, report("hook", "idle", 0), report("manual", "working", 10_000)), [
      "working",
      "manual",
      70_000,
    ])
  })

  it("follows a stale hook that is newer than the hand (I10)", () => {
    assert.deepStrictEqual(statusAt(40_000, report("manual", "idle", 0), report("hook", "working", 5_000)), [
      "working",
      "hook",
      65_000,
    ])
  })

  it("takes an inference where neither hook nor hand has spoken for as long as a working stands (I10)", () => {
    const inferred = report("inference", "working", 50_000)
    assert.deepStrictEqual(statusAt(50_000, inferred), ["working", "inference", 110_000])
    for (const source of ["manual", "hook"] as const) {
      const said = report(source, "idle", 0)
      assert.deepStrictEqual(statusAt(59_999, inferred, said), ["idle", source, 60_000])
      assert.deepStrictEqual(statusAt(60_000, inferred, said), ["working", "inference", 110_000])
      assert.deepStrictEqual(statusAt(60_000, report("inference", "working", 0), report(source, "idle", 1)), [
        "idle",
        source,
        undefined,
      ])
    }
  })

  it("leaves working at the end of its time, and says beforehand when (I10)", () => {
    for (const source of ["hook", "manual", "inference"] as const) {
      const working = report(source, "working", 1_000)
      assert.deepStrictEqual(statusAt(60_999, working), ["working", source, 61_000])
      assert.deepStrictEqual(statusAt(61_000, working), ["idle", undefined, undefined])
    }
  })

  it("stays working for as long as it is renewed (I10)", () => {
    const renewed = [report("hook", "working", 0), report("hook", "working", 50_000)]
    assert.deepStrictEqual(statusAt(109_999, ...renewed), ["working", "hook", 110_000])
  })

  it("leaves dnd by hand only: no hook and no age ends it (I10)", () => {
    const byHand = report("manual", "dnd", 0)
    const dnd: ReturnType<typeof statusAt> = ["dnd", "manual", undefined]
    for (const status of Status.literals) {
      assert.deepStrictEqual(statusAt(1_000, byHand, report("hook", status, 1_000)), dnd)
      assert.deepStrictEqual(statusAt(1_000, byHand, report("inference", status, 1_000)), dnd)
    }
    assert.deepStrictEqual(statusAt(365 * 86_400_000, byHand), dnd)
    assert.strictEqual(statusAt(2_000, byHand, report("manual", "idle", 1_000))[0], "idle")
  })

  it("leaves dnd at its time, where it has one, for what hooks and inference say then (I10)", () => {
    const byHand = report("manual", "dnd", 0, 100_000)
    assert.deepStrictEqual(statusAt(99_999, byHand), ["dnd", "manual", 100_000])
    assert.strictEqual(allAt(99_999, byHand).dndUntilMillis, 100_000)
    assert.deepStrictEqual(statusAt(100_000, byHand), ["idle", "manual", undefined])
    const hook = report("hook", "working", 90_000)
    assert.deepStrictEqual(statusAt(99_999, byHand, hook), ["dnd", "manual", 100_000])
    assert.deepStrictEqual(statusAt(100_000, byHand, hook)[0], "working")
    const inferred = report("inference", "working", 150_000)
    assert.deepStrictEqual(statusAt(150_000, byHand, inferred), ["idle", "manual", 160_000])
    assert.deepStrictEqual(statusAt(160_000, byHand, inferred), ["working", "inference", 210_000])
  })

  it("is dnd by the word of a hand alone (I10)", () => {
    const may = StatusSource.literals.flatMap((source) =>
      Status.literals.filter((status) => maySay(source, status)).map((status) => `${source} ${status}`),
    )
    assert.deepStrictEqual(may, [
      "manual idle",
      "manual working",
      "manual dnd",
      "hook idle",
      "hook working",
      "inference idle",
      "inference working",
    ])
  })
})

const anyReport: fc.Arbitrary<StatusReport> = fc
  .record({
    source: fc.constantFrom(...StatusSource.literals),
    status: fc.constantFrom(...Status.literals),
    atMillis: fc.integer({ min: 0, max: 200_000 }),
    lasts: fc.option(fc.integer({ min: 1, max: 200_000 }), { nil: undefined }),
  })
  .map(({ atMillis, lasts, source, status: drawn }) => {
    const status = maySay(source, drawn) ? drawn : "working"
    return report(source, status, atMillis, status === "dnd" && lasts !== undefined ? atMillis + lasts : undefined)
  })
const anyReports = fc.array(anyReport, { maxLength: 8 })
const aMoment = fc.integer({ min: 200_000, max: 500_000 })

describe("whatever is reported", () => {
  const holds = <A>(name: string, property: fc.IRawProperty<A>) =>
    it(name, () => fc.assert(property, { numRuns: 500, seed: 17 }))

  holds(
    "changes when it says that it will, and at no other moment (I10)",
    fc.property(anyReports, aMoment, fc.integer({ min: 0, max: 400_000 }), (all, now, later) => {
      const before = allAt(now, ...all)
      const { untilMillis = Number.POSITIVE_INFINITY } = before
      assert.isAbove(untilMillis, now)
      const said = ({ source, status }: typeof before) => `${status} ${source}`
      const then = now + later
      if (then < untilMillis) assert.strictEqual(said(allAt(then, ...all)), said(before))
      if (Number.isFinite(untilMillis)) assert.notStrictEqual(said(allAt(untilMillis, ...all)), said(before))
    }),
  )

  holds(
    "is dnd exactly while the last word by hand is, and its time is not over (I10)",
    fc.property(anyReports, aMoment, (all, now) => {
      const { manual } = reports(...all)
      const isDnd = manual?.status === "dnd" && (manual.untilMillis === undefined || manual.untilMillis > now)
      assert.strictEqual(allAt(now, ...all).status === "dnd", isDnd)
    }),
  )

  holds(
    "follows a hook within its window, unless it is dnd, and no other source (I10)",
    fc.property(anyReports, aMoment, (all, now) => {
      const { hook } = reports(...all)
      const { source, status } = allAt(now, ...all)
      const isFresh = hook !== undefined && now < hook.atMillis + rules.hookFreshMillis
      if (isFresh && status !== "dnd") assert.deepStrictEqual([status, source], [hook.status, "hook"])
    }),
  )

  holds(
    "does not depend on the order in which the reports arrive (I10)",
    fc.property(anyReports, fc.infiniteStream(fc.nat()), aMoment, (all, keys, now) => {
      const shuffled = all
        .map((one) => ({ one, key: keys.next().value ?? 0 }))
        .sort((left, right) => left.key - right.key)
        .map(({ one }) => one)
      assert.deepStrictEqual(allAt(now, ...shuffled), allAt(now, ...all))
    }),
  )

  holds(
    "has ended every working that was not renewed, once its time is over (I10)",
    fc.property(anyReports, (all) => {
      assert.notStrictEqual(allAt(200_000 + rules.workingTtlMillis, ...all).status, "working")
    }),
  )

  holds(
    "is what was said last by hand, in whatever millisecond, and by whatever clock (I10)",
    fc.property(
      fc.array(fc.tuple(fc.constantFrom(...Status.literals), fc.constantFrom(0, 0, 1, 500, -5_000)), { minLength: 1 }),
      (said) => {
        let now = 1_000_000
        let all: StatusReports = {}
        for (const [status, passed] of said) {
          now += passed
          all = withReportNow(all, { source: "manual", status }, now)
          assert.strictEqual(effectiveStatus(all, now, rules).status, status)
        }
      },
    ),
  )
})

describe("withReport", () => {
  it("keeps the last report of each source, by the time at which it was made", () => {
    const [first, second, other] = [report("hook", "idle", 1), report("hook", "working", 2), report("manual", "dnd", 1)]
    assert.deepStrictEqual(reports(first, other, second), { hook: second, manual: other })
    assert.deepStrictEqual(reports(second, first), { hook: second })
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
