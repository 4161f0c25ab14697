import { DisplayName, MemberId, PublicKey, SessionId } from "@claudemesh/domain/Ids"
import { isoFromMillis } from "@claudemesh/domain/IsoTime"
import { formatTarget } from "@claudemesh/domain/routing/Target"
import { assert, it } from "@effect/vitest"
import { Effect, Result } from "effect"
import { AmbiguousTarget } from "../src/roster/ResolveMember.ts"
import { resolveTarget } from "../src/roster/ResolveTarget.ts"
import type { CertifiedView, MemberView, UncertifiedView } from "../src/roster/Roster.ts"
import { MemberStanding } from "../src/trust/MemberStanding.ts"

const key = (start: string) => PublicKey.make(start.padEnd(64, "0"))
const proved = MemberStanding.Certified({ role: "member", byVoiceAt: undefined })
const view = (name: string, start: string, standing: MemberStanding) => ({
  memberId: MemberId.make(name.replaceAll(/[^A-Za-z]/g, "")),
  pubkey: key(start),
  role: undefined,
  standing,
  protocol: 2 as const,
  isListed: true,
})
const member = (name: string, start: string, standing: MemberStanding = proved): CertifiedView => ({
  ...view(name, start, standing),
  displayName: DisplayName.make(name),
})
/** Listed by the broker under that name, and certified by nobody. */
const stranger = (name: string, start: string): UncertifiedView => ({
  ...view(name, start, MemberStanding.Uncertified({ doubt: "no_certificate" })),
  displayName: undefined,
  brokerSays: name,
})
const peer = (who: MemberView, session: string) => ({ pubkey: who.pubkey, sessionId: SessionId.make(session) })

const alice = member("Alice", "aaaaaaaa11")
const bob = member("Bob", "bbbbbbbb1")
const bobby = member("bob", "bbbbbbbb2")
const team = member("Team A/B", "cccccccc")
const hidden = { ...member("Hidden", "99999999"), isListed: false }
const dora = stranger("Dora", "dddddddd")
const bobToo = stranger("Bob", "dddddddd2")
const revoked = MemberStanding.Revoked({ at: isoFromMillis(0), by: key("f") })
const rex = member("Rex", "eeeeeeee", revoked)
const oldBob = member("Bob", "77777777", revoked)
const rob = member("rob", "66666666")
const oldRob = member("Rob", "55555555", revoked)
const named: Readonly<Record<string, string>> = {
  s2: "Build bot",
  s3: "Alice",
  s4: "Dora's bot",
  s5: "Hidden",
  s6: "bbbbbbbb1",
}
const zoe = member("Zoë", "33333333")
const strauss = member("Strauß", "22222222")
const longSessions = [
  peer(rob, "1f3a9c2e-0001"),
  peer(rob, "2b2b2b2b-0001"),
  peer(rob, "2b2b2b2b-0002"),
  peer(rob, "2b2b2b2b-00"),
  peer(team, "7e7e7e7e-0001"),
]
const ownNames = new Map([
  [alice.pubkey, "Alicia"],
  [hidden.pubkey, "Bob"],
  [zoe.pubkey, "Twin"],
  [strauss.pubkey, "Twin"],
])
const roster = {
  members: [alice, bob, bobby, team, hidden, rex, oldBob, rob, oldRob, zoe, strauss],
  strangers: [dora, bobToo],
  peers: [
    peer(alice, "s1"),
    peer(alice, "s2"),
    peer(bob, "s3"),
    peer(dora, "s4"),
    peer(bob, "s5"),
    peer(alice, "s6"),
    ...longSessions,
  ],
  sessionName: ({ sessionId }: { readonly sessionId: SessionId }) => {
    const name = named[sessionId]
    return name === undefined ? undefined : DisplayName.make(name)
  },
  /** All but these are called as their certificates say. */
  ownNameOf: (of: PublicKey) => {
    const name = ownNames.get(of)
    return name === undefined ? undefined : DisplayName.make(name)
  },
  isMemberName: (name: string) => ["Alice", "Hidden"].includes(name),
  standingOf: () => MemberStanding.Uncertified({ doubt: "not_asked" }),
}
const believed = [alice, bob, bobby, team, hidden, rob, zoe, strauss]

