/**
 * An inbox on its own, against a store that is a map and two windows: whatever happens in whatever order, nothing is in
 * two windows, nothing is pushed that was acked, and at the end everything has gone out.
 */
import { Base64 } from "@claudemesh/domain/Base64"
import { MessageId } from "@claudemesh/domain/Ids"
import type { Priority } from "@claudemesh/domain/routing/Status"
import { assert, describe, it } from "@effect/vitest"
import fc from "fast-check"
import { Inbox, Window } from "../src/state/Inbox.ts"
import { Member } from "../src/state/MeshState.ts"
import type { WaitingMessage } from "../src/store/MessageStore.ts"
import { bob, rulesWith } from "./support/MeshScenario.ts"
import { messageOf } from "./support/Stores.ts"

const priorities = ["now", "next"] as const

type Step =
  | { readonly do: "commit"; readonly priority: Priority; readonly sealed: boolean; readonly known: boolean }
  | { readonly do: "page"; readonly priority: Priority; readonly outcome: "early" | "late" | "failed" }
  | { readonly do: "ack" | "takeBack" | "gate"; readonly window: number; readonly index: number }
  | { readonly do: "written" | "seen" }

const priority = fc.constantFrom(...priorities)
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    // Now and then its commit ends with an error, and takes effect all the same, a while later.
    arbitrary: fc.record({
      do: fc.constant("commit" as const),
      priority,
      sealed: fc.nat(3).map((n) => n === 0),
      known: fc.nat(7).map((n) => n > 0),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant("page" as const),
      priority,
      outcome: fc.constantFrom("early" as const, "late" as const, "late" as const, "failed" as const),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constantFrom("ack" as const, "ack" as const, "takeBack" as const, "gate" as const),
      window: fc.nat(1),
      index: fc.nat(2),
    }),
  },
  { weight: 5, arbitrary: fc.record({ do: fc.constantFrom("written" as const, "written" as const, "seen" as const) }) },
)

interface Taker {
  readonly window: Window
  readonly opensSealed: boolean
  isOpen: boolean
}

interface Acked {
  readonly priority: Priority
  readonly seq: number
}

class Scenario {
  readonly inbox = new Inbox({ memberId: bob.memberId, session: undefined }, bobs, undefined)
  readonly takers: ReadonlyArray<Taker> = [
    { window: new Window(4), opensSealed: true, isOpen: true },
    { window: new Window(4), opensSealed: false, isOpen: true },
  ]
  readonly store = new Map<number, WaitingMessage>()
  readonly acked = new Set<number>()
  private readonly pages = new Map<Priority, { readonly after: number; readonly rows: ReadonlyArray<WaitingMessage> }>()
  private readonly writing: Array<Acked> = []
  private readonly unseen: Array<WaitingMessage> = []
  private seq = 0

  take(one: Step): void {
    switch (one.do) {
      case "commit":
        return this.commit(one.priority, one.sealed, one.known)
      case "page":
        return this.endPage(one.priority, one.outcome)
      case "written":
        return this.written()
      case "seen":
        return this.seen()
      default:
        return this.byTaker(one.do, this.takers[one.window], one.index)
    }
  }

  /** All is well, and everybody acks what comes. */
  settle(): void {
    for (const taker of this.takers) taker.isOpen = true
    while (this.unseen.length > 0) this.seen()
    for (let rounds = 0; this.store.size > 0 && rounds < 200; rounds++) {
      for (const each of priorities) this.endPage(each, "late")
      for (const taker of this.takers) while (taker.window.size > 0) this.byTaker("ack", taker, 0)
      while (this.writing.length > 0) this.written()
      this.inbox.readSoon()
      this.pump()
    }
  }

  private commit(priority: Priority, sealed: boolean, known: boolean): void {
    this.seq += 1
    const message = { ...messageOf(this.seq), messageId: MessageId.make(String(this.seq).padStart(32, "0")), priority }
    const waiting = { message, sealedKey: sealed ? key : undefined, leased: false } as const
    if (!known) {
      this.unseen.push(waiting)
      this.inbox.fallBehind(priority)
      return this.pump()
    }
    this.store.set(this.seq, waiting)
    const where = this.inbox.committed(priority, this.seq, message.ciphertext.length)
    if (where === "known" || (where === "next" && this.deliver(waiting))) return
    this.inbox.fallBehind(priority)
  }

  /** A commit takes effect of which only an error was heard; its sender asks. */
  private seen(): void {
    const waiting = this.unseen.shift()
    if (waiting === undefined) return
    this.store.set(waiting.message.seq, waiting)
    if (this.inbox.comeBy(waiting.message.priority, waiting.message.seq)) this.pump()
  }

  private open(priority: Priority): ReadonlyArray<Taker> {
    return this.takers.filter(({ isOpen, window }) => isOpen && window.room(priority) > 0)
  }

