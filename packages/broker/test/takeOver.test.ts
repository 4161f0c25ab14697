/** What a new owner of a mesh finds unfinished. */
import { assert, describe, it } from "@effect/vitest"
import { bob, MeshScenario } from "./support/MeshScenario.ts"

describe("a session that was attached when its broker died", () => {
  it("is written as gone also when it was a first client's, which never comes back: else its row would stay (I17)", () => {
    const scenario = new MeshScenario()
    scenario.attach(bob, { protocol: 1, session: "1-1" })
    scenario.attach(bob, { session: "s1" })
    scenario.pass(60_000)
    scenario.restart()
    scenario.settle()
    assert.deepStrictEqual(
      [...scenario.store.sessions.values()].map(({ detachedAtMillis, session }) => [String(session), detachedAtMillis]),
      [
        ["1-1", scenario.nowMillis],
        ["s1", scenario.nowMillis],
      ],
    )
  })
})
