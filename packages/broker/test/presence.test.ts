/** Who is told when somebody comes, goes or changes, and of what: edges alone, each with the roster's version. */
import { Base64 } from "@claudemesh/domain/Base64"
import { PublicKey, RequestId, SessionId } from "@claudemesh/domain/Ids"
import type { BrokerFrame } from "@claudemesh/domain/wire/BrokerFrame"
import { assert, describe, it } from "@effect/vitest"
import fc from "fast-check"
import { viewOf } from "../src/presence/Roster.ts"
import {
  alice,
  bob,
  carol,
  type HelloChoices,
  MeshScenario,
  nonce,
  type Peer,
  rulesWith,
} from "./support/MeshScenario.ts"
import { ToldRoster } from "./support/ToldRoster.ts"

const window = 200
const subscribed = { presence: true } as const

const lists = (scenario: MeshScenario, peer: Peer, id = "list"): void =>
  scenario.request(peer, { type: "list_peers", id: RequestId.make(id) })

/** A session that is told from now on, once everything before it is. */
const watcher = (scenario: MeshScenario, who = alice, choices: HelloChoices = {}): Peer => {
  const peer = scenario.attach(who, { ...subscribed, ...choices })
  lists(scenario, peer)
  scenario.pass(window)
  peer.frames.length = 0
  return peer
}

const changesOf = (peer: Peer): ReadonlyArray<string> =>
  peer
    .of("presence")
    .flatMap(({ changes }) =>
      changes.map(
        ({ event, peer: { attached, memberId, sessionId, status } }) =>
          `${event} ${memberId}/${sessionId} ${attached ? status : "cut off"}`,
      ),
    )

const profile = (scenario: MeshScenario, peer: Peer, text: string, ...readers: ReadonlyArray<typeof alice>): void =>
  scenario.request(peer, {
    type: "set_profile",
    id: RequestId.make("profile"),
    nonce,
    ciphertext: Base64.make(text),
    sealedKeys: readers.map(({ publicKey }) => ({ pubkey: publicKey, key: Base64.make("KEYS") })),
  })

