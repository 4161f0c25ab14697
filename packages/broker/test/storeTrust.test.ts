/** Invites, members that joined by them, and revocations, as every database must keep them. */
import { DisplayName, MemberId, PublicKey } from "@claudemesh/domain/Ids"
import { isoFromMillis } from "@claudemesh/domain/IsoTime"
import { assert } from "@effect/vitest"
import { Effect, Option } from "effect"
import { SqlClient } from "effect/unstable/sql"
import {
  certificateFor,
  inviteFrom,
  type Keys,
  keysOf,
  movedBy,
  newRegister,
  owner,
  revocationIn,
} from "../../domain/test/support/Trust.ts"
import { MessageStore, Write } from "../src/store/MessageStore.ts"
import { alice, bob, carol, meshId, meshRecord } from "./support/MeshScenario.ts"
import { acceptOf, inboxOf, messageOf } from "./support/Stores.ts"
import { type Claim, commit, conforms, reasonOf, sizes } from "./support/StoreSuite.ts"

const door = keysOf("door")
const invite = inviteFrom(door, {
  meshId,
  uses: 2,
  label: DisplayName.make("Für \u{1F600}"),
  expiresAt: isoFromMillis(1_800_000_000_000),
})

const added = (seq: number, of = invite): Write => Write.InviteAdded({ meshId, seq, invite: of, atMillis: seq })

const joined = (seq: number, who: Keys, changes: Parameters<typeof certificateFor>[2] = {}): Write =>
  Write.MemberJoined({ meshId, seq, certificate: certificateFor(who, door, changes), atMillis: seq })

const dave = keysOf("dave")
const erin = keysOf("erin")
const frank = keysOf("frank")

const loaded = Effect.gen(function* () {
  const { epoch: _, ...found } = Option.getOrThrow(yield* (yield* MessageStore).loadMesh(meshId))
  return found
})

const begun = Effect.gen(function* () {
  yield* (yield* MessageStore).createMesh(meshRecord, undefined, [alice, bob, carol], 0)
  yield* commit(added(2))
})

const audit = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const rows = yield* sql<{
    readonly seq: number | bigint
    readonly event: string
    readonly who: string | null
  }>`SELECT seq, event, actor_member_id AS who FROM mesh.audit_log WHERE seq IS NOT NULL ORDER BY seq`
  return rows.map(({ event, seq, who }) => `${seq} ${event}${who === null ? "" : ` ${who}`}`)
})

