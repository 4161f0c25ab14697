/**
 * Any sequence of hellos, losses, sends, acks, statuses, pulls and store events, with every end of a write or read as
 * late as it likes: no rule of delivery is broken on the way, and once all is well again everything has arrived.
 */
import { assert, describe, it } from "@effect/vitest"
import { Exit } from "effect"
import fc from "fast-check"
import { Completion } from "../src/state/MeshCommand.ts"
import type { Priority, Status } from "@claudemesh/domain/routing/Status"
import type { Write } from "../src/store/MessageStore.ts"
import { DeliveryChecker } from "./support/DeliveryChecker.ts"
import {
  alice,
  bob,
  type HelloChoices,
  MeshScenario,
  nothingRemembered,
  type Peer,
  rulesWith,
  storeFailure,
} from "./support/MeshScenario.ts"

const people = [alice, bob]
const sessionNames = ["s1", "s2"]
const big = "A".repeat(400_000)

type Step =
  | {
      readonly do: "attach"
      readonly who: number
      readonly session: number
      readonly window: number
      readonly v1: boolean
    }
  | { readonly do: "detach" | "ackFirst" | "ackLast" | "resend" | "release"; readonly peer: number }
  /** Of what was pushed to it at any time: it may have been recalled or acked since. */
  | { readonly do: "lease"; readonly peer: number; readonly from: number; readonly count: number }
  | {
      readonly do: "send"
      readonly peer: number
      readonly to: number
      readonly session: number
      readonly priority: Priority
      readonly isBig: boolean
    }
  | { readonly do: "status"; readonly peer: number; readonly status: Status }
  | { readonly do: "pull"; readonly peer: number; readonly max: number }
  | { readonly do: "write" | "loseWrite" | "hearWrite" | "failRead" | "tick" | "restart" | "count" }
  | { readonly do: "read" | "hearRead"; readonly which: number }

const small = fc.nat({ max: 7 })
const weighted = (weight: number, arbitrary: fc.Arbitrary<Step>) => ({ weight, arbitrary })
const step: fc.Arbitrary<Step> = fc.oneof(
  weighted(
    8,
    fc.record({
      do: fc.constant("attach" as const),
      who: fc.nat({ max: 1 }),
      session: fc.nat({ max: 1 }),
      window: fc.constantFrom(0, 1, 2, 3, 20, 500),
      v1: fc.nat({ max: 3 }).map((n) => n === 0),
    }),
  ),
  weighted(5, fc.record({ do: fc.constantFrom("detach" as const, "resend" as const), peer: small })),
  weighted(20, fc.record({ do: fc.constantFrom("ackFirst" as const, "ackLast" as const), peer: small })),
  weighted(
    30,
    fc.record({
      do: fc.constant("send" as const),
      peer: small,
      to: fc.nat({ max: 1 }),
      session: fc.nat({ max: 2 }),
      priority: fc.constantFrom("now" as const, "next" as const, "next" as const, "low" as const),
      isBig: fc.nat({ max: 7 }).map((n) => n === 0),
    }),
  ),
  weighted(
    5,
    fc.record({
      do: fc.constant("status" as const),
      peer: small,
      status: fc.constantFrom("idle" as const, "idle" as const, "working" as const, "dnd" as const),
    }),
  ),
  weighted(8, fc.record({ do: fc.constant("pull" as const), peer: small, max: fc.integer({ min: 1, max: 6 }) })),
  weighted(
    16,
    fc.record({ do: fc.constant("lease" as const), peer: small, from: fc.nat({ max: 3 }), count: fc.nat({ max: 4 }) }),
  ),
  weighted(6, fc.record({ do: fc.constant("release" as const), peer: small })),
  weighted(40, fc.record({ do: fc.constant("write" as const) })),
  weighted(40, fc.record({ do: fc.constant("hearWrite" as const) })),
  weighted(
    6,
    fc.record({ do: fc.constantFrom("loseWrite" as const, "failRead" as const, "tick" as const, "count" as const) }),
  ),
  weighted(24, fc.record({ do: fc.constantFrom("read" as const, "hearRead" as const), which: small })),
  weighted(1, fc.record({ do: fc.constant("restart" as const) })),
)

