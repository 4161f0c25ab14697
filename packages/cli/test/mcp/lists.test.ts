/** Lists of members and channels inside the bound of an answer, and the calls that go on where one ends. */
import type { MemberView, PeerView } from "@claudemesh/client/roster/Roster"
import { MemberStanding } from "@claudemesh/client/trust/MemberStanding"
import { DisplayName, Label, MemberId, MeshId, PublicKey, SessionId, Slug } from "@claudemesh/domain/Ids"
import { IsoTime } from "@claudemesh/domain/IsoTime"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { bodyCharactersMax } from "../../src/mcp/Limits.ts"
import { listing, type MeshList, placeIn } from "../../src/mcp/Listing.ts"
import { listed as listedChannels } from "../../src/mcp/tools/listChannels.ts"
import { listed as listedPeers } from "../../src/mcp/tools/listPeers.ts"

const keyOf = (index: number) => PublicKey.make(index.toString(16).padStart(64, "0"))

const memberOf = (index: number): MemberView => ({
  memberId: MemberId.make(`m${index}`),
  pubkey: keyOf(index),
  displayName: DisplayName.make(`member ${index}`),
  isListed: true,
  role: "member",
  standing: MemberStanding.Certified({ role: "member", byVoiceAt: undefined }),
  protocol: 2,
})

const sessionOf = (index: number, number: number, summary: string): PeerView => ({
  ...memberOf(index),
  sessionId: SessionId.make(`s-${index}-${number}`),
  attached: true,
  status: "idle",
  protocol: 2,
  profile: {
    meshId: MeshId.make("red"),
    sessionId: SessionId.make(`s-${index}-${number}`),
    at: IsoTime.make("2026-01-02T03:04:05.678Z"),
    cwd: `/home/${"long/".repeat(200)}`,
    host: "h".repeat(255),
    summary,
  },
})

const many = (count: number) => Array.from({ length: count }, (_, index) => index + 1)

const clientOf = (members: ReadonlyArray<MemberView>, peers: ReadonlyArray<PeerView>, slug = "red") => ({
  membership: { slug: Slug.make(slug), pubkey: keyOf(1) },
  roster: Effect.succeed(members),
  peers: Effect.succeed(peers),
})

const peerWords = { tool: "list_peers", one: "member", many: "members" }

/** Follows a list to its end, as an agent does, and gives the keys that were shown. */
const followed = Effect.fnUntraced(function* (
  page: (after: string | undefined) => Effect.Effect<MeshList | undefined>,
) {
  const texts: Array<string> = []
  let after: string | undefined
  for (let pages = 0; pages < 100; pages += 1) {
    const list = yield* page(after === undefined ? undefined : placeIn(after)?.place)
    const { text } = listing(list === undefined ? assert.fail("it does not go on") : [list], peerWords)
    assert.isAtMost(text.length, bodyCharactersMax)
    texts.push(text)
    const input = /call list_peers with (\{[^\n]*\})\.$/.exec(text)?.[1]
    if (input === undefined) return texts
    after = JSON.parse(input).after
  }
  return assert.fail("it has no end")
})

const keysIn = (texts: ReadonlyArray<string>) =>
  texts.flatMap((text) => [...text.matchAll(/^- (.*?)(?: \(you\))?, key /gm)].map(([, name]) => name))