const claims: Readonly<Record<string, Claim>> = {
  "keeps an invite, who came by it, and who was revoked, as they were signed": Effect.gen(function* () {
    yield* begun
    const certificate = certificateFor(dave, door, { allowV1: true })
    const first = revocationIn(newRegister(), bob.publicKey, owner, { meshId, kept: [alice.publicKey, dave.key] })
    const second = { ...first, version: 2, subject: carol.publicKey, kept: [] }
    yield* commit(
      Write.MemberJoined({ meshId, seq: 3, certificate, atMillis: 3 }),
      Write.KeyRevoked({ seq: 4, revocation: first, atMillis: 4 }),
      Write.KeyRevoked({ seq: 5, revocation: second, atMillis: 5 }),
    )
    const { invites, members, revocations } = yield* loaded
    assert.deepStrictEqual(invites, [{ invite, used: 1 }])
    const { displayName, memberId, publicKey } = certificate
    assert.deepStrictEqual(
      members.find((member) => member.memberId === memberId),
      { memberId, publicKey, displayName, certificate },
    )
    assert.deepStrictEqual(revocations, [first, second])
  }),

  "writes an audit row for each, which names no key (I18)": Effect.gen(function* () {
    yield* begun
    const revocation = revocationIn(newRegister(), dave.key, owner, { meshId })
    yield* commit(joined(3, dave, { memberId: MemberId.make("dave") }), acceptOf(messageOf(4), [inboxOf(bob)]))
    yield* commit(Write.KeyRevoked({ seq: 5, revocation, atMillis: 5 }))
    assert.deepStrictEqual(yield* audit, [
      "1 mesh_created",
      "2 invite_added",
      "3 member_joined dave",
      "4 message_accepted alice",
      "5 key_revoked",
    ])
  }),

  "lets no more join than the invite has uses, whoever has counted, and stores nothing of that batch (I28)": Effect.gen(
    function* () {
      yield* begun
      yield* commit(joined(3, dave), joined(4, erin))
      const before = yield* sizes
      const members = (yield* loaded).members.length
      const batch = [acceptOf(messageOf(5), [inboxOf(bob)]), joined(6, frank)]
      assert.strictEqual(yield* reasonOf(commit(...batch)), "rejected")
      assert.deepStrictEqual(yield* sizes, before)
      assert.strictEqual((yield* loaded).members.length, members)
      assert.deepStrictEqual((yield* loaded).invites, [{ invite, used: 2 }])
    },
  ),

  "keeps where the owner has moved the mesh, and gives the last word": Effect.gen(function* () {
    yield* begun
    assert.isUndefined((yield* loaded).moved)
    const moves = [1, 2].map((version) => movedBy(owner, { meshId, version }))
    const write = (seq: number, index: number) =>
      Effect.forEach(moves.slice(index, index + 1), (moved) => commit(Write.MeshMoved({ seq, moved, atMillis: seq })))
    yield* write(3, 0)
    yield* write(4, 1)
    const before = yield* audit
    assert.deepStrictEqual(before.slice(-2), ["3 mesh_moved", "4 mesh_moved"])
    yield* write(5, 1)
    assert.deepStrictEqual(yield* audit, before)
    assert.deepStrictEqual((yield* loaded).moved, moves[1])
  }),

  "refuses three who join by two uses in one batch": Effect.gen(function* () {
    yield* begun
    assert.strictEqual(yield* reasonOf(commit(joined(3, dave), joined(4, erin), joined(5, frank))), "rejected")
    assert.deepStrictEqual((yield* loaded).invites, [{ invite, used: 0 }])
  }),

  "takes what it has already, exactly so, for written: nothing is counted twice (I28)": Effect.gen(function* () {
    yield* begun
    const revocation = revocationIn(newRegister(), bob.publicKey, owner, { meshId })
    const revoked = (seq: number) => Write.KeyRevoked({ seq, revocation, atMillis: seq })
    yield* commit(joined(3, dave), revoked(4))
    // Whoever loads it has an epoch of its own.
    const stored = Effect.map(loaded, (snapshot) => ({ ...snapshot, epoch: 0 }))
    const before = [yield* stored, yield* audit]
    for (const again of [added(9), joined(9, dave), revoked(9), joined(3, dave)]) yield* commit(again)
    assert.deepStrictEqual([yield* stored, yield* audit], before)
    // What is new in the same batch is written.
    yield* commit(added(9), joined(10, dave), joined(11, erin), revoked(12))
    const { invites, members, revocations } = yield* loaded
    assert.deepStrictEqual([invites[0]?.used, members.length, revocations.length], [2, 5, 1])
    assert.deepStrictEqual((yield* audit).slice(4), ["11 member_joined " + certificateFor(erin, door).memberId])
  }),

  "refuses as fenced what another owner of the mesh has written already": Effect.gen(function* () {
    yield* begun
    const revocation = revocationIn(newRegister(), bob.publicKey, owner, { meshId })
    yield* commit(joined(3, dave), Write.KeyRevoked({ seq: 4, revocation, atMillis: 4 }))
    const again: ReadonlyArray<Write> = [
      added(9, { ...invite, label: DisplayName.make("Another"), signature: revocation.signature }),
      joined(9, dave, { displayName: DisplayName.make("Another") }),
      joined(9, erin, { memberId: certificateFor(dave, door).memberId }),
      Write.KeyRevoked({
        seq: 9,
        revocation: revocationIn(newRegister(), carol.publicKey, owner, { meshId }),
        atMillis: 9,
      }),
      // The sequence number itself.
      added(4, { ...invite, publicKey: PublicKey.make("e".repeat(64)) }),
    ]
    for (const write of again) assert.strictEqual(yield* reasonOf(commit(write)), "fenced", write._tag)
    assert.deepStrictEqual((yield* loaded).invites, [{ invite, used: 1 }])
  }),

  "knows a mesh again by its first members, also when others have joined since": Effect.gen(function* () {
    const store = yield* MessageStore
    const { displayName, memberId, publicKey, ...rest } = certificateFor(dave, door)
    const first = { memberId, publicKey, displayName, certificate: { ...rest, displayName, memberId, publicKey } }
    assert.strictEqual(yield* store.createMesh(meshRecord, invite, [first], 1), "created")
    yield* commit(
      added(3, inviteFrom(keysOf("other"), { meshId })),
      Write.MemberJoined({ meshId, seq: 4, certificate: certificateFor(frank, keysOf("other")), atMillis: 4 }),
    )
    yield* commit(joined(5, erin))
    assert.strictEqual((yield* loaded).members.length, 3)
    assert.strictEqual(yield* store.createMesh(meshRecord, invite, [first], 5), "same")
    const otherInvite = { ...invite, label: DisplayName.make("Another") }
    assert.strictEqual(yield* store.createMesh(meshRecord, otherInvite, [first], 5), "conflict")
    const later = { ...first, certificate: { ...first.certificate, allowV1: true } }
    assert.strictEqual(yield* store.createMesh(meshRecord, invite, [later], 5), "conflict")
    assert.strictEqual(yield* store.createMesh(meshRecord, invite, [], 5), "conflict")
  }),
}

conforms(claims)