/** A mesh whose every event is at the mercy of the steps. */
class Chaos {
  readonly scenario = new MeshScenario(rulesWith({ pageRowsMax: 4 }), people)
  readonly checker = new DeliveryChecker(this.scenario.store)
  readonly peers: Array<Peer> = []
  /** Applied by the store, and not yet heard of: writes in order, pages in any. */
  private writeEnds: Array<Completion> = []
  private pageEnds: Array<Completion> = []
  private names = 0
  private leases = 0
  private lastSend: Parameters<MeshScenario["send"]> | undefined

  begin(): void {
    for (const who of people.keys()) for (const session of sessionNames) this.attach(who, session, { maxInFlight: 4 })
    this.settle()
  }

  take(step: Step): void {
    const { scenario } = this
    const peer = "peer" in step && this.peers.length > 0 ? this.peers[step.peer % this.peers.length] : undefined
    switch (step.do) {
      case "attach":
        this.attach(
          step.who,
          sessionNames[step.session] ?? "s1",
          step.v1 ? { protocol: 1 } : { maxInFlight: step.window },
        )
        break
      case "detach":
        if (peer) this.detach(peer)
        break
      case "ackFirst":
      case "ackLast":
        if (peer) this.ack(peer, step.do === "ackFirst" ? 0 : -1)
        break
      case "lease":
        if (peer && this.checker.acks(peer)) {
          const ids = [...new Set(peer.pushed)].toReversed().slice(step.from, step.from + step.count)
          scenario.lease(peer, `l${this.leases++}`, ...ids)
        }
        break
      case "release":
        if (peer) this.release(peer)
        break
      case "send": {
        const to = people[step.to]
        if (peer === undefined || to === undefined) break
        const target = step.session < 2 ? `${to.publicKey}/${sessionNames[step.session]}` : to.publicKey
        this.names += 1
        const choices = { id: `m${this.names}`, priority: step.priority, ...(step.isBig && { ciphertext: big }) }
        this.lastSend = [peer, target, choices]
        scenario.send(peer, target, choices)
        break
      }
      case "resend":
        if (this.lastSend && this.peers.includes(this.lastSend[0])) scenario.send(...this.lastSend)
        break
      case "status":
        if (peer) scenario.status(peer, step.status)
        break
      case "pull":
        if (peer && this.checker.acks(peer)) scenario.pull(peer, `p${scenario.nowMillis}`, step.max)
        break
      case "write":
        this.write()
        break
      case "loseWrite":
        this.loseWrite()
        break
      case "hearWrite":
        this.hear(this.writeEnds, 0)
        break
      case "read":
        this.read(step.which)
        break
      case "hearRead":
        this.hear(this.pageEnds, step.which)
        break
      case "failRead": {
        const request = scenario.reads.shift()
        if (request) scenario.do(Completion.PageRead({ request, rows: storeFailure("unavailable") }))
        break
      }
      case "count":
        if (scenario.counts.length > 0) scenario.countOne()
        break
      case "tick":
        scenario.pass(30_000)
        break
      case "restart":
        this.restart()
        break
    }
  }

  private attach(who: number, session: string, choices: HelloChoices): void {
    const person = people[who]
    if (person === undefined) return
    this.names += 1
    const v1 = choices.protocol === 1
    const name = v1 ? `1-${this.names}` : session
    for (const older of this.peers.filter((one) => one.member === person && one.session === name)) this.forget(older)
    const hello = { ...choices, session: name, signature: this.names.toString(16) }
    this.scenario.arrive(person, hello, (peer, frame) => {
      if (frame.type === "hello_ack") {
        this.peers.push(peer)
        this.checker.opened(peer, { max: choices.maxInFlight ?? 500, acks: !v1 })
      }
      if (frame.type === "push") this.checker.pushed(peer, frame)
      if (frame.type === "leased") this.checker.granted(peer, frame.messageIds)
      if (frame.type === "recalled") this.checker.recalled(peer, frame.messageIds)
    })
  }

  private release(peer: Peer): void {
    const ids = [...this.checker.leased].filter(([, holder]) => holder === peer).map(([id]) => id)
    // One that it does not have, too.
    const released = [...ids.slice(0, 2), ...peer.pushed.slice(0, 1)]
    for (const id of released) this.checker.release(peer, id)
    this.scenario.release(peer, ...released)
  }

  private forget(peer: Peer): void {
    this.checker.closed(peer)
    this.peers.splice(this.peers.indexOf(peer), 1)
  }

  private detach(peer: Peer): void {
    this.forget(peer)
    this.scenario.detach(peer)
  }