const resolved = (to: string) => {
  const result = resolveTarget(to, roster)
  return Result.isSuccess(result)
    ? formatTarget(result.success)
    : { tag: result.failure._tag, keys: result.failure.candidates.map((candidate) => candidate.key) }
}

it.effect.each([
  ["a display name", "Alice", alice.pubkey],
  ["a display name in another case, if one has it", "aLICE", alice.pubkey],
  ["the name as written before one in another case", "Bob", bob.pubkey],
  ["a name with a slash", "Team A/B", team.pubkey],
  ["a name and a session", "Alice/s2", `${alice.pubkey}/s2`],
  ["a session that is away", "Alice/gone", `${alice.pubkey}/gone`],
  ["a name with a slash, and a session", "Team A/B/s9", `${team.pubkey}/s9`],
  ["the name of a session", "Build bot", `${alice.pubkey}/s2`],
  ["a member whom the broker does not list", "Hidden", hidden.pubkey],
  ["the beginning of a hidden member's key", "99999999", hidden.pubkey],
  ["a name that a revoked member had as well", "Bob", bob.pubkey],
  ["the beginning of a key, and no session that is named so", "bbbbbbbb1", bob.pubkey],
  ["a key", alice.pubkey, alice.pubkey],
  ["a key and a session", `${alice.pubkey}/s1`, `${alice.pubkey}/s1`],
  ["the beginning of a key", "aaaaaaaa", alice.pubkey],
  ["the beginning of a key, and a session", "aaaaaaaa/s1", `${alice.pubkey}/s1`],
  ["the beginning of a session's id", "rob/1f3a9c2e", `${rob.pubkey}/1f3a9c2e-0001`],
  ["a key and the beginning of a session's id", `${rob.pubkey}/1f3a9c2e`, `${rob.pubkey}/1f3a9c2e-0001`],
  ["a session's whole id, though others begin so", "rob/2b2b2b2b-00", `${rob.pubkey}/2b2b2b2b-00`],
  ["too short a beginning of a session's id as an id", "rob/1f3a9c2", `${rob.pubkey}/1f3a9c2`],
  ["the beginning of another member's session as an id", "rob/7e7e7e7e", `${rob.pubkey}/7e7e7e7e`],
  ["a name between quotation marks", '"Alice"', alice.pubkey],
  ["a name as other programs call it", "@alice", alice.pubkey],
  ["a name between typographic quotation marks", " „Alice“ ", alice.pubkey],
  ["a name and a key, as lists print them", "Bob (bbbbbbbb1)", bob.pubkey],
  ["a name in another case with its key", "BOB (bbbbbbbb2)", bobby.pubkey],
  ["a name, a key and what lists say of it", '"Bob" (BBBBBBBB1, verified)', bob.pubkey],
  ["a name between the quotation marks of Japanese", "「Alice」", alice.pubkey],
  ["a name between quotation marks that do not belong together", '"Alice”', alice.pubkey],
  ["a name as a mail program writes it", "<Alice>", alice.pubkey],
  ["a name in square brackets", "[Alice]", alice.pubkey],
  ["a name in bold letters of Markdown", "**Alice**", alice.pubkey],
  ["a name as it begins a line of a chat", "@Alice: ", alice.pubkey],
  ["a name with the at sign of East Asian keyboards", "＠Alice", alice.pubkey],
  ["a name with a character that nobody sees", "Ali\u200bce\u200e", alice.pubkey],
  ["a name with spaces of a table", "Team   A/B", team.pubkey],
  ["a name and a key as a table has them", "Bob  bbbbbbbb1", bob.pubkey],
  ["a name and a key in other brackets", "Bob <bbbbbbbb1>", bob.pubkey],
  ["a key in brackets", "(aaaaaaaa)", alice.pubkey],
  ["a name and a key, and a session", "Alice (aaaaaaaa)/s1", `${alice.pubkey}/s1`],
  ["the beginning of a key in capitals", "AAAAAAAA", alice.pubkey],
  ["a shortened key with its dots", "aaaaaaaa…", alice.pubkey],
  ["a key in capitals", alice.pubkey.toUpperCase(), alice.pubkey],
  ["a decomposed name", "Zoe\u0308", zoe.pubkey],
  ["a name with a sharp s in capitals", "STRAUSS", strauss.pubkey],
  ["the beginning of a session's id alone, where no key begins so", "1f3a9c2e-0", `${rob.pubkey}/1f3a9c2e-0001`],
  ["a session's whole id alone", "2b2b2b2b-0001", `${rob.pubkey}/2b2b2b2b-0001`],
  ["a session between quotation marks", '"rob/1f3a9c2e"', `${rob.pubkey}/1f3a9c2e-0001`],
  ["the certified name of who is called otherwise here", "alicia", alice.pubkey],
  ["the certified name of who is called otherwise here, and a session", "Alicia/s1", `${alice.pubkey}/s1`],
  ["a name that another had before they were called otherwise here", "Bob", bob.pubkey],
  ["a channel between quotation marks", '"#general"', "#general"],
  ["a channel in capitals", "#General", "#general"],
  ["a channel", "#general", "#general"],
  ["a tag", "tag:backend", "tag:backend"],
  ["everyone", "*", "*"],
] as const)("resolves %s", ([, to, spec]) => Effect.sync(() => assert.strictEqual(resolved(to), spec)))