describe("a session that asks to be told", () => {
  it("is told who joined, changed and left, a short time after, with the versions in a row (I4)", () => {
    const scenario = new MeshScenario()
    const peer = watcher(scenario)
    const other = scenario.attach(bob)
    assert.deepStrictEqual(changesOf(peer), [])
    scenario.pass(window)
    scenario.status(other, "working")
    scenario.pass(window)
    scenario.detach(other, true)
    scenario.pass(window)
    assert.deepStrictEqual(changesOf(peer), ["joined bob/s1 idle", "changed bob/s1 working", "left bob/s1 working"])
    const [joined, changed, left] = peer.of("presence")
    assert.strictEqual(changed?.after, joined?.version)
    assert.strictEqual(left?.after, changed?.version)
    assert.strictEqual((left?.version ?? 0) - (joined?.after ?? 0), 3)
  })

  it("is told nothing before it has the list that changes are told of, nor without having asked in its hello", () => {
    const scenario = new MeshScenario()
    const early = scenario.attach(alice, subscribed)
    const silent = scenario.attach(alice, { session: "s2" })
    lists(scenario, silent)
    scenario.attach(bob)
    scenario.pass(window)
    for (const peer of [early, silent]) assert.deepStrictEqual(peer.of("presence"), [])
  })

  it("is told of a status that ends by itself (I10)", () => {
    const scenario = new MeshScenario()
    const other = scenario.attach(bob)
    const peer = watcher(scenario)
    scenario.status(other, "working")
    scenario.status(scenario.attach(carol), "dnd", { forSeconds: 90 })
    scenario.pass(window)
    scenario.pass(60_000 - window)
    scenario.pass(window)
    scenario.pass(30_000)
    scenario.pass(window)
    assert.deepStrictEqual(changesOf(peer), [
      "changed bob/s1 working",
      "joined carol/s1 dnd",
      "changed bob/s1 idle",
      "changed carol/s1 idle",
    ])
  })

  it("is told of a burst in one frame, and of nothing that was over within it", () => {
    const scenario = new MeshScenario()
    const other = scenario.attach(bob)
    scenario.status(other, "idle")
    const peer = watcher(scenario)
    for (const status of ["working", "idle", "working", "idle"] as const) scenario.status(other, status)
    scenario.detach(scenario.attach(carol), true)
    scenario.pass(window)
    assert.deepStrictEqual(peer.frames, [])
    for (let n = 0; n < 5; n++) scenario.attach(carol, { session: `c${n}` })
    scenario.pass(window)
    assert.deepStrictEqual(
      peer.of("presence").map(({ changes }) => changes.length),
      [5],
    )
  })

  it("is told of many changes by several frames", () => {
    const scenario = new MeshScenario(rulesWith({ presenceChangesMax: 2 }))
    const peer = watcher(scenario)
    for (let n = 0; n < 5; n++) scenario.attach(bob, { session: `b${n}` })
    scenario.pass(window)
    assert.deepStrictEqual(
      peer.of("presence").map(({ after, changes, version }) => [version - after, changes.length]),
      [
        [2, 2],
        [2, 2],
        [1, 1],
      ],
    )
  })

  it("is told what became of that which its list shows and nobody else was told", () => {
    const scenario = new MeshScenario()
    const other = scenario.attach(bob)
    const peer = watcher(scenario)
    scenario.detach(other, true)
    const roster = new ToldRoster()
    peer.heard = (_, frame) => roster.heard(frame)
    lists(scenario, peer)
    assert.deepStrictEqual(roster.names, ["alice/s1"])
    const passing = scenario.attach(carol)
    scenario.attach(bob)
    lists(scenario, peer)
    scenario.detach(passing, true)
    scenario.pass(window)
    assert.deepStrictEqual(roster.names.toSorted(), ["alice/s1", "bob/s1"])
    scenario.detach(scenario.attach(bob), true)
    lists(scenario, peer)
    scenario.attach(bob)
    scenario.pass(window)
    assert.deepStrictEqual(roster.names.toSorted(), ["alice/s1", "bob/s1"])
    // A status that was over by then, and is renewed before that was told.
    scenario.status(other, "working")
    scenario.status(peer, "working")
    scenario.pass(window)
    scenario.nowMillis += 60_000
    lists(scenario, peer)
    scenario.status(peer, "working")
    scenario.pass(window)
    const asTold = roster.sessions
    lists(scenario, peer)
    assert.deepStrictEqual(roster.sessions, asTold)
    assert.deepStrictEqual(roster.problems, [])
  })

  it("shares one frame, encoded once, with all others who are told the same", () => {
    const scenario = new MeshScenario()
    const peers = [watcher(scenario), watcher(scenario, alice, { session: "s2" }), watcher(scenario, carol)]
    for (const peer of peers) peer.shared.length = 0
    scenario.attach(bob)
    scenario.pass(window)
    assert.deepStrictEqual(
      peers.map(({ shared }) => shared.length),
      [1, 1, 1],
    )
    assert.strictEqual(new Set(peers.flatMap(({ shared }) => shared)).size, 1)
  })
})

describe("a session that is cut off", () => {
  it("is said to be cut off, and neither to have left nor joined when it comes back within its lease (I4)", () => {
    const scenario = new MeshScenario()
    const others = Array.from({ length: 200 }, (_, n) => scenario.attach(bob, { session: `b${n}` }))
    const peer = watcher(scenario)
    for (const other of others) scenario.detach(other)
    scenario.pass(30_000)
    assert.strictEqual(changesOf(peer).length, 200)
    for (let n = 0; n < 200; n++) scenario.attach(bob, { session: `b${n}` })
    scenario.pass(window)
    assert.deepStrictEqual(
      new Set(peer.of("presence").flatMap(({ changes }) => changes.map(({ event }) => event))),
      new Set(["changed"]),
    )
    assert.strictEqual(changesOf(peer).length, 400)
  })

  it("has left when its lease is over, and not before (I4)", () => {
    const scenario = new MeshScenario()
    const other = scenario.attach(bob)
    const peer = watcher(scenario)
    scenario.detach(other)
    scenario.pass(89_999)
    scenario.pass(1)
    scenario.pass(window)
    assert.deepStrictEqual(changesOf(peer), ["changed bob/s1 cut off", "left bob/s1 cut off"])
  })

  it("is there after a restart of the broker, as 199 others are, until its lease is over (I4)", () => {
    const scenario = new MeshScenario()
    for (let n = 0; n < 200; n++) scenario.attach(bob, { session: `b${n}` })
    const gone = scenario.attach(carol)
    scenario.detach(gone, true)
    scenario.settle()
    scenario.pass(1_000)
    scenario.restart()
    const peer = scenario.attach(alice, subscribed)
    lists(scenario, peer)
    assert.deepStrictEqual(
      peer
        .of("peers")
        .flatMap(({ peers }) => peers.map(({ attached, memberId }) => `${memberId} ${attached}`))
        .toSorted(),
      ["alice true", ...Array.from({ length: 200 }, () => "bob false")],
      "who said goodbye is not among them",
    )
    for (let n = 0; n < 199; n++) scenario.attach(bob, { session: `b${n}` })
    scenario.pass(window)
    assert.deepStrictEqual(
      changesOf(peer).filter((change) => !change.startsWith("changed bob")),
      ["joined alice/s1 idle"],
      "of itself it is told what it has in its list",
    )
    scenario.pass(90_000)
    scenario.pass(window)
    assert.deepStrictEqual(changesOf(peer).at(-1), "left bob/b199 cut off")
  })
})

