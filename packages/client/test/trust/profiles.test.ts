/** What a session says of itself, and how proofs are asked for. */
import { DisplayName, MemberId } from "@claudemesh/domain/Ids"
import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { TestClock } from "effect/testing"
import { certificateOf, certified, keysOf } from "../support/Certified.ts"
import { startClient } from "../support/Clients.ts"
import { memberOf, peerOf, type Person, person, testLayer } from "../support/FakeBroker.ts"

layer(testLayer)("what a session says of itself", (it) => {
  it.effect("is sealed at the connect, with its name and where it runs, and the broker learns none of it", () =>
    Effect.gen(function* () {
      const { broker, client } = yield* startClient(() => {}, {
        sessionName: DisplayName.make("Build bot"),
        profile: { cwd: "/home/a/project", host: "tower", branch: "two\nlines" },
      })
      assert.deepStrictEqual(broker.hellos[0]?.displayName, DisplayName.make("Alice"))
      const [sent] = broker.sent("set_profile")
      if (sent === undefined) return assert.fail("no profile was sent")
      const { ciphertext, nonce, sealedKeys } = sent
      const alice = yield* person("Alice")
      const sealedKey = sealedKeys.find(({ pubkey }) => pubkey === alice.publicKey)?.key ?? assert.fail("not to Alice")
      broker.peers = [peerOf(alice, { profile: { ciphertext, nonce, sealedKey } })]
      const profile = (yield* client.peers)[0]?.profile
      // What is no line is left out, and takes nothing else with it.
      assert.deepInclude(profile, { name: DisplayName.make("Build bot"), cwd: "/home/a/project", host: "tower" })
      assert.isUndefined(profile?.branch)
    }),
  )

  it.effect("is not sent by a session that only sends and asks", () =>
    Effect.gen(function* () {
      const { broker } = yield* startClient(() => {}, { profile: { cwd: "/tmp" }, maxInFlight: 0 })
      assert.deepStrictEqual(broker.sent("set_profile"), [])
    }),
  )
})

layer(testLayer)("where a session runs", (it) => {
  it.effect("is told again when it has changed, and only then", () =>
    Effect.gen(function* () {
      const profile = { cwd: "/home/a", host: "tower", branch: "main" }
      const { broker, client } = yield* startClient(() => {}, { profile })
      yield* client.setProfile(profile)
      assert.lengthOf(broker.sent("set_profile"), 1)
      yield* client.setProfile({ ...profile, branch: "other" })
      assert.lengthOf(broker.sent("set_profile"), 2)
    }),
  )

  it.effect("is told to nobody in a mesh where that is switched off, and what was told before is taken back", () =>
    Effect.gen(function* () {
      const { broker, client } = yield* startClient(() => {}, {
        profile: { cwd: "/home/a" },
        membership: { ...certified(yield* person("Alice")), tells: "nothing" },
      })
      yield* client.setProfile({ cwd: "/home/b" })
      const [sent, ...more] = broker.sent("set_profile")
      assert.lengthOf(more, 0)
      const { ciphertext, nonce, sealedKeys } = sent ?? assert.fail("it was not taken back")
      const alice = yield* person("Alice")
      const sealedKey = sealedKeys.find(({ pubkey }) => pubkey === alice.publicKey)?.key ?? assert.fail("not to Alice")
      broker.peers = [peerOf(alice, { profile: { ciphertext, nonce, sealedKey } })]
      const told = (yield* client.peers)[0]?.profile
      assert.isUndefined(told?.cwd)
    }),
  )
})

layer(testLayer)("asking for proofs", (it) => {
  it.effect("takes a hundred keys at a time, each once, and again on the next connection", () =>
    Effect.gen(function* () {
      const { bob, broker, client } = yield* startClient()
      const people = Array.from({ length: 250 }, (_, n): Person => {
        return { ...bob, ...keysOf(`m${n}`), memberId: MemberId.make(`m${n}`) }
      })
      broker.members = people.map((who) => memberOf(who))
      broker.peers = []
      const before = broker.sent("get_trust").length
      yield* client.roster
      yield* client.roster
      const asked = broker.sent("get_trust").slice(before)
      assert.deepStrictEqual(
        asked.map(({ keys }) => keys.length),
        [100, 100, 50],
      )
      broker.trust = { ...broker.trust, certificates: people.map((who) => certificateOf(who)) }
      broker.latest.close(1001)
      yield* TestClock.adjust("2 seconds")
      const standings = (yield* client.roster).map(({ standing }) => standing._tag)
      assert.deepStrictEqual(new Set(standings), new Set(["Certified"]))
    }),
  )
})
