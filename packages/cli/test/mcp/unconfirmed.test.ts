/** How far the agent has what was leased for it, as a machine without time and without a host (I8). */
import { MessageId } from "@claudemesh/domain/Ids"
import { IsoTime } from "@claudemesh/domain/IsoTime"
import { Content } from "@claudemesh/client/seal/OpenPush"
import type { InboxMessage } from "@claudemesh/client/inbox/Inbox"
import { assert, describe, it } from "@effect/vitest"
import { partCharactersMax } from "../../src/mcp/Limits.ts"
import { Unconfirmed } from "../../src/mcp/Unconfirmed.ts"
import { message, numbered } from "../support/Messages.ts"

/** A machine whose work is a word. */
const holding = (...leases: ReadonlyArray<ReadonlyArray<InboxMessage>>) => {
  const machine = new Unconfirmed<string>()
  for (const [index, messages] of leases.entries()) {
    machine.hold({ messages, commit: `commit ${index}`, release: `release ${index}` })
  }
  return machine
}

const commits = (leases: ReadonlyArray<{ readonly commit: string }>) => leases.map(({ commit }) => commit)
const releases = (leases: ReadonlyArray<{ readonly release: string }>) => leases.map(({ release }) => release)
const unread = (machine: Unconfirmed<string>) => machine.unread.map(({ text }) => /\n(.*)\n/.exec(text("b"))?.[1])
const first = (machine: Unconfirmed<string>, count: number) => machine.unread.slice(0, count)

const threeParts = message({
  messageId: MessageId.make("f".repeat(32)),
  content: Content.Opened({ text: "x".repeat(2.5 * partCharactersMax), binding: "bound" }),
})

