/** What a mesh makes of reports: by whom, of which session, when they were made and when they came. */
import { RequestId, SessionId } from "@claudemesh/domain/Ids"
import type { Status } from "@claudemesh/domain/routing/Status"
import { assert, describe, it } from "@effect/vitest"
import { Command, type ReportAnswer } from "../src/state/MeshCommand.ts"
import { statusOf } from "../src/state/MeshState.ts"
import { alice, bob, MeshStory, type Peer, rulesWith } from "./support/MeshStory.ts"

const hook = (story: MeshStory, session: string, status: Status, atMillis = story.nowMillis, by = bob.publicKey) => {
  const answers: Array<ReportAnswer> = []
  const whose = { by, sessionId: SessionId.make(session), cwd: undefined, pid: undefined }
  const replyTo = story.awaitAnswer((answer) => {
    if (answer._tag === "Report") answers.push(answer.answer)
  })
  story.do(Command.Report({ whose, status, atMillis, replyTo }))
  return answers
}

const seen = (story: MeshStory, peer: Peer) => {
  const session = story.state.membersById.get(peer.member.memberId)?.sessions.get(SessionId.make(peer.session))
  return session === undefined ? "gone" : statusOf(story.state, session, story.nowMillis).status
}

describe("a hook's report", () => {
  it("opens the gate for what waits, and shuts it (I9, I10)", () => {
    const story = new MeshStory()
    const [sender, peer] = [story.attach(alice), story.attach(bob)]
    assert.deepStrictEqual(hook(story, "s1", "working"), ["taken"])
    const waiting = story.send(sender, bob.publicKey)
    story.settle()
    assert.deepStrictEqual(peer.pushed, [])
    story.pass(1)
    hook(story, "s1", "idle")
    story.settle()
    assert.deepStrictEqual(peer.pushed, [waiting])
  })

  it("of a working that is not renewed is over after its time, and then what waits goes out (I9, I10)", () => {
    const story = new MeshStory()
    const [sender, peer] = [story.attach(alice), story.attach(bob)]
    hook(story, "s1", "working")
    const waiting = story.send(sender, bob.publicKey)
    story.pass(59_999)
    story.settle()
    assert.deepStrictEqual(peer.pushed, [])
    story.pass(1)
    story.settle()
    assert.deepStrictEqual(peer.pushed, [waiting])
  })

  it("beats the hand for its window, and no longer (I10)", () => {
    const story = new MeshStory()
    const peer = story.attach(bob)
    hook(story, "s1", "idle")
    story.pass(1)
    story.status(peer, "working")
    assert.strictEqual(seen(story, peer), "idle")
    story.pass(29_998)
    assert.strictEqual(seen(story, peer), "idle")
    story.pass(1)
    assert.strictEqual(seen(story, peer), "working")
  })

  it("that was made before the last one changes nothing, and one from a clock ahead is of now (I10)", () => {
    const story = new MeshStory()
    const peer = story.attach(bob)
    hook(story, "s1", "working", story.nowMillis + 50_000)
    hook(story, "s1", "idle", story.nowMillis - 1)
    assert.strictEqual(seen(story, peer), "working")
    story.pass(10)
    hook(story, "s1", "idle")
    assert.strictEqual(seen(story, peer), "idle")
  })

  it("counts again at once when the broker's clock was set back (I10)", () => {
    const story = new MeshStory()
    const peer = story.attach(bob)
    hook(story, "s1", "working")
    story.nowMillis -= 500_000
    hook(story, "s1", "idle", story.nowMillis + 1)
    story.nowMillis += 1
    hook(story, "s1", "idle")
    assert.strictEqual(seen(story, peer), "idle")
  })

  it("waits 10 s for its session's hello, and for that of no other (I11)", () => {
    const story = new MeshStory()
    hook(story, "s1", "working")
    hook(story, "s2", "working")
    const [other, peer] = [story.attach(alice), story.attach(bob)]
    assert.deepStrictEqual([seen(story, other), seen(story, peer)], ["idle", "working"])
    story.pass(10_000)
    assert.strictEqual(seen(story, story.attach(bob, { session: "s2" })), "idle")
    assert.deepStrictEqual(story.state.earlyReports, [])
  })

  it("that waits for a hello is not pushed out by the many of another member (I23)", () => {
    const story = new MeshStory(rulesWith({ earlyReportsMax: 3 }))
    hook(story, "a1", "working", story.nowMillis, alice.publicKey)
    for (const session of ["s1", "s2", "s3", "s4"]) hook(story, session, "working")
    assert.strictEqual(seen(story, story.attach(alice, { session: "a1" })), "working")
    assert.deepStrictEqual(
      ["s1", "s2", "s3", "s4"].map((session) => seen(story, story.attach(bob, { session }))),
      ["idle", "idle", "working", "working"],
    )
  })

  it("of a first client that waits for a hello is of no other process in the folder (I11)", () => {
    const story = new MeshStory()
    const unsigned = { by: undefined, sessionId: SessionId.make("of-the-host"), cwd: "/home/one" }
    const early = (pid: number | undefined) =>
      story.do(
        Command.Report({
          whose: { ...unsigned, pid },
          status: "working",
          atMillis: story.nowMillis,
          replyTo: story.awaitAnswer(() => {}),
        }),
      )
    const first = (session: string, pid: number) =>
      seen(story, story.attach(alice, { protocol: 1, session, signature: String(pid), cwd: "/home/one", pid }))
    early(2)
    assert.deepStrictEqual([first("1-1", 1), first("2-2", 2)], ["idle", "working"])
    story.pass(10_000)
    early(undefined)
    assert.strictEqual(first("3-3", 3), "working")
  })

  it("makes room for a later one, where too many wait for a hello (I23)", () => {
    const story = new MeshStory(rulesWith({ earlyReportsMax: 2 }))
    for (const session of ["s1", "s2", "s3"]) hook(story, session, "working")
    assert.deepStrictEqual(
      ["s1", "s2", "s3"].map((session) => seen(story, story.attach(bob, { session }))),
      ["idle", "working", "working"],
    )
  })
})

describe("set_status", () => {
  it("says whose word it is; of dnd how long; and nothing else has an end (I10)", () => {
    const story = new MeshStory()
    const peer = story.attach(bob)
    const id = { id: RequestId.make("r1") }
    for (const [status, more] of [
      ["dnd", { source: "hook" }],
      ["dnd", { source: "inference" }],
      ["working", { forSeconds: 5 }],
    ] as const) {
      story.status(peer, status, { ...more, ...id })
      assert.deepInclude(peer.last, { type: "error", code: "malformed", id: "r1" })
    }
    assert.strictEqual(seen(story, peer), "idle")
    story.status(peer, "working", { source: "inference" })
    assert.strictEqual(seen(story, peer), "working")
    story.status(peer, "idle")
    assert.strictEqual(seen(story, peer), "idle")
    story.status(peer, "dnd", { forSeconds: 1_800, ...id })
    assert.deepInclude(peer.last, { type: "ok" })
    story.pass(1_799_999)
    assert.strictEqual(seen(story, peer), "dnd")
    story.pass(1)
    assert.strictEqual(seen(story, peer), "idle")
  })
})
