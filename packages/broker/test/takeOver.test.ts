/** What a new owner of a mesh finds unfinished. */
import { assert, describe, it } from "@effect/vitest"
import { bob, MeshStory } from "./support/MeshStory.ts"

describe("a session that was attached when its broker died", () => {
  it("is written as gone also when it was a first client's, which never comes back: else its row would stay (I17)", () => {
    const story = new MeshStory()
    story.attach(bob, { protocol: 1, session: "1-1" })
    story.attach(bob, { session: "s1" })
    story.pass(60_000)
    story.restart()
    story.settle()
    assert.deepStrictEqual(
      [...story.store.sessions.values()].map(({ detachedAtMillis, session }) => [String(session), detachedAtMillis]),
      [
        ["1-1", story.nowMillis],
        ["s1", story.nowMillis],
      ],
    )
  })
})
