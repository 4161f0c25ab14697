/** When an idle host is woken, as a function of what waits and of what was done before. */
import { assert, describe, it } from "@effect/vitest"
import type { Priority } from "@claudemesh/domain/routing/Status"
import { HostState } from "../../src/host/HostState.ts"
import { hourMillis, stepMillis, wakePromptMillis, wakesPerHour } from "../../src/host/Limits.ts"
import { neverWoken, type Situation, wakeLine, whenToWake, type WakeState } from "../../src/host/WhenToWake.ts"

const waiting = (...priorities: ReadonlyArray<Priority>) =>
  priorities.map((priority, index) => ({ arrival: index + 1, priority }))

const calm: Omit<Situation, "waiting"> = {
  isBusy: false,
  hooksWork: true,
  isDnd: false,
  looks: 0,
  nowMillis: 1_000,
  wakesPerHour,
}

const lineOf = (situation: Partial<Situation>, before: WakeState = neverWoken) =>
  whenToWake(before, { ...calm, waiting: [], ...situation }).line

describe("a host", () => {
  it("is woken by next when it is idle, by now at any time, and by low never", () => {
    assert.strictEqual(lineOf({ waiting: waiting("next") }), "1 message waits on the mesh")
    assert.isUndefined(lineOf({ waiting: waiting("next"), isBusy: true }))
    assert.isUndefined(lineOf({ waiting: waiting("low", "low") }))
    assert.strictEqual(
      lineOf({ waiting: waiting("now"), isBusy: true, hooksWork: false }),
      "1 message waits on the mesh, 1 urgent",
    )
  })

  it("is told numbers and fixed words, and low is not counted", () =>
    assert.strictEqual(wakeLine(waiting("now", "next", "next")), "3 messages wait on the mesh, 1 urgent"))

  it("that is busy is given a moment for its next step, whose hook hands over what is urgent, before it is woken, too", () => {
    const busy = { waiting: waiting("now"), isBusy: true }
    const first = whenToWake(neverWoken, { ...calm, ...busy })
    assert.isUndefined(first.line)
    assert.isUndefined(lineOf({ ...busy, nowMillis: 1_000 + stepMillis - 1 }, first.state))
    assert.isDefined(lineOf({ ...busy, nowMillis: 1_000 + stepMillis }, first.state))
  })

  it("that does not want to be disturbed is not woken, and is when that ends", () => {
    const { line, state } = whenToWake(neverWoken, { ...calm, waiting: waiting("now"), isDnd: true })
    assert.isUndefined(line)
    assert.isDefined(lineOf({ waiting: waiting("now") }, state))
  })

  it("is woken when its clock was set back, and is not busy since a time to come", () => {
    const two = 2 * hourMillis
    const full = { ...neverWoken, atMillis: Array.from({ length: wakesPerHour }, () => two + 1_000) }
    assert.isDefined(lineOf({ waiting: waiting("next") }, full))
    const pressed = { ...neverWoken, urgentSinceMillis: two + 1_000 }
    assert.isDefined(lineOf({ waiting: waiting("now"), isBusy: true }, pressed))
    const state = new HostState()
    state.saw({ event: "PreToolUse", session: "s" }, two)
    assert.isTrue(state.isBusy(two))
    assert.isFalse(state.isBusy(0))
  })

  it("that a wake has prompted has prolonged its turns as often as before, and none where a person has", () => {
    const state = new HostState()
    state.prolonged()
    state.woke(10_000)
    state.saw({ event: "UserPromptSubmit", session: "s" }, 10_000 + wakePromptMillis - 1)
    assert.strictEqual(state.stopsInARow, 1)
    state.saw({ event: "UserPromptSubmit", session: "s" }, 10_000 + wakePromptMillis)
    assert.strictEqual(state.stopsInARow, 0)
  })

  it("that did not look is not woken again, unless something new is urgent", () => {
    const { state } = whenToWake(neverWoken, { ...calm, waiting: waiting("next") })
    assert.isUndefined(lineOf({ waiting: waiting("next") }, state), "the same")
    assert.isUndefined(lineOf({ waiting: waiting("next", "next") }, state), "one more")
    assert.strictEqual(
      lineOf({ waiting: waiting("next", "next", "now") }, state),
      "3 messages wait on the mesh, 1 urgent",
    )
    assert.isDefined(lineOf({ waiting: waiting("next", "next"), looks: 1 }, state), "it has looked, and one is new")
    assert.isUndefined(lineOf({ waiting: waiting("next"), looks: 1 }, state), "it has looked, and nothing is new")
  })

  it("is woken so often within an hour, and no more", () => {
    let state = neverWoken
    let woken = 0
    for (let number = 1; number <= 3 * wakesPerHour; number += 1) {
      const situation = { ...calm, waiting: [{ arrival: number, priority: "now" as const }], nowMillis: 1_000 + number }
      const next = whenToWake(state, situation)
      state = next.state
      if (next.line !== undefined) woken += 1
    }
    assert.strictEqual(woken, wakesPerHour)
    const later = { waiting: [{ arrival: 3 * wakesPerHour, priority: "now" as const }], nowMillis: 1_002 + hourMillis }
    assert.isDefined(lineOf(later, state), "what came meanwhile wakes when the hour is over")
    assert.isUndefined(lineOf({ waiting: waiting("now"), wakesPerHour: 0 }), "0 is never")
  })
})