describe("a list of members", () => {
  it.effect("of 500 with summaries of 5,000 characters comes in answers of the bound, and each member once", () =>
    Effect.gen(function* () {
      const members = many(500).map(memberOf)
      const peers = many(500).flatMap((index) =>
        many(3).map((number) => sessionOf(index, number, '"<a> & '.repeat(714))),
      )
      const texts = yield* followed((after) => listedPeers(clientOf(members, peers), after))
      assert.deepStrictEqual(new Set(keysIn(texts)), new Set(members.map(({ displayName }) => displayName)))
      assert.lengthOf(keysIn(texts), 500)
      assert.match(texts[0] ?? "", /^Mesh red: 500 members, 500 connected\.\n<peer-list>\n- member /)
      assert.match(
        texts[0] ?? "",
        /\n<\/peer-list>\n\d+ more members: call list_peers with \{"after":"red\/connected\/[0-9a-f]{64}"\}\.$/,
      )
    }),
  )

  it.effect("shows a name that looks like our words between quotation marks", () =>
    Effect.gen(function* () {
      const displayName = DisplayName.make("bob, key 5f3a9c2e, verified (you)")
      const [text = ""] = yield* followed((after) =>
        listedPeers(clientOf([memberOf(1), { ...memberOf(2), displayName }], []), after),
      )
      assert.match(text, /\n- "bob, key 5f3a9c2e, verified \(you\)", key [0-9a-f]+: away/)
    }),
  )

  it.effect("shows first who is connected, and goes on behind who has left or come since", () =>
    Effect.gen(function* () {
      const members = many(900).map(memberOf)
      const peers = many(900)
        .filter((index) => index % 3 === 0)
        .map((index) => sessionOf(index, 1, "x".repeat(400)))
      let leaving = 0
      const texts = yield* followed((after) => {
        leaving = after === undefined ? 0 : leaving + 1
        // Each page's last member has left before the next page is asked for.
        const there = peers.filter(({ pubkey }) => after === undefined || !after.endsWith(pubkey))
        return listedPeers(clientOf(members, there), after)
      })
      assert.isAbove(leaving, 2)
      assert.deepStrictEqual(new Set(keysIn(texts)), new Set(members.map(({ displayName }) => displayName)))
      const [first = ""] = texts
      assert.notInclude(first, ": away")
      assert.include(texts.at(-1), ": away")
    }),
  )

  it.effect("shows of a member with 200 sessions a few, and counts the others", () =>
    Effect.gen(function* () {
      const peers = many(200).map((number) => sessionOf(2, number, '"'.repeat(5_000)))
      const few = many(7).map((number) => sessionOf(2, number, ""))
      const [text = "", ...others] = yield* followed((after) =>
        listedPeers(clientOf([memberOf(1), memberOf(2)], peers), after),
      )
      assert.deepStrictEqual(others, [])
      assert.match(text, /\n- member 2, key 0{63}2: idle s-2-1\b[^\n]*; idle s-2-2\b[^\n]*; \+198 more\n/)
      const [one = ""] = yield* followed((after) => listedPeers(clientOf([memberOf(1), memberOf(2)], few), after))
      assert.match(one, /\n- member 2, key 0{63}2: 7 sessions\n(?: {4}idle, [^\n]*\n){5} {4}and 2 more\n/)
    }),
  )

  it.effect("of a mesh where nothing fits beside the others is counted, with the call that shows it", () =>
    Effect.gen(function* () {
      const lists = yield* Effect.forEach(many(80), (index) =>
        listedPeers(clientOf(many(30).map(memberOf), [sessionOf(1, 1, "y".repeat(500))], `mesh-${index}`), undefined),
      )
      const { text } = listing(
        lists.filter((list) => list !== undefined),
        peerWords,
      )
      assert.isAtMost(text.length, bodyCharactersMax)
      assert.include(text, '\n30 members: call list_peers with {"mesh":"mesh-1"}.')
      assert.match(text, /Mesh mesh-80: 30 members, 1 connected\./)
    }),
  )

  it.effect("of 41 members with a session each says of all of them what there is room for, in 3,000 characters", () =>
    Effect.gen(function* () {
      const keys = many(41).map((index) =>
        PublicKey.make((index * 0x9e37_79b1).toString(16).slice(-8).padStart(8, "3").padEnd(64, "0")),
      )
      const uuid = (index: number) =>
        SessionId.make(`${(index * 0x85eb_ca6b).toString(16).padStart(8, "0").slice(-8)}-1f0b-4a52-8a53-0c6c7d1d9a10`)
      const members = keys.map((pubkey, index) => ({
        ...memberOf(index),
        pubkey,
        displayName: DisplayName.make(`Firstname Lastname ${index}`),
      }))
      const peers = members.map(({ displayName, pubkey }, index) => ({
        ...sessionOf(index, 1, "Migrating the ledger to the new schema, then the reports that stand on it"),
        displayName,
        pubkey,
        sessionId: uuid(index + 1),
      }))
      const client = clientOf(members, peers)
      const answer = (list: MeshList | undefined) =>
        listing(list === undefined ? assert.fail() : [list], { ...peerWords, shortened: "Shortened." })
      const { text } = answer(yield* listedPeers(client, undefined))
      assert.isBelow(text.length, 3_000)
      for (const [index, key] of keys.entries()) {
        assert.lengthOf(text.split(key.slice(0, 8)), 2, "each key once")
        assert.notInclude(text, key.slice(0, 16))
        assert.include(text, uuid(index + 1).slice(0, 8))
      }
      assert.match(text, /\n\nShortened\.$/)
      const one = answer(yield* listedPeers(client, undefined, "firstname lastname 7")).text
      assert.match(
        one,
        /^Mesh red: 41 members, 41 connected\.\n<peer-list>\n- Firstname Lastname 7, key .*: 1 session\n {4}idle, session \w{8}, in ".*": "Migrating the ledger to the new schema, then the reports that stand on it"\n<\/peer-list>$/,
      )
      assert.match(answer(yield* listedPeers(client, undefined, "Zoe")).text, /Nobody is "Zoe"\.$/)
    }),
  )

  it.effect("says of whom the safety number was compared", () =>
    Effect.gen(function* () {
      const at = IsoTime.make("2026-01-02T03:04:05.678Z")
      const compared = { ...memberOf(2), standing: MemberStanding.Certified({ role: "member", byVoiceAt: at }) }
      const [text = ""] = yield* followed((after) => listedPeers(clientOf([memberOf(1), compared], []), after))
      assert.match(text, /\n- member 1 \(you\), key 0+1: away\n- member 2, key 0+2, verified: away\n/)
    }),
  )

  it.effect("does not go on behind somebody who is not in it any more", () =>
    Effect.gen(function* () {
      const client = clientOf([memberOf(1)], [])
      assert.isUndefined(yield* listedPeers(client, `away/${keyOf(9)}`))
      assert.isUndefined(yield* listedPeers(client, "no place at all"))
    }),
  )
})

describe("a list of channels", () => {
  it.effect("of a thousand goes on where it ended, each channel once", () =>
    Effect.gen(function* () {
      const channels = many(1_000).map((index) => ({
        channel: Label.make(`channel-${index}-${"x".repeat(40)}`),
        joined: false,
        members: 1,
        sessions: 2,
      }))
      const client = { membership: { slug: Slug.make("red") }, channels: Effect.succeed(channels) }
      const seen: Array<string> = []
      let after = ""
      for (let pages = 0; pages < 20; pages += 1) {
        const { text } = listing([yield* listedChannels(client, after)], {
          tool: "list_channels",
          one: "channel",
          many: "channels",
        })
        assert.isAtMost(text.length, bodyCharactersMax)
        seen.push(...[...text.matchAll(/^- #(\S+): 1 member, 2 sessions there now$/gm)].map(([, name = ""]) => name))
        const input = /call list_channels with (\{.*\})\.$/.exec(text)?.[1]
        if (input === undefined) break
        after = placeIn(JSON.parse(input).after)?.place ?? assert.fail(input)
      }
      assert.deepStrictEqual(
        seen,
        channels.map(({ channel }) => channel).toSorted((a, b) => (a < b ? -1 : 1)),
      )
    }),
  )
})