  private ack(peer: Peer, index: 0 | -1): void {
    const id = [...(this.checker.unacked.get(peer)?.keys() ?? [])].at(index)
    if (id === undefined) return
    this.checker.ack(peer, id)
    this.scenario.ack(peer, id)
  }

  private write(): void {
    const next = this.scenario.writes.shift()
    if (next === undefined) return
    const outcome = Exit.succeed(this.scenario.store.apply(next.write))
    if (next.next !== undefined) this.writeEnds.push({ ...next.next, outcome })
  }

  /** The connection to the database breaks under a commit: it took effect, or not. */
  private loseWrite(): void {
    const next = this.scenario.writes[0]
    if (next?.write._tag !== "Accept" && next?.write._tag !== "Lease") return
    this.unsureOf(next.write)
    this.scenario.writes.shift()
    this.names += 1
    if (this.names % 2 === 0) this.scenario.store.apply(next.write)
    if (next.next !== undefined) this.writeEnds.push({ ...next.next, outcome: storeFailure("unavailable") })
  }

  private read(which: number): void {
    const { reads, store } = this.scenario
    const [request] = reads.splice(reads.length === 0 ? 0 : which % reads.length, 1)
    if (request) this.pageEnds.push(Completion.PageRead({ request, rows: Exit.succeed(store.page(request)) }))
  }

  private hear(ends: Array<Completion>, which: number): void {
    const [end] = ends.splice(ends.length === 0 ? 0 : which % ends.length, 1)
    if (end) this.scenario.do(end)
  }

  /** A lease that fails, or is on its way when the owner dies, may mark what was granted to nobody. */
  private unsureOf(write: Write): void {
    if (write._tag !== "Lease") return
    const seqs = new Set(write.deliveries.map(({ seq }) => seq))
    const { messages } = this.scenario.store
    this.checker.unsure([...messages].filter(([, { seq }]) => seqs.has(seq)).map(([messageId]) => messageId))
  }

  private restart(): void {
    for (const { write } of this.scenario.writes) this.unsureOf(write)
    for (const end of this.writeEnds) {
      if (end._tag === "LeaseRecorded") this.checker.unsure(end.asked.map(({ messageId }) => messageId))
    }
    for (const peer of this.peers.splice(0)) this.checker.closed(peer)
    this.writeEnds = []
    this.pageEnds = []
    this.scenario.restart()
  }

  private settle(): void {
    const { scenario } = this
    while (scenario.writes.length + scenario.reads.length + this.writeEnds.length + this.pageEnds.length > 0) {
      this.write()
      this.hear(this.writeEnds, 0)
      this.read(0)
      this.hear(this.pageEnds, 0)
    }
    while (scenario.counts.length > 0) scenario.countOne()
  }

  /** The database answers, everybody is there, idle and acking, and asks for what waits. */
  heal(): void {
    const { scenario } = this
    this.settle()
    for (const who of people.keys()) for (const session of sessionNames) this.attach(who, session, {})
    scenario.pass(60_000)
    this.settle()
    for (let round = 0; round < 200 && this.waiting > 0; round++) {
      for (const peer of this.peers) scenario.status(peer, "idle")
      this.settle()
      for (const peer of this.peers) {
        if (this.checker.acks(peer)) scenario.pull(peer, `heal-${round}`)
        this.settle()
        while ((this.checker.unacked.get(peer)?.size ?? 0) > 0) this.ack(peer, 0)
        this.settle()
      }
    }
  }

  get waiting(): number {
    return this.scenario.store.deliveries.filter((one) => one.consumedAtMillis === undefined).length
  }
}

describe("whatever happens", () => {
  it("each accepted message is pushed in order, within the window, never in two hands, marked if and only if it may have been shown, and in the end to somebody (I1, I2, I8, I9, I23)", () => {
    fc.assert(
      fc.property(fc.array(step, { minLength: 40, maxLength: 200, size: "max" }), (steps) => {
        const chaos = new Chaos()
        chaos.begin()
        for (const one of steps) chaos.take(one)
        chaos.heal()
        assert.strictEqual(chaos.waiting, 0, "something waits for ever")
        for (const messageId of chaos.scenario.store.messages.keys()) {
          assert.isTrue(chaos.checker.pushedOnce.has(messageId), "a message was never pushed")
        }
        assert.deepStrictEqual(chaos.scenario.remembered, nothingRemembered)
      }),
      { numRuns: 500, seed: 20261124 },
    )
  })
})