const everyone = believed.map(({ pubkey }) => pubkey)

it.effect.each([
  ["nobody's name, with everybody listed", "Carol", { tag: "UnknownTarget", keys: everyone }],
  ["a key that is no member's", key("d"), { tag: "UnknownTarget", keys: everyone }],
  ["the session of nobody", "Carol/s1", { tag: "UnknownTarget", keys: everyone }],
  ["too short a beginning of a key", "aaaaaaa", { tag: "UnknownTarget", keys: everyone }],
  ["a certified name of two", "Twin", { tag: "AmbiguousTarget", keys: [zoe.pubkey, strauss.pubkey] }],
  ["a name that two have in other cases", "BOB", { tag: "AmbiguousTarget", keys: [bob.pubkey, bobby.pubkey] }],
  ["a beginning that two keys have", "bbbbbbbb", { tag: "AmbiguousTarget", keys: [bob.pubkey, bobby.pubkey] }],
  ["a beginning that two sessions have", "rob/2b2b2b2b-000", { tag: "AmbiguousTarget", keys: [rob.pubkey] }],
  ["a session's name, if its member is not proved", "Dora's bot", { tag: "UnknownTarget", keys: everyone }],
  [
    "a name of one who was revoked, for one who is spelled in another case",
    "Rob",
    { tag: "UntrustedTarget", keys: [] },
  ],
  ["a name with the key of another", "Alice (bbbbbbbb1)", { tag: "UnknownTarget", keys: everyone }],
  ["the beginning of a session's id that reads as a key's", "1f3a9c2e", { tag: "UnknownTarget", keys: everyone }],
  ["the beginning of two sessions' ids", "2b2b2b2b-0", { tag: "AmbiguousTarget", keys: [rob.pubkey] }],
  ["all in stars, which is no way to write everyone", "***", { tag: "UnknownTarget", keys: everyone }],
  ["no text", "", { tag: "UnknownTarget", keys: everyone }],
] as const)("refuses %s", ([, to, expected]) => Effect.sync(() => assert.deepEqual<unknown>(resolved(to), expected)))

it.effect("never takes another for one whose name has quotation marks, as lists print it", () =>
  Effect.sync(() => {
    const quoted = member('"Bob"', "44444444")
    const find = (to: string) => resolveTarget(to, { ...roster, members: [...roster.members, quoted] })
    for (const to of ['"Bob"', String.raw`"\"Bob\""`]) {
      assert.strictEqual(Result.isFailure(find(to)) ? "asked" : "guessed", "asked", to)
    }
    for (const to of [String.raw`"\"Bob\"" (44444444)`, '"Bob" (44444444)', String.raw`@"\"Bob\"" 44444444`]) {
      assert.deepEqual<unknown>(Result.map(find(to), formatTarget), Result.succeed(quoted.pubkey), to)
    }
    assert.deepEqual<unknown>(Result.map(find("Bob (bbbbbbbb1)"), formatTarget), Result.succeed(bob.pubkey))
  }),
)

it.effect("lists the sessions of candidates", () =>
  Effect.sync(() => {
    const result = resolveTarget("Carol", roster)
    if (Result.isSuccess(result)) return assert.fail("Carol was found")
    assert.deepEqual<unknown>(result.failure.candidates[0], {
      name: alice.displayName,
      key: alice.pubkey,
      sessions: ["s1", "s2", "s6"],
    })
    assert.include(result.failure.message, "Alice (aaaaaaaa)")
  }),
)