describe("a profile", () => {
  it("is told with each reader's own key, and is not told again with what else changes", () => {
    const scenario = new MeshScenario()
    const other = scenario.attach(bob)
    const [peer, stranger] = [watcher(scenario), watcher(scenario, carol)]
    peer.frames.length = 0
    profile(scenario, other, "PROFILE1", alice)
    scenario.pass(window)
    scenario.status(other, "working")
    scenario.pass(window)
    const said = (peer: Peer) =>
      peer.of("presence").flatMap(({ changes }) => changes.map((one) => [one.peer.profile?.sealedKey, one.sameProfile]))
    assert.deepStrictEqual(said(peer), [
      [Base64.make("KEYS"), undefined],
      [undefined, true],
    ])
    assert.deepStrictEqual(said(stranger), [
      [undefined, undefined],
      [undefined, true],
    ])
  })

  it("whose text is the same has keys added to it, which is news for those alone who get one", () => {
    const scenario = new MeshScenario()
    const other = scenario.attach(bob)
    profile(scenario, other, "PROFILE1", alice)
    const [peer, later] = [watcher(scenario), watcher(scenario, carol)]
    peer.frames.length = 0
    profile(scenario, other, "PROFILE1", carol)
    scenario.pass(window)
    assert.deepStrictEqual(peer.of("presence"), [])
    const [told] = later.of("presence")
    assert.strictEqual(told?.after, told?.version)
    assert.deepStrictEqual(
      told?.changes.map(({ peer }) => [peer.profile?.ciphertext, peer.profile?.sealedKey]),
      [[Base64.make("PROFILE1"), Base64.make("KEYS")]],
    )
    lists(scenario, peer)
    assert.isDefined(
      peer
        .of("peers")
        .at(-1)
        ?.peers.find(({ memberId }) => memberId === "bob")?.profile,
    )
  })

  it("that changes all the time is told once in a while, with the last text, and holds up no status (I23)", () => {
    const scenario = new MeshScenario()
    const other = scenario.attach(bob)
    profile(scenario, other, "PROFILE0", alice)
    const peer = watcher(scenario)
    const roster = new ToldRoster()
    peer.heard = (_, frame) => roster.heard(frame)
    lists(scenario, peer)
    for (let n = 1; n <= 7; n++) {
      profile(scenario, other, `PROFILE${n}`, alice)
      scenario.pass(window)
    }
    scenario.status(other, "working")
    scenario.pass(window)
    assert.deepStrictEqual(changesOf(peer), ["changed bob/s1 working"])
    scenario.pass(2_000)
    const told = peer.of("presence").flatMap(({ changes }) => changes.map((one) => one.peer.profile?.ciphertext))
    assert.deepStrictEqual(told, [undefined, Base64.make("PROFILE7")])
    const asTold = roster.sessions
    lists(scenario, peer)
    assert.deepStrictEqual(asTold, roster.sessions)
  })

  it("keeps no key for who is no member (I23)", () => {
    const scenario = new MeshScenario()
    const other = scenario.attach(bob)
    const stranger = { ...alice, publicKey: PublicKey.make("9".repeat(64)) }
    profile(scenario, other, "PROFILE1", alice, stranger)
    profile(scenario, other, "PROFILE1", stranger)
    assert.deepInclude(other.last, { type: "ok" })
    const session = scenario.state.members.get(bob.publicKey)?.sessions.get(SessionId.make("s1"))
    assert.deepStrictEqual([...(session?.profile?.keys.keys() ?? [])], [alice.publicKey])
  })

  it("has keys for so many members and no more, however they came (I23)", () => {
    const scenario = new MeshScenario(rulesWith({ sealedKeysMax: 2 }))
    const other = scenario.attach(bob)
    profile(scenario, other, "PROFILE1", alice, bob)
    profile(scenario, other, "PROFILE1", carol)
    assert.deepInclude(other.last, { type: "error", code: "too_large" })
    profile(scenario, other, "PROFILE2", carol)
    assert.deepInclude(other.last, { type: "ok" })
  })
})

