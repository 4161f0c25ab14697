/** What a mesh does about a page it cannot read and a write that is not taken: again, less and less often, and aloud. */
import { assert, describe, it } from "@effect/vitest"
import { pageTriesMax } from "../src/state/Inbox.ts"
import { alice, bob, MeshStory, storeFailure } from "./support/MeshStory.ts"

describe("a page that cannot be read", () => {
  /** Two messages wait for Bob, who is there now. */
  const failing = () => {
    const story = new MeshStory()
    const sender = story.attach(alice)
    const ids = ["m1", "m2"].map((id) => story.send(sender, bob.publicKey, { id }))
    story.settle()
    const peer = story.arrive(bob)
    story.commit()
    return { ids, peer, sender, story }
  }

  /** How long until it is tried again, in whole seconds; undefined: not within a day. */
  const nextTry = (story: MeshStory): number | undefined => {
    for (let seconds = 1; seconds <= 86_400; seconds = seconds < 120 ? seconds + 1 : seconds * 2) {
      story.pass(seconds < 120 ? 1_000 : seconds * 500)
      if (story.reads.length > 0) return seconds
    }
    return undefined
  }

  it("is tried again after a second, then less and less often, and never less often than each half minute (I23)", () => {
    const { ids, peer, story } = failing()
    const waits = Array.from({ length: 8 }, () => {
      story.readOne(storeFailure("unavailable"))
      assert.deepStrictEqual(story.reads, [])
      return nextTry(story)
    })
    assert.deepStrictEqual(waits, [1, 2, 4, 8, 16, 30, 30, 30])
    story.settle()
    assert.deepStrictEqual(peer.pushed, ids)
  })

  it("is not tried more often by what happens meanwhile, and begins with a second again once one was read", () => {
    const { peer, sender, story } = failing()
    for (const _ of [1, 2, 3]) {
      story.readOne(storeFailure("unavailable"))
      nextTry(story)
    }
    story.readOne(storeFailure("unavailable"))
    story.status(peer, "idle")
    story.send(sender, bob.publicKey, { id: "m3" })
    story.commit()
    assert.deepStrictEqual(story.reads, [])
    assert.strictEqual(nextTry(story), 8)
    story.settle()
    story.detach(peer)
    story.arrive(bob)
    story.commit()
    story.readOne(storeFailure("unavailable"))
    assert.strictEqual(nextTry(story), 1)
  })

  it("is tried at once for whoever comes or asks", () => {
    const { ids, peer, story } = failing()
    for (const _ of [1, 2, 3]) {
      story.readOne(storeFailure("unavailable"))
      nextTry(story)
    }
    story.readOne(storeFailure("unavailable"))
    story.pull(peer, "p1")
    assert.strictEqual(story.reads.length, 1)
    story.readOne(storeFailure("unavailable"))
    story.detach(peer)
    const second = story.attach(bob, { session: "s2" })
    assert.deepStrictEqual(second.pushed, ids)
  })

  it("does not keep whoever pulls waiting for longer than two tries (I12)", () => {
    const { peer, story } = failing()
    story.pull(peer, "p1")
    story.readOne(storeFailure("unavailable"))
    assert.deepStrictEqual(story.counts, [])
    nextTry(story)
    story.readOne(storeFailure("unavailable"))
    story.countOne()
    assert.deepStrictEqual(peer.of("ok"), [{ type: "ok", id: "p1", remaining: 2 }])
  })

  it("is left alone after some tries where the database is there and its rows cannot be read, until somebody asks", () => {
    const { ids, peer, sender, story } = failing()
    for (let tries = 1; tries < pageTriesMax; tries++) {
      story.readOne(storeFailure("rejected"))
      assert.isDefined(nextTry(story))
    }
    story.readOne(storeFailure("rejected"))
    assert.isUndefined(nextTry(story))
    // Of another priority all is well.
    const now = story.send(sender, bob.publicKey, { id: "m3", priority: "now" })
    story.settle()
    assert.deepStrictEqual(peer.pushed, [now])
    story.pull(peer, "p1")
    story.settle()
    assert.deepStrictEqual(peer.pushed, [now, ...ids])
  })

  it("is said in the log: of a mesh once a minute, and of each inbox that is left alone", () => {
    const { story } = failing()
    for (let tries = 1; tries < pageTriesMax; tries++) {
      story.readOne(storeFailure("rejected"))
      nextTry(story)
    }
    assert.deepStrictEqual(
      story.logged.map(({ level }) => level),
      ["warning", "warning"],
    )
    story.readOne(storeFailure("rejected"))
    const last = story.logged.at(-1)
    assert.strictEqual(last?.level, "error")
    assert.include(JSON.stringify(last?.about), bob.memberId)
  })
})
