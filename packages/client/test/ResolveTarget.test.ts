import { DisplayName, MemberId, PublicKey, SessionId } from "@claudemesh/domain/Ids"
import { formatTarget } from "@claudemesh/domain/routing/Target"
import type { Member, Peer } from "@claudemesh/domain/wire/BrokerFrame"
import { assert, it } from "@effect/vitest"
import { Effect, Result } from "effect"
import { resolveTarget } from "../src/roster/ResolveTarget.ts"

const key = (start: string) => PublicKey.make(start.padEnd(64, "0"))
const member = (name: string, start: string): Member => ({
  memberId: MemberId.make(name.replaceAll(/[^A-Za-z]/g, "")),
  pubkey: key(start),
  displayName: DisplayName.make(name),
})
const peer = (who: Member, session: string, displayName = who.displayName): Peer => ({
  ...who,
  displayName,
  sessionId: SessionId.make(session),
  attached: true,
  status: "idle",
  protocol: 2,
})

const alice = member("Alice", "aaaaaaaa11")
const bob = member("Bob", "bbbbbbbb1")
const bobby = member("bob", "bbbbbbbb2")
const team = member("Team A/B", "cccccccc")
const roster = {
  members: [alice, bob, bobby, team],
  peers: [peer(alice, "s1"), peer(alice, "s2", DisplayName.make("Build bot")), peer(bob, "s3")],
}

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
  ["a key", alice.pubkey, alice.pubkey],
  ["a key and a session", `${alice.pubkey}/s1`, `${alice.pubkey}/s1`],
  ["the beginning of a key", "aaaaaaaa", alice.pubkey],
  ["the beginning of a key, and a session", "aaaaaaaa/s1", `${alice.pubkey}/s1`],
  ["a channel", "#general", "#general"],
  ["a tag", "tag:backend", "tag:backend"],
  ["everyone", "*", "*"],
] as const)("resolves %s", ([, to, spec]) => Effect.sync(() => assert.strictEqual(resolved(to), spec)))

const everyone = roster.members.map(({ pubkey }) => pubkey)

it.effect.each([
  ["nobody's name, with everybody listed", "Carol", { tag: "UnknownTarget", keys: everyone }],
  ["a key that is no member's", key("d"), { tag: "UnknownTarget", keys: everyone }],
  ["the session of nobody", "Carol/s1", { tag: "UnknownTarget", keys: everyone }],
  ["too short a beginning of a key", "aaaaaaa", { tag: "UnknownTarget", keys: everyone }],
  ["a name that two have in other cases", "BOB", { tag: "AmbiguousTarget", keys: [bob.pubkey, bobby.pubkey] }],
  ["a beginning that two keys have", "bbbbbbbb", { tag: "AmbiguousTarget", keys: [bob.pubkey, bobby.pubkey] }],
  ["no text", "", { tag: "UnknownTarget", keys: everyone }],
] as const)("refuses %s", ([, to, expected]) => Effect.sync(() => assert.deepEqual<unknown>(resolved(to), expected)))

it.effect("lists the sessions of candidates", () =>
  Effect.sync(() => {
    const result = resolveTarget("Carol", roster)
    if (Result.isSuccess(result)) return assert.fail("Carol was found")
    assert.deepEqual<unknown>(result.failure.candidates[0], {
      name: alice.displayName,
      key: alice.pubkey,
      sessions: ["s1", "s2"],
    })
    assert.include(result.failure.message, "Alice (aaaaaaaa)")
  }),
)