  private deliver(waiting: WaitingMessage): boolean {
    const { priority, seq } = waiting.message
    const open = this.open(priority)
    const taker = open.find(({ opensSealed }) => opensSealed || waiting.sealedKey === undefined)
    if (taker !== undefined) this.push(taker, waiting)
    else if (open.length > 0) this.inbox.passOver(priority, seq)
    return open.length > 0
  }

  private push({ window }: Taker, waiting: WaitingMessage): void {
    const { messageId, seq } = waiting.message
    assert.isFalse(this.acked.has(seq), "what was acked is not pushed again")
    assert.isTrue(
      this.takers.every((taker) => taker.window.get(messageId) === undefined),
      "in no other window",
    )
    this.inbox.push(window, waiting, undefined, 0)
    assert.isAtMost(window.size, window.max)
  }

  private pump(): void {
    for (const each of priorities) {
      const open = this.open(each)
      const isAble = open.some(({ opensSealed }) => opensSealed)
      if (open.length === 0 || !this.inbox.wantsPage(each, isAble) || this.inbox.notBeforeMillis(each) > 0) continue
      const after = this.inbox.beginPage(each, isAble)
      this.pages.set(each, { after, rows: this.rows(each, after) })
    }
  }

  private rows(priority: Priority, after: number): ReadonlyArray<WaitingMessage> {
    return [...this.store.values()]
      .filter(({ message }) => message.priority === priority && message.seq > after)
      .toSorted((left, right) => left.message.seq - right.message.seq)
      .slice(0, pageRows)
  }

  private endPage(priority: Priority, outcome: "early" | "late" | "failed"): void {
    const page = this.pages.get(priority)
    if (page === undefined) return
    this.pages.delete(priority)
    if (outcome === "failed") {
      this.inbox.pageFailed(priority, false, 0)
      return this.inbox.readSoon()
    }
    const rows = outcome === "early" ? page.rows : this.rows(priority, page.after)
    const isUseful = this.inbox.endPage(priority)
    const all = !isUseful || rows.every((row) => this.takeRow(row))
    if (isUseful && all && rows.length < pageRows) this.inbox.pageWasLast(priority)
    if (all) this.pump()
  }

  private takeRow(row: WaitingMessage): boolean {
    const { priority, seq } = row.message
    if (this.inbox.pushedAtMillis(seq) === undefined) return this.deliver(row)
    this.inbox.skip(priority, seq)
    return true
  }

  private byTaker(what: "ack" | "takeBack" | "gate", taker: Taker | undefined, index: number): void {
    const messageId = taker?.window.entries[index]?.[0]
    if (taker !== undefined && what === "gate") taker.isOpen = !taker.isOpen
    else if (taker !== undefined && messageId !== undefined) {
      if (what === "takeBack") Inbox.takeBack(taker.window, messageId)
      else {
        const unacked = Inbox.leaveWindow(taker.window, messageId)
        if (unacked !== undefined) this.writing.push(unacked)
        if (unacked !== undefined) this.acked.add(unacked.seq)
      }
    }
    this.pump()
  }

  private written(): void {
    const one = this.writing.shift()
    if (one === undefined) return
    this.store.delete(one.seq)
    this.inbox.consumed(one.priority, [
      { seq: one.seq, characters: 4, messageId: MessageId.make(String(one.seq).padStart(32, "0")) },
    ])
    this.pump()
  }
}

const bobs = new Member(bob, rulesWith().limits)
const key = Base64.make("AAAA")
const pageRows = 3

describe("an inbox", () => {
  it("forgets nothing that waits, and gives no message to two at once (I8, I9)", () => {
    fc.assert(
      fc.property(fc.array(step, { minLength: 20, maxLength: 150, size: "max" }), (steps) => {
        const scenario = new Scenario()
        for (const one of steps) scenario.take(one)
        scenario.settle()
        assert.strictEqual(scenario.store.size, 0)
        assert.deepStrictEqual(scenario.inbox.pushed, [])
        for (const { window } of scenario.takers) assert.deepStrictEqual([window.size, window.characters], [0, 0])
        assert.strictEqual(scenario.inbox.backlog.messages, 0)
      }),
      { numRuns: 500, seed: 20261129 },
    )
  })
})

it("a count that was asked for before another one, and answers behind it, says nothing (I23)", () => {
  const inbox = new Inbox({ memberId: bob.memberId, session: undefined }, bobs, undefined)
  const [before, after] = [inbox.askCount(), inbox.askCount()]
  inbox.counted(after, { messages: 0, characters: 0 })
  inbox.counted(before, { messages: 5, characters: 3_000 })
  assert.deepStrictEqual(inbox.backlog, { messages: 0, characters: 0 })
  inbox.miscounted(before)
  assert.isFalse(inbox.isMiscounted)
})