it.effect.each([
  ["a swapped letter", "Ailce", "Alice (aaaaaaaa)"],
  ["a missing accent", "zoe", "Zoë (33333333)"],
  ["a longer name", "Bobby", "Bob (bbbbbbbb1) or bob (bbbbbbbb2)"],
  ["a part of a name", "Team", '"Team A/B" (cccccccc)'],
  ["the beginning of a session's id", "1f3a9c2e", 'the session "rob/1f3a9c2e"'],
  ["a wrong key behind a name", "Alice (bbbbbbbb1)", "Alice (aaaaaaaa)"],
  ["too short a beginning of a key", "aaaaaaa", "Alice (aaaaaaaa)"],
  ["the slug of a mesh that is not joined", "nosuch:Ailce", 'Alice (aaaaaaaa)? No mesh "nosuch" is joined.'],
] as const)("asks whether the near one was meant after %s", ([, to, near]) =>
  Effect.sync(() => {
    const result = resolveTarget(to, roster)
    if (Result.isSuccess(result)) return assert.fail(`${to} was found`)
    assert.include(result.failure.message, near)
    assert.notInclude(result.failure.message, "Hidden")
  }),
)

it.effect("finds no session by what reads as the beginning of a key, and says how one is written", () =>
  Effect.sync(() => {
    const result = resolveTarget("1f3a9c2e", roster)
    if (Result.isSuccess(result)) return assert.fail("a session stood in for a key")
    assert.include(result.failure.message, 'Did you mean the session "rob/1f3a9c2e"?')
    assert.strictEqual(resolved('"rob/1f3a9c2e"'), `${rob.pubkey}/1f3a9c2e-0001`)
  }),
)

it.effect("names five of forty members where none is near", () =>
  Effect.sync(() => {
    const many = Array.from({ length: 40 }, (_, index) =>
      member(`Person ${index}`, (index + 16).toString(16).repeat(4)),
    )
    const result = resolveTarget("Xenia", { ...roster, members: many })
    if (Result.isSuccess(result)) return assert.fail("Xenia was found")
    assert.match(result.failure.message, /: Person 0 \(.*Person 12 \([0-9a-f]+\), and 35 more\.$/)
  }),
)

it.effect("says which sessions begin so, with as much of each id as tells them apart", () =>
  Effect.sync(() => {
    const result = resolveTarget("rob/2b2b2b2b", roster)
    if (Result.isSuccess(result)) return assert.fail("a session was guessed")
    assert.strictEqual(
      result.failure.message,
      '"rob/2b2b2b2b" may be any of these sessions of rob: 2b2b2b2b-0001, 2b2b2b2b-0002, 2b2b2b2b-00. Write more of its id.',
    )
  }),
)

it.effect.each([
  ["a member who is not proved, by name", "Dora", dora.pubkey, "Uncertified", "no proof that the key is a member's"],
  ["one who is not proved, by key", dora.pubkey, dora.pubkey, "Uncertified", "no proof"],
  ["one who is not proved, by a session", "Dora/s4", dora.pubkey, "Uncertified", "no proof"],
  ["one who was revoked", "rex", rex.pubkey, "Revoked", "it was revoked at 1970-01-01"],
] as const)("says of %s why nothing is sent there", ([, to, pubkey, standing, why]) =>
  Effect.sync(() => {
    const result = resolveTarget(to, roster)
    if (Result.isSuccess(result)) return assert.fail(`${to} was found`)
    assert.deepInclude(result.failure, { _tag: "UntrustedTarget", key: pubkey, standing })
    assert.include(result.failure.message, why)
  }),
)

it("sets a name that could pass for our own words apart in what a sender is told", () => {
  const candidates = [
    { name: DisplayName.make("bob (07f54fd7), verified"), key: PublicKey.make("b".repeat(64)), sessions: [] },
    { name: DisplayName.make("Ann"), key: PublicKey.make("a".repeat(64)), sessions: [] },
  ]
  assert.strictEqual(
    new AmbiguousTarget({ target: "b", candidates }).message,
    '"b" may be any of: "bob (07f54fd7), verified" (bbbbbbbb), Ann (aaaaaaaa). Write one of them so, or its key.',
  )
})