describe("many profiles", () => {
  const characters = (frames: ReadonlyArray<{ readonly profile?: { readonly ciphertext: string } }>) =>
    frames.reduce((sum, { profile }) => sum + (profile?.ciphertext.length ?? 0), 0)

  it("of one member fit into a list that a socket may leave unread, and hide no profile of another (I23)", () => {
    const scenario = new MeshScenario(rulesWith({ liveSessionsPerMemberMax: 2_000 }))
    const other = scenario.attach(carol)
    profile(scenario, other, "C".repeat(8_192), alice)
    scenario.pass(1)
    for (let n = 0; n < 1_950; n++) {
      const session = `b${n}`.padEnd(128, "-")
      profile(scenario, scenario.attach(bob, { session }), "B".repeat(8_192), alice)
    }
    const asking = scenario.attach(alice)
    lists(scenario, asking)
    const [list] = asking.of("peers")
    assert.strictEqual(list?.peers.length, 1_952)
    assert.isBelow(JSON.stringify(list).length, 3 * 1024 * 1024)
    assert.isAbove(characters(list?.peers ?? []), 1_400_000)
    assert.isDefined(list?.peers.find(({ memberId }) => memberId === "carol")?.profile)
  })

  it("are listed of the sessions that were active last, where there is no room for all (I23)", () => {
    // Each is of 8 characters, with a nonce of 32 and a key of 4.
    const scenario = new MeshScenario(rulesWith({ profileCharactersAtOnceMax: 90 }))
    for (const session of ["b1", "b2", "b3"]) {
      profile(scenario, scenario.attach(bob, { session }), "PROFILE1", alice)
      scenario.pass(1)
    }
    const asking = scenario.attach(alice)
    lists(scenario, asking)
    const shown = asking.of("peers").flatMap(({ peers }) => peers.filter((one) => one.profile !== undefined))
    assert.deepStrictEqual(
      shown.map(({ sessionId }) => sessionId),
      [SessionId.make("b2"), SessionId.make("b3")],
    )
  })

  it("that change at once are told one after another, each once (I23)", () => {
    const scenario = new MeshScenario(rulesWith({ profileCharactersAtOnceMax: 16 }))
    const others = ["b1", "b2", "b3", "b4", "b5"].map((session) => scenario.attach(bob, { session }))
    const peer = watcher(scenario)
    peer.frames.length = 0
    for (const other of others) profile(scenario, other, "PROFILE1", alice)
    const told: Array<number> = []
    for (let n = 0; n < 4; n++) {
      scenario.pass(window)
      told.push(peer.of("presence").flatMap(({ changes }) => changes).length)
    }
    assert.deepStrictEqual(told, [2, 4, 5, 5])
  })
})

describe("a connection that does not read", () => {
  it("is told later, with what changed merged: what came and went meanwhile is not told (I23)", () => {
    const scenario = new MeshScenario()
    const other = scenario.attach(bob)
    const peer = watcher(scenario)
    peer.unreadBytes = 1_000_000
    const passing = scenario.attach(carol)
    scenario.pass(window)
    scenario.status(other, "working")
    scenario.pass(window)
    scenario.detach(passing, true)
    scenario.status(other, "idle")
    scenario.pass(window)
    scenario.status(other, "dnd")
    scenario.pass(window)
    assert.deepStrictEqual(peer.frames, [])
    peer.unreadBytes = 0
    scenario.pass(1_000)
    assert.deepStrictEqual(changesOf(peer), ["changed bob/s1 dnd"])
    const [told] = peer.of("presence")
    assert.strictEqual(told?.version, scenario.state.roster.version)
    scenario.status(other, "idle")
    scenario.pass(window)
    assert.strictEqual(peer.of("presence").at(-1)?.after, told?.version)
  })

  it("is given the whole list instead where too much has changed (I23)", () => {
    const scenario = new MeshScenario(rulesWith({ presenceBehindMax: 3 }))
    const peer = watcher(scenario)
    peer.unreadBytes = 1_000_000
    for (let n = 0; n < 4; n++) scenario.attach(bob, { session: `b${n}` })
    scenario.pass(window)
    peer.unreadBytes = 0
    scenario.pass(1_000)
    assert.deepStrictEqual(peer.of("presence"), [])
    assert.deepStrictEqual(
      peer.of("peers").map(({ id, peers, version }) => [id, peers.length, version]),
      [["", 5, scenario.state.roster.version]],
    )
  })
})

