/** The lists of sessions and members: in pages for who asks so, and bounded for who does not. */
import { Base64 } from "@claudemesh/domain/Base64"
import { PublicKey, RequestId } from "@claudemesh/domain/Ids"
import { assert, describe, it } from "@effect/vitest"
import { alice, bob, carol, MeshScenario, nonce, type Peer, rulesWith } from "./support/MeshScenario.ts"

const id = RequestId.make("list")

const peersOf = (
  scenario: MeshScenario,
  peer: Peer,
  page: { readonly after?: string; readonly limit?: number } = {},
) => {
  scenario.request(peer, { type: "list_peers", id, ...page })
  const { last } = peer
  if (last?.type !== "peers") throw new Error(`it is answered with ${last?.type}`)
  return last
}

const namesOf = ({ peers }: { readonly peers: ReadonlyArray<{ memberId: string; sessionId: string }> }) =>
  peers.map(({ memberId, sessionId }) => `${memberId}/${sessionId}`)

/** Three of alice's sessions, two of bob's and one of carol's, who asks. */
const storyWith = (limits: Parameters<typeof rulesWith>[0] = {}) => {
  const scenario = new MeshScenario(rulesWith(limits))
  for (const session of ["s3", "s1", "s2"]) scenario.attach(alice, { session })
  for (const session of ["s2", "s1"]) scenario.attach(bob, { session })
  return { scenario, asking: scenario.attach(carol) }
}

const everybody = ["alice/s1", "alice/s2", "alice/s3", "bob/s1", "bob/s2", "carol/s1"]

const walk = (scenario: MeshScenario, peer: Peer, limit: number) => {
  const pages: Array<ReadonlyArray<string>> = []
  let after = ""
  while (pages.length < 20) {
    const page = peersOf(scenario, peer, { after, limit })
    assert.strictEqual(page.after, after === "" ? undefined : after)
    pages.push(namesOf(page))
    if (page.more === undefined) return pages
    after = page.more
  }
  throw new Error("the pages have no end")
}

