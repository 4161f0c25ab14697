/** Who asks again and again what became of a message has no inbox looked through and moved each time. */
import { RequestId } from "@claudemesh/domain/Ids"
import { assert, describe, it } from "@effect/vitest"
import { alice, bob, MeshScenario } from "./support/MeshScenario.ts"

describe("a message that waits for a session that is away", () => {
  it("has its inbox moved for a late commit once in a while, however often somebody asks for it or sends it again (I23)", () => {
    const scenario = new MeshScenario()
    const sender = scenario.attach(alice)
    const away = scenario.attach(bob)
    scenario.detach(away, true)
    scenario.settle()
    const target = `${bob.publicKey}/s1`
    const messageId = scenario.send(sender, target, { id: "one" })
    scenario.settle()
    let moves = 0
    const settle = () => {
      moves += scenario.writes.filter(({ write }) => write._tag === "InboxMoved").length
      scenario.settle()
    }
    for (let asked = 0; asked < 50; asked++) {
      scenario.request(sender, { type: "message_status", id: RequestId.make(`status-${asked}`), messageId })
      settle()
      scenario.send(sender, target, { id: "one" })
      scenario.commitOne()
      settle()
    }
    assert.strictEqual(moves, 1)
    scenario.pass(60_000)
    scenario.request(sender, { type: "message_status", id: RequestId.make("later"), messageId })
    settle()
    assert.strictEqual(moves, 2)
  })
})