type Step =
  | {
      readonly do: "attach"
      readonly who: number
      readonly session: number
      readonly watches: boolean
      readonly inPages: boolean
    }
  | { readonly do: "leave" | "cut" | "list" | "page" | "profile" | "slow" | "reads"; readonly peer: number }
  | { readonly do: "status"; readonly peer: number; readonly status: "idle" | "working" | "dnd" }
  | { readonly do: "pass"; readonly millis: number }

const nat = fc.nat({ max: 30 })
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({
    do: fc.constant("attach" as const),
    who: nat,
    session: fc.nat({ max: 2 }),
    watches: fc.boolean(),
    inPages: fc.boolean(),
  }),
  fc.record({ do: fc.constantFrom("leave", "cut", "list", "page", "profile", "slow", "reads"), peer: nat }),
  fc.record({ do: fc.constant("status" as const), peer: nat, status: fc.constantFrom("idle", "working", "dnd") }),
  fc.record({ do: fc.constant("pass" as const), millis: fc.constantFrom(1, 50, 200, 1_000, 30_000, 60_000, 90_000) }),
)

it("whatever happens, who is told has in the end the list that the broker has (I4)", () => {
  const people = [alice, bob, carol]
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const scenario = new MeshScenario(rulesWith({ presenceBehindMax: 2, presenceChangesMax: 2, listPageMax: 2 }))
      const asksPage = (peer: Peer, after: string) =>
        scenario.request(peer, { type: "list_peers", id: RequestId.make("page"), after, limit: 3 })
      let peers: Array<{ readonly peer: Peer; readonly roster: ToldRoster; readonly watches: boolean }> = []
      let profiles = 0
      for (const one of steps) {
        const found = "peer" in one ? peers[one.peer % Math.max(1, peers.length)] : undefined
        if (one.do === "pass") scenario.pass(one.millis)
        else if (one.do === "attach") {
          const who = people[one.who % people.length] ?? alice
          const roster = new ToldRoster()
          const heard = (_: Peer, frame: BrokerFrame) => roster.heard(frame)
          const choices = { session: `s${one.session}`, ...(one.watches && subscribed) }
          peers = peers.filter(({ peer }) => peer.member !== who || peer.session !== choices.session)
          const peer = scenario.arrive(who, choices, heard)
          scenario.settle()
          peers.push({ peer, roster, watches: one.watches })
          if (one.watches && one.inPages) asksPage(peer, "")
          else if (one.watches) lists(scenario, peer)
        } else if (found === undefined) continue
        else if (one.do === "leave" || one.do === "cut") {
          scenario.detach(found.peer, one.do === "leave")
          peers = peers.filter((other) => other !== found)
        } else if (one.do === "list") lists(scenario, found.peer)
        else if (one.do === "page") asksPage(found.peer, found.roster.more ?? "")
        else if (one.do === "slow") found.peer.unreadBytes = 1_000_000
        else if (one.do === "reads") found.peer.unreadBytes = 0
        else if (one.do === "status") scenario.status(found.peer, one.status)
        else profile(scenario, found.peer, `PROFILE${(profiles += 1)}`, ...people.slice(profiles % 3))
        scenario.settle()
      }
      for (const { peer } of peers) peer.unreadBytes = 0
      scenario.pass(window)
      scenario.pass(2_000)
      scenario.pass(1_000)
      for (const { peer, roster, watches } of peers) {
        while (watches && roster.more !== undefined) asksPage(peer, roster.more)
      }
      scenario.pass(window)
      for (const { peer, roster, watches } of peers) {
        if (!watches) continue
        assert.deepStrictEqual(roster.problems, [])
        const asTold = roster.sessions
        lists(scenario, peer)
        assert.deepStrictEqual(asTold, roster.sessions)
      }
      for (const session of scenario.state.roster.told.keys()) {
        assert.isDefined(viewOf(scenario.state, session, scenario.nowMillis))
      }
    }),
    { numRuns: 300, seed: 17 },
  )
})
