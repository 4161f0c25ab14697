/** What is believed of records, wherever they come from. */
import { DisplayName, MemberId, MeshId } from "@claudemesh/domain/Ids"
import { ChainVerifier } from "@claudemesh/domain/trust/ChainVerifier"
import { assert, layer } from "@effect/vitest"
import { Effect, Result } from "effect"
import { verifierOf } from "../../src/keys/SignRecords.ts"
import { Sodium } from "../../src/keys/Sodium.ts"
import { sealProfile } from "../../src/seal/SealProfile.ts"
import { TrustStore, CertifiedMember } from "../../src/trust/TrustStore.ts"
import {
  certificateOf,
  certified,
  door,
  inviteOf,
  keysOf,
  owner,
  verified,
  withRevocation,
} from "../support/Certified.ts"
import { startClient } from "../support/Clients.ts"
import { at, memberOf, membershipOf, peerOf, person, testLayer } from "../support/FakeBroker.ts"

layer(testLayer)("the trust store", (it) => {
  it.effect("keeps the first proof of a key, though another comes along unasked", () =>
    Effect.gen(function* () {
      const [alice, bob] = [yield* person("Alice"), yield* person("Bob")]
      const store = new TrustStore(certified(alice), yield* Sodium)
      store.learn({ certificates: [certificateOf(bob)], invites: [inviteOf(door)], revocations: [] }, 0)
      const second = certificateOf(bob, { displayName: DisplayName.make("Alice"), allowV1: true })
      const { more } = store.learn({ certificates: [second], invites: [], revocations: [] }, 0)
      assert.deepStrictEqual(more.members, [])
      assert.deepStrictEqual(store.certificateOf(bob.publicKey), certificateOf(bob))
      assert.isFalse(Result.getOrThrow(store.certified(bob.publicKey)).certificate.allowV1)
    }),
  )

  it.effect("can read again what it gave to be remembered, also when one who revoked had left since", () =>
    Effect.gen(function* () {
      const [alice, bob, dora] = [yield* person("Alice"), yield* person("Bob"), yield* person("Dora")]
      const sodium = yield* Sodium
      const hall = keysOf("hall")
      const store = new TrustStore(certified(alice), sodium)
      const admin = certificateOf(bob, {}, hall)
      store.learn({ certificates: [admin], invites: [inviteOf(hall, { role: "admin" })], revocations: [] }, 0)
      const first = withRevocation([], dora.publicKey, {}, bob)
      // Ours, when we leave: our own certificate is in the config file alone, and goes with it.
      const { more } = store.learn(
        { certificates: [], invites: [], revocations: withRevocation(first, alice.publicKey, {}, alice) },
        0,
      )
      const back = { ...alice, ...keysOf("Alice again"), memberId: MemberId.make("again") }
      for (const known of [more, store.confirmByVoice(bob.publicKey, at)]) {
        const again = new TrustStore(certified(back), sodium)
        assert.deepStrictEqual(again.restore(known), Result.void)
        assert.strictEqual(again.standingOf(alice.publicKey)._tag, "Revoked")
        assert.strictEqual(again.standingOf(back.publicKey)._tag, "Certified")
      }
    }),
  )

  it.effect("keeps no invite that nobody came by: a broker could send any number", () =>
    Effect.gen(function* () {
      const [alice, bob] = [yield* person("Alice"), yield* person("Bob")]
      const hall = keysOf("hall")
      const store = new TrustStore(certified(alice), yield* Sodium)
      store.learn({ certificates: [], invites: [inviteOf(hall)], revocations: [] }, 0)
      const certificates = [certificateOf(bob, {}, hall)]
      assert.isFalse(store.learn({ certificates, invites: [], revocations: [] }, 0).isNew)
      assert.isTrue(store.learn({ certificates, invites: [inviteOf(hall)], revocations: [] }, 0).isNew)
      assert.strictEqual(store.standingOf(bob.publicKey)._tag, "Certified")
    }),
  )

  it.effect("makes nobody a member to seal to whose register does not prove it", () =>
    Effect.gen(function* () {
      const [bob, mallory] = [yield* person("Bob"), yield* person("Mallory")]
      const sodium = yield* Sodium
      const register = new ChainVerifier(MeshId.make("mesh-team"), owner.publicKey, verifierOf(sodium))
      register.learnInvite(inviteOf(door))
      register.learnCertificate(certificateOf(bob))
      assert.isDefined(CertifiedMember.in(register, bob.publicKey, sodium))
      assert.isUndefined(CertifiedMember.in(register, mallory.publicKey, sodium))
      for (const revocation of withRevocation([], bob.publicKey)) register.learnRevocation(revocation)
      assert.isUndefined(CertifiedMember.in(register, bob.publicKey, sodium))
    }),
  )
})

layer(testLayer)("a profile of somebody who is no member", (it) => {
  it.effect("is not shown, however well it is signed", () =>
    Effect.gen(function* () {
      const mallory = yield* person("Mallory")
      const { alice, broker, client } = yield* startClient()
      const from = { ...membershipOf(mallory), sessionId: mallory.sessionId }
      const { ciphertext, nonce, sealedKeys } = yield* sealProfile({ summary: "trust me" }, from, [
        yield* verified(alice),
      ])
      const sealedKey = sealedKeys[0]?.key ?? assert.fail("nothing was sealed")
      broker.members = [...broker.members, memberOf(mallory)]
      broker.peers = [peerOf(mallory, { profile: { ciphertext, nonce, sealedKey } })]
      const [peer] = yield* client.peers
      assert.strictEqual(peer?.standing._tag, "Uncertified")
      assert.isUndefined(peer?.profile)
    }),
  )
})