describe("the list of sessions", () => {
  it("comes in pages of the length that was asked for, in one order, each session once", () => {
    const { asking, scenario } = storyWith()
    assert.deepStrictEqual(walk(scenario, asking, 4), [everybody.slice(0, 4), everybody.slice(4)])
    assert.deepStrictEqual(walk(scenario, asking, 3), [everybody.slice(0, 3), everybody.slice(3)])
    assert.deepStrictEqual(walk(scenario, asking, 6), [everybody])
    assert.deepStrictEqual(walk(scenario, asking, 1_000_000), [everybody])
  })

  it("has pages no longer than the broker's bound, however long they are asked for (I23)", () => {
    const { asking, scenario } = storyWith({ listPageMax: 2 })
    assert.deepStrictEqual(
      walk(scenario, asking, 1_000),
      [0, 2, 4].map((from) => everybody.slice(from, from + 2)),
    )
  })

  it("goes on behind a session that has left meanwhile, and behind any text", () => {
    const { asking, scenario } = storyWith()
    const leaving = scenario.attach(bob, { session: "s0" })
    const page = peersOf(scenario, asking, { limit: 4 })
    assert.strictEqual(namesOf(page).at(-1), "bob/s0")
    scenario.detach(leaving, true)
    assert.deepStrictEqual(namesOf(peersOf(scenario, asking, { after: page.more ?? "", limit: 4 })), everybody.slice(3))
    for (const [after, expected] of [
      ["z", []],
      ["/", everybody],
      [bob.publicKey, everybody.slice(3)],
      [`${bob.publicKey}/s1/2`, everybody.slice(4)],
    ] as const) {
      assert.deepStrictEqual(namesOf(peersOf(scenario, asking, { after, limit: 9 })), expected, after)
    }
  })

  it("has pages that end before there is more of profiles than a socket may leave unread, and shows every one (I23)", () => {
    // Each is of 8 characters, with a nonce of 32 and a key of 4: a page has room for two.
    const scenario = new MeshScenario(rulesWith({ profileCharactersAtOnceMax: 100 }))
    for (const session of ["s1", "s2", "s3"]) {
      const sealedKeys = [{ pubkey: alice.publicKey, key: Base64.make("AAAA") }]
      scenario.request(scenario.attach(bob, { session }), {
        type: "set_profile",
        id,
        nonce,
        ciphertext: Base64.make("PROFILE1"),
        sealedKeys,
      })
    }
    const asking = scenario.attach(alice, { maxInFlight: 0 })
    const first = peersOf(scenario, asking, { limit: 9 })
    const second = peersOf(scenario, asking, { after: first.more ?? "", limit: 9 })
    assert.deepStrictEqual([namesOf(first), namesOf(second)], [["bob/s1", "bob/s2"], ["bob/s3"]])
    assert.isTrue([...first.peers, ...second.peers].every(({ profile }) => profile !== undefined))
    // One that is too long by itself is a page.
    const small = new MeshScenario(rulesWith({ profileCharactersAtOnceMax: 1 }))
    const sealedKeys = [{ pubkey: bob.publicKey, key: Base64.make("AAAA") }]
    const only = small.attach(bob)
    small.request(only, { type: "set_profile", id, nonce, ciphertext: Base64.make("PROFILE1"), sealedKeys })
    assert.deepStrictEqual(namesOf(peersOf(small, only, { limit: 9 })), ["bob/s1"])
  })

  it("without pages is whole, unless it would be too long: then each member's last session is in it before any second (I23)", () => {
    const { asking, scenario } = storyWith({ peersListedMax: 6 })
    const whole = peersOf(scenario, asking)
    assert.deepStrictEqual([namesOf(whole).toSorted(), whole.more], [everybody, undefined])
    scenario.pass(1_000)
    scenario.attach(alice, { session: "s9" })
    const bounded = peersOf(scenario, asking)
    assert.deepStrictEqual(namesOf(bounded).slice(0, 3).toSorted(), ["alice/s9", "bob/s2", "carol/s1"])
    assert.strictEqual(bounded.peers.length, 6)
    // Whoever understands it goes on in pages, from the start.
    assert.strictEqual(bounded.more, "")
    assert.deepStrictEqual(walk(scenario, asking, 9), [[...everybody.slice(0, 3), "alice/s9", ...everybody.slice(3)]])
  })
})

describe("the list of members", () => {
  const membersOf = (
    scenario: MeshScenario,
    peer: Peer,
    page: { readonly after?: PublicKey; readonly limit?: number } = {},
  ) => {
    scenario.request(peer, { type: "list_members", id, ...page })
    const { last } = peer
    if (last?.type !== "members") throw new Error(`it is answered with ${last?.type}`)
    return { names: last.members.map(({ memberId }): string => memberId), after: last.after, more: last.more }
  }

  it("is whole without a limit, and comes in pages with one, no longer than the broker's bound (I23)", () => {
    for (const listPageMax of [2, 500]) {
      const scenario = new MeshScenario(rulesWith({ listPageMax }), [carol, alice, bob])
      const asking = scenario.attach(alice)
      assert.deepStrictEqual(membersOf(scenario, asking).names.toSorted(), ["alice", "bob", "carol"])
      assert.deepStrictEqual(membersOf(scenario, asking, { limit: listPageMax === 2 ? 9 : 2 }), {
        names: ["alice", "bob"],
        after: undefined,
        more: bob.publicKey,
      })
      assert.deepStrictEqual(membersOf(scenario, asking, { after: bob.publicKey, limit: 2 }), {
        names: ["carol"],
        after: bob.publicKey,
        more: undefined,
      })
      assert.deepStrictEqual(membersOf(scenario, asking, { after: PublicKey.make("f".repeat(64)) }).names, [])
    }
  })
})