describe("what was leased for the agent", () => {
  it("is committed when its answer is confirmed, and not when it is written (I8)", () => {
    const machine = holding([numbered(1), numbered(2)])
    machine.answer(7, "aa", first(machine, 2))
    assert.deepStrictEqual(unread(machine), [])
    machine.written(7)
    assert.deepStrictEqual(commits(machine.confirm("bb")), [])
    assert.deepStrictEqual(commits(machine.confirm("aa")), ["commit 0"])
    assert.deepStrictEqual(commits(machine.confirm("aa")), [], "once")
  })

  it("is given in the order in which it arrived from one broker, whose clock may have been set back", () => {
    const before = { ...numbered(1), createdAt: IsoTime.make("2026-11-24T08:59:59.000Z") }
    const after = { ...numbered(2), createdAt: IsoTime.make("2026-11-24T07:59:59.000Z") }
    assert.deepStrictEqual(unread(holding([after], [before])), ["text 1", "text 2"])
  })

  it("is released when its call is cancelled before anything was written (I8)", () => {
    const machine = holding([numbered(1)])
    machine.answer(7, "aa", first(machine, 1))
    assert.deepStrictEqual(releases(machine.cancelled(7)), ["release 0"])
    assert.deepStrictEqual(unread(machine), [])
    assert.deepStrictEqual(commits(machine.confirm("aa")), [])
  })

  it("is shown again, marked, when its call is cancelled after the answer was written (I8)", () => {
    const machine = holding([numbered(1)])
    machine.answer(7, "aa", first(machine, 1))
    machine.written(7)
    assert.deepStrictEqual(releases(machine.cancelled(7)), [], "it may have been shown: nobody else gets it unmarked")
    assert.isFalse(machine.isOpen("aa"), "time does not confirm it any more")
    assert.deepStrictEqual(unread(machine), ["text 1"])
    assert.match(machine.unread[0]?.text("b") ?? "", / redelivered="yes">/)
    machine.answer(8, "bb", first(machine, 1))
    machine.written(8)
    assert.deepStrictEqual(commits(machine.confirm("bb")), ["commit 0"])
  })

  it("is committed by the agent's own word for an answer whose call was cancelled", () => {
    const machine = holding([numbered(1)])
    machine.answer(7, "aa", first(machine, 1))
    machine.written(7)
    machine.cancelled(7)
    assert.isTrue(machine.isKnown("aa"))
    assert.deepStrictEqual(commits(machine.confirm("aa")), ["commit 0"])
    assert.deepStrictEqual(unread(machine), [])
  })

  it("is committed lease by lease, each when all of it is confirmed, in any order (I8)", () => {
    const machine = holding([numbered(1), numbered(2)], [numbered(3)])
    machine.answer("a", "aa", first(machine, 1))
    machine.answer("b", "bb", first(machine, 2))
    machine.written("a")
    machine.written("b")
    assert.deepStrictEqual(commits(machine.confirm("bb")), ["commit 1"])
    assert.deepStrictEqual(commits(machine.confirm("aa")), ["commit 0"])
  })

  it("is read oldest first, whichever lease it came with", () => {
    const machine = holding([numbered(3), numbered(1)], [numbered(2)])
    assert.deepStrictEqual(unread(machine), ["text 1", "text 2", "text 3"])
    machine.answer(1, "aa", first(machine, 2))
    assert.deepStrictEqual(unread(machine), ["text 3"])
  })

  it("in parts is committed with the last of them, and begins again where a part was not seen (I8)", () => {
    const machine = holding([threeParts])
    const parts = machine.unread.map(({ text }) => / part="([^"]+)"/.exec(text("b"))?.[1])
    assert.deepStrictEqual(parts, ["1 of 3", "2 of 3", "3 of 3"])
    for (const [id, cursor] of ["aa", "bb", "cc"].entries()) {
      machine.answer(id, cursor, first(machine, 1))
      machine.written(id)
      assert.lengthOf(machine.waiting, id === 2 ? 0 : 1)
    }
    assert.deepStrictEqual(commits(machine.confirm("aa")), [])
    assert.deepStrictEqual(commits(machine.confirm("cc")), [])
    machine.cancelled(1)
    assert.match(machine.unread[0]?.text("b") ?? "", / redelivered="yes" part="2 of 3">/)
    machine.answer(9, "dd", first(machine, 1))
    machine.written(9)
    assert.deepStrictEqual(commits(machine.confirm("dd")), ["commit 0"])
  })

  it("in parts keeps its lease when the call for a later part is cancelled", () => {
    const machine = holding([threeParts])
    machine.answer(1, "aa", first(machine, 1))
    machine.written(1)
    machine.answer(2, "bb", first(machine, 1))
    assert.deepStrictEqual(releases(machine.cancelled(2)), [])
    assert.match(machine.unread[0]?.text("b") ?? "", / part="2 of 3">/, "and that part was not seen")
  })

  it("keeps the lease of what may have been shown when another call is cancelled", () => {
    const machine = holding([numbered(1)], [numbered(2)])
    machine.answer(1, "aa", first(machine, 1))
    machine.written(1)
    machine.cancelled(1)
    machine.answer(2, "bb", first(machine, 2))
    assert.deepStrictEqual(releases(machine.cancelled(2)), ["release 1"])
    assert.deepStrictEqual(unread(machine), ["text 1"])
  })

  it("is found by its cursor for a while after it was confirmed", () => {
    const machine = holding([numbered(1)])
    machine.answer(1, "aa", first(machine, 1))
    machine.written(1)
    machine.confirm("aa")
    assert.isTrue(machine.isKnown("aa"))
    assert.isFalse(machine.isKnown("bb"))
  })

  it("belongs to the last answer where a host uses a request's id again", () => {
    const machine = holding([numbered(1)], [numbered(2)])
    machine.answer(1, "aa", first(machine, 1))
    machine.written(1)
    machine.answer(1, "bb", first(machine, 1))
    assert.deepStrictEqual(releases(machine.cancelled(1)), ["release 1"])
    assert.deepStrictEqual(commits(machine.confirm("aa")), ["commit 0"])
  })

  it("in an answer to a hook is confirmed by what the host does next, and never by time (I8)", () => {
    const machine = holding([numbered(1)])
    machine.answer(7, "aa", machine.unread, { event: "PostToolBatch", session: "s1" })
    machine.written(7)
    assert.isUndefined(machine.openCursor(7), "time may not confirm it")
    assert.deepStrictEqual(commits(machine.wentOn({ event: "Notification", session: "s1" })), [])
    assert.deepStrictEqual(commits(machine.wentOn({ event: "PreToolUse", session: "s1" })), ["commit 0"])
  })

  it("in an answer to a hook that was cancelled is never confirmed, and comes again as redelivered (I8)", () => {
    const machine = holding([numbered(1)])
    machine.answer(7, "aa", machine.unread, { event: "Stop", session: "s1" })
    machine.written(7)
    machine.cancelled(7)
    assert.deepStrictEqual(commits(machine.wentOn({ event: "Stop", session: "s1" })), [])
    assert.match(machine.unread[0]?.text("b") ?? "", / redelivered="yes">/)
  })

  it("with a prompt that was taken back, or in a conversation that was cleared, comes again as redelivered (I8)", () => {
    for (const next of [
      { event: "UserPromptSubmit", session: "s1" },
      { event: "UserPromptSubmit", session: "s2" },
    ] as const) {
      const machine = holding([numbered(1)])
      machine.answer(7, "aa", machine.unread, { event: "UserPromptSubmit", session: "s1" })
      machine.written(7)
      assert.deepStrictEqual(commits(machine.wentOn(next)), [])
      assert.match(machine.unread[0]?.text("b") ?? "", / redelivered="yes">/)
      machine.answer(8, "bb", machine.unread, next)
      machine.written(8)
      assert.deepStrictEqual(commits(machine.wentOn({ ...next, event: "Stop" })), ["commit 0"])
    }
  })
})
