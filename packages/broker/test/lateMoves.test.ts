/** Who asks again and again what became of a message has no inbox looked through and moved each time. */
import { RequestId } from "@claudemesh/domain/Ids"
import { assert, describe, it } from "@effect/vitest"
import { alice, bob, MeshStory } from "./support/MeshStory.ts"

describe("a message that waits for a session that is away", () => {
  it("has its inbox moved for a late commit once in a while, however often somebody asks for it or sends it again (I23)", () => {
    const story = new MeshStory()
    const sender = story.attach(alice)
    const away = story.attach(bob)
    story.detach(away, true)
    story.settle()
    const target = `${bob.publicKey}/s1`
    const messageId = story.send(sender, target, { id: "one" })
    story.settle()
    let moves = 0
    const settle = () => {
      moves += story.writes.filter(({ write }) => write._tag === "InboxMoved").length
      story.settle()
    }
    for (let asked = 0; asked < 50; asked++) {
      story.request(sender, { type: "message_status", id: RequestId.make(`status-${asked}`), messageId })
      settle()
      story.send(sender, target, { id: "one" })
      story.commitOne()
      settle()
    }
    assert.strictEqual(moves, 1)
    story.pass(60_000)
    story.request(sender, { type: "message_status", id: RequestId.make("later"), messageId })
    settle()
    assert.strictEqual(moves, 2)
  })
})
