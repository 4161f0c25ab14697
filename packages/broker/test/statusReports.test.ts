/** What a mesh makes of reports: by whom, of which session, when they were made and when they came. */
import { RequestId, SessionId } from "@claudemesh/domain/Ids"
import type { Status } from "@claudemesh/domain/routing/Status"
import { assert, describe, it } from "@effect/vitest"
import { Command, type ReportAnswer } from "../src/state/MeshCommand.ts"
import { statusOf } from "../src/state/MeshState.ts"
import { alice, bob, MeshScenario, type Peer, rulesWith } from "./support/MeshScenario.ts"

const hook = (
  scenario: MeshScenario,
  session: string,
  status: Status,
  atMillis = scenario.nowMillis,
  by = bob.publicKey,
) => {
  const answers: Array<ReportAnswer> = []
  const whose = { by, sessionId: SessionId.make(session), cwd: undefined, pid: undefined }
  const replyTo = scenario.awaitAnswer((answer) => {
    if (answer._tag === "Report") answers.push(answer.answer)
  })
  scenario.do(Command.Report({ whose, status, atMillis, replyTo }))
  return answers
}

const seen = (scenario: MeshScenario, peer: Peer) => {
  const session = scenario.state.membersById.get(peer.member.memberId)?.sessions.get(SessionId.make(peer.session))
  return session === undefined ? "gone" : statusOf(scenario.state, session, scenario.nowMillis).status
}

