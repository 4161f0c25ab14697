/**
 * Several sessions of one member are pushed, lease, ack, are lost and come back, with every end of a write or read where
 * it likes; whenever one of them has asked, what it has and has not leased is in the order of the sends, and what it was
 * told of the rest is true.
 */
import { SessionId } from "@claudemesh/domain/Ids"
import type { Priority, Status } from "@claudemesh/domain/routing/Status"
import { assert, describe, it } from "@effect/vitest"
import fc from "fast-check"
import { DeliveryChecker } from "./support/DeliveryChecker.ts"
import { alice, bob, MeshScenario, type Peer, rulesWith } from "./support/MeshScenario.ts"

const names = ["one", "two", "three"] as const

type Step =
  | { readonly do: "send"; readonly priority: Priority; readonly to: number }
  | { readonly do: "lease" | "ack" | "release" | "lose" | "attach"; readonly who: number }
  | { readonly do: "status"; readonly who: number; readonly status: Status }
  | { readonly do: "pull"; readonly who: number; readonly max: number | undefined }
  | { readonly do: "write" | "read" }

const who = fc.nat({ max: names.length - 1 })
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 10,
    arbitrary: fc.record({
      do: fc.constant("send" as const),
      priority: fc.constantFrom("now" as const, "next" as const, "next" as const),
      // Mostly to the member, now and then to one of its sessions.
      to: fc.nat({ max: 11 }),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({ do: fc.constantFrom("lease" as const, "ack" as const, "release" as const), who }),
  },
  { weight: 4, arbitrary: fc.record({ do: fc.constantFrom("lose" as const, "attach" as const), who }) },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant("status" as const),
      who,
      status: fc.constantFrom("idle" as const, "idle" as const, "dnd" as const),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({ do: fc.constant("pull" as const), who, max: fc.constantFrom(undefined, undefined, 1, 3) }),
  },
  { weight: 16, arbitrary: fc.record({ do: fc.constantFrom("write" as const, "read" as const) }) },
)

class Sessions {
  readonly scenario = new MeshScenario(rulesWith({ pageRowsMax: 3 }))
  readonly checker = new DeliveryChecker(this.scenario.store)
  private readonly sender = this.scenario.attach(alice)
  private readonly there = new Map<number, Peer>()
  private count = 0

  constructor() {
    for (const index of names.keys()) this.attach(index)
    this.scenario.settle()
  }

  take(step: Step): void {
    const { scenario } = this
    scenario.pass(1)
    const peer = "who" in step ? this.there.get(step.who) : undefined
    const [first] = peer === undefined ? [] : this.held(peer)
    this.count += 1
    switch (step.do) {
      case "send": {
        const name = names[step.to]
        const target = name === undefined ? bob.publicKey : `${bob.publicKey}/${name}`
        scenario.send(this.sender, target, { id: `m${this.count}`, priority: step.priority })
        break
      }
      case "lease":
        if (peer && first) scenario.lease(peer, `l${this.count}`, first.messageId)
        break
      case "ack":
        if (peer && first) {
          this.checker.ack(peer, first.messageId)
          scenario.ack(peer, first.messageId)
        }
        break
      case "release":
        if (peer && first) {
          this.checker.release(peer, first.messageId)
          scenario.release(peer, first.messageId)
        }
        break
      case "lose":
        if (peer) {
          this.there.delete(step.who)
          this.checker.closed(peer)
          scenario.detach(peer)
        }
        break
      case "attach":
        if (peer === undefined) this.attach(step.who)
        break
      case "status":
        if (peer) scenario.status(peer, step.status)
        break
      case "pull":
        if (peer) this.pull(peer, step.max)
        break
      case "write":
        if (scenario.writes.length > 0) scenario.commitOne()
        break
      case "read":
        if (scenario.reads.length > 0) scenario.readOne()
        break
    }
  }

  private attach(index: number): void {
    const name = names[index] ?? "one"
    this.scenario.arrive(bob, { session: name }, (peer, frame) => {
      if (frame.type === "hello_ack") {
        this.there.set(index, peer)
        this.checker.opened(peer, { max: 500, acks: true })
      }
      if (frame.type === "push") this.checker.pushed(peer, frame)
      if (frame.type === "leased") this.checker.granted(peer, frame.messageIds)
      if (frame.type === "recalled") this.checker.recalled(peer, frame.messageIds)
    })
  }

  private held(peer: Peer) {
    return [...(this.checker.unacked.get(peer)?.values() ?? [])]
  }

  private pull(peer: Peer, max: number | undefined): void {
    const { checker, scenario } = this
    scenario.pull(peer, `p${this.count}`, max)
    scenario.settle()
    const unleased = this.held(peer).filter(({ messageId }) => checker.leased.get(messageId) !== peer)
    const seqOf = (push: (typeof unleased)[number]) => scenario.store.messages.get(push.messageId)?.seq ?? 0
    for (const priority of ["now", "next"]) {
      const groupCommit = unleased.filter((push) => push.priority === priority && push.targetSpec === bob.publicKey)
      const seqs = groupCommit.map(seqOf)
      assert.deepStrictEqual(
        seqs,
        seqs.toSorted((left, right) => left - right),
        `${priority} is out of order`,
      )
    }
    // What was on its way when the first one came is not in its answer.
    scenario.pull(peer, `q${this.count}`, max)
    scenario.settle()
    this.checkAnswer(peer)
  }

  /** Everything of bob's that waits is in this buffer, can be pulled from here, or is elsewhere: each is in one of them. */
  private checkAnswer(peer: Peer): void {
    const { checker, scenario } = this
    const { elsewhere = [], remaining } = peer.of("ok").at(-1) ?? {}
    const mine = (session: string | undefined) => session === undefined || session === peer.session
    const others = new Map<string, number>()
    let left = 0
    for (const { consumedAtMillis, inbox, message } of scenario.store.deliveries) {
      if (consumedAtMillis !== undefined) continue
      const holder = checker.leased.get(message.messageId)
      const where = mine(inbox.session) ? holder?.session : inbox.session
      if (where !== undefined && where !== peer.session) others.set(where, (others.get(where) ?? 0) + 1)
      else if (checker.unacked.get(peer)?.has(message.messageId) !== true) left += 1
    }
    assert.strictEqual(remaining, left)
    assert.sameDeepMembers(
      [...elsewhere],
      [...others].map(([session, messages]) => ({ sessionId: SessionId.make(session), messages })),
    )
  }
}

describe("a session that asks", () => {
  it("has what it may show next in the order of the sends, and is told truly what else there is (I8)", () => {
    fc.assert(
      fc.property(fc.array(step, { minLength: 20, maxLength: 120, size: "max" }), (steps) => {
        const sessions = new Sessions()
        for (const one of steps) sessions.take(one)
      }),
      { numRuns: 300, seed: 20261125 },
    )
  })
})