describe("a hook's report", () => {
  it("opens the gate for what waits, and shuts it (I9, I10)", () => {
    const scenario = new MeshScenario()
    const [sender, peer] = [scenario.attach(alice), scenario.attach(bob)]
    assert.deepStrictEqual(hook(scenario, "s1", "working"), ["taken"])
    const waiting = scenario.send(sender, bob.publicKey)
    scenario.settle()
    assert.deepStrictEqual(peer.pushed, [])
    scenario.pass(1)
    hook(scenario, "s1", "idle")
    scenario.settle()
    assert.deepStrictEqual(peer.pushed, [waiting])
  })

  it("of a working that is not renewed is over after its time, and then what waits goes out (I9, I10)", () => {
    const scenario = new MeshScenario()
    const [sender, peer] = [scenario.attach(alice), scenario.attach(bob)]
    hook(scenario, "s1", "working")
    const waiting = scenario.send(sender, bob.publicKey)
    scenario.pass(59_999)
    scenario.settle()
    assert.deepStrictEqual(peer.pushed, [])
    scenario.pass(1)
    scenario.settle()
    assert.deepStrictEqual(peer.pushed, [waiting])
  })

  it("beats the hand for its window, and no longer (I10)", () => {
    const scenario = new MeshScenario()
    const peer = scenario.attach(bob)
    hook(scenario, "s1", "idle")
    scenario.pass(1)
    scenario.status(peer, "working")
    assert.strictEqual(seen(scenario, peer), "idle")
    scenario.pass(29_998)
    assert.strictEqual(seen(scenario, peer), "idle")
    scenario.pass(1)
    assert.strictEqual(seen(scenario, peer), "working")
  })

  it("that was made before the last one changes nothing, and one from a clock ahead is of now (I10)", () => {
    const scenario = new MeshScenario()
    const peer = scenario.attach(bob)
    hook(scenario, "s1", "working", scenario.nowMillis + 50_000)
    hook(scenario, "s1", "idle", scenario.nowMillis - 1)
    assert.strictEqual(seen(scenario, peer), "working")
    scenario.pass(10)
    hook(scenario, "s1", "idle")
    assert.strictEqual(seen(scenario, peer), "idle")
  })

  it("counts again at once when the broker's clock was set back (I10)", () => {
    const scenario = new MeshScenario()
    const peer = scenario.attach(bob)
    hook(scenario, "s1", "working")
    scenario.nowMillis -= 500_000
    hook(scenario, "s1", "idle", scenario.nowMillis + 1)
    scenario.nowMillis += 1
    hook(scenario, "s1", "idle")
    assert.strictEqual(seen(scenario, peer), "idle")
  })

  it("waits 10 s for its session's hello, and for that of no other (I11)", () => {
    const scenario = new MeshScenario()
    hook(scenario, "s1", "working")
    hook(scenario, "s2", "working")
    const [other, peer] = [scenario.attach(alice), scenario.attach(bob)]
    assert.deepStrictEqual([seen(scenario, other), seen(scenario, peer)], ["idle", "working"])
    scenario.pass(10_000)
    assert.strictEqual(seen(scenario, scenario.attach(bob, { session: "s2" })), "idle")
    assert.deepStrictEqual(scenario.state.earlyReports, [])
  })

  it("that waits for a hello is not pushed out by the many of another member (I23)", () => {
    const scenario = new MeshScenario(rulesWith({ earlyReportsMax: 3 }))
    hook(scenario, "a1", "working", scenario.nowMillis, alice.publicKey)
    for (const session of ["s1", "s2", "s3", "s4"]) hook(scenario, session, "working")
    assert.strictEqual(seen(scenario, scenario.attach(alice, { session: "a1" })), "working")
    assert.deepStrictEqual(
      ["s1", "s2", "s3", "s4"].map((session) => seen(scenario, scenario.attach(bob, { session }))),
      ["idle", "idle", "working", "working"],
    )
  })

  it("of a first client that waits for a hello is of no other process in the folder (I11)", () => {
    const scenario = new MeshScenario()
    const unsigned = { by: undefined, sessionId: SessionId.make("of-the-host"), cwd: "/home/one" }
    const early = (pid: number | undefined) =>
      scenario.do(
        Command.Report({
          whose: { ...unsigned, pid },
          status: "working",
          atMillis: scenario.nowMillis,
          replyTo: scenario.awaitAnswer(() => {}),
        }),
      )
    const first = (session: string, pid: number) =>
      seen(scenario, scenario.attach(alice, { protocol: 1, session, signature: String(pid), cwd: "/home/one", pid }))
    early(2)
    assert.deepStrictEqual([first("1-1", 1), first("2-2", 2)], ["idle", "working"])
    scenario.pass(10_000)
    early(undefined)
    assert.strictEqual(first("3-3", 3), "working")
  })

  it("makes room for a later one, where too many wait for a hello (I23)", () => {
    const scenario = new MeshScenario(rulesWith({ earlyReportsMax: 2 }))
    for (const session of ["s1", "s2", "s3"]) hook(scenario, session, "working")
    assert.deepStrictEqual(
      ["s1", "s2", "s3"].map((session) => seen(scenario, scenario.attach(bob, { session }))),
      ["idle", "working", "working"],
    )
  })
})

describe("set_status", () => {
  it("says whose word it is; of dnd how long; and nothing else has an end (I10)", () => {
    const scenario = new MeshScenario()
    const peer = scenario.attach(bob)
    const id = { id: RequestId.make("r1") }
    for (const [status, more] of [
      ["dnd", { source: "hook" }],
      ["dnd", { source: "inference" }],
      ["working", { forSeconds: 5 }],
    ] as const) {
      scenario.status(peer, status, { ...more, ...id })
      assert.deepInclude(peer.last, { type: "error", code: "malformed", id: "r1" })
    }
    assert.strictEqual(seen(scenario, peer), "idle")
    scenario.status(peer, "working", { source: "inference" })
    assert.strictEqual(seen(scenario, peer), "working")
    scenario.status(peer, "idle")
    assert.strictEqual(seen(scenario, peer), "idle")
    scenario.status(peer, "dnd", { forSeconds: 1_800, ...id })
    assert.deepInclude(peer.last, { type: "ok" })
    scenario.pass(1_799_999)
    assert.strictEqual(seen(scenario, peer), "dnd")
    scenario.pass(1)
    assert.strictEqual(seen(scenario, peer), "idle")
  })
})
