/** What the audit records beside messages and enrolments, as every database must record it: packed, once, and as it happened (I29, decision 0084). */
import { eventsOfBlock } from "@claudemesh/domain/audit/BlockEvents"
import { AuditCheck, type AuditRecord } from "@claudemesh/domain/audit/AuditRecord"
import { Base64 } from "@claudemesh/domain/Base64"
import { Label, SessionId } from "@claudemesh/domain/Ids"
import * as BunCrypto from "@effect/platform-bun/BunCrypto"
import { assert } from "@effect/vitest"
import { Effect, Layer, Option } from "effect"
import { SqlClient } from "effect/unstable/sql"
import { certificateFor, inviteFrom, keysOf } from "../../domain/test/support/Trust.ts"
import { auditKey, rotateAuditKey, signHeads } from "../src/store/AuditCheckpoints.ts"
import { AuditHeads, auditHeads } from "../src/store/AuditHeads.ts"
import { AuditStore } from "../src/store/AuditStore.ts"
import { MessageStore, Write } from "../src/store/MessageStore.ts"
import { bob, carol, meshId } from "./support/MeshScenario.ts"
import { blocks, checked, madeMesh, records, signed } from "./support/StoredAudit.ts"
import { acceptOf, consumeOf, inboxOf, messageOf } from "./support/Stores.ts"
import { type Claim, commit, conforms } from "./support/StoreSuite.ts"

/** As clients of a broker are told them. */
const headsOf = Effect.gen(function* () {
  const store = yield* AuditStore
  const services = Layer.merge(Layer.succeed(AuditStore, store), BunCrypto.layer)
  const context = yield* Layer.build(Layer.provide(auditHeads({ auditHeadMillis: 60_000 }), services))
  return yield* Effect.provideContext(AuditHeads, context)
})

const claims: Readonly<Record<string, Claim>> = {
  "is signed by another key once that was rotated, and checked from any key on, whose word is not needed for its own (I29)":
    Effect.gen(function* () {
      yield* madeMesh
      const store = yield* AuditStore
      const { publicKey: first } = yield* signed(auditKey)
      yield* signed(signHeads)
      yield* commit(acceptOf(messageOf(2)))
      const { key, next: second } = yield* signed(rotateAuditKey)
      assert.strictEqual(key, first)
      yield* signed(signHeads)
      yield* commit(acceptOf(messageOf(3)))
      const { next: third } = yield* signed(rotateAuditKey)
      yield* signed(signHeads)
      assert.strictEqual((yield* signed(auditKey)).publicKey, third)
      assert.strictEqual(new Set([first, second, third]).size, 3)
      // Nobody can sign by a key that has handed over.
      assert.sameDeepMembers(
        (yield* store.keys).map(({ publicKey, secretKey }) => [publicKey, secretKey === ""]),
        [
          [first, true],
          [second, true],
          [third, false],
        ],
      )
      const all = yield* records
      assert.deepStrictEqual(
        all.flatMap((one) => (one.type === "checkpoint" ? [[one.number, one.key]] : [])),
        [
          [1, first],
          [2, second],
          [3, third],
        ],
      )
      const checkedBy = (known: string, lines: ReadonlyArray<AuditRecord>) => {
        const check = new AuditCheck({ keys: new Set([known]), isPart: false })
        for (const one of lines) check.take(one)
        const report = check.end().get(meshId)
        return [report?.signedTo, report?.tampering?.what]
      }
      for (const known of [first, second, third]) assert.deepStrictEqual(checkedBy(known, all), [3, undefined])
      assert.deepStrictEqual(
        checkedBy(
          first,
          all
            .toReversed()
            .filter(({ type }) => type === "rotation")
            .concat(all),
        ),
        [3, undefined],
      )
      const without = all.filter((one) => one.type !== "rotation" || one.key !== second)
      assert.deepStrictEqual(checkedBy(first, without), [2, "unsigned"])
      const headOf = yield* headsOf
      const head = yield* headOf(meshId)
      assert.deepInclude(head, { key: third, number: 3 })
      assert.deepStrictEqual(
        head?.rotations?.map(({ key, next }) => [key, next]),
        [
          [first, second],
          [second, third],
        ],
      )
      yield* Effect.flip(
        store.rotateKey({ publicKey: "x", secretKey: "x" }, { key: first, next: "x", atMillis: 1, signature: "" }),
      )
      assert.strictEqual((yield* store.keys).length, 3)
    }).pipe(Effect.scoped),

  "records who consumed what, in one event of each inbox, and only what waited there (I8, I29)": Effect.gen(
    function* () {
      yield* madeMesh
      const group = [inboxOf(bob), inboxOf(bob, "s1"), inboxOf(carol)]
      yield* commit(...[2, 3, 4, 5].map((seq) => acceptOf(messageOf(seq), group)))
      // Beside what is accepted in the same commit, in any order, and twice.
      yield* commit(
        ...[4, 2, 2].map((seq) => consumeOf(seq, inboxOf(bob), 1_700_000_000_000 + seq)),
        consumeOf(3, inboxOf(carol), 1_700_000_000_100),
        acceptOf({ ...messageOf(6), createdAtMillis: 1_700_000_000_001 }),
        consumeOf(5, inboxOf(bob, "s1"), 1_700_000_000_000),
        consumeOf(9, inboxOf(bob), 1),
      )
      // Nothing of it waits any more.
      yield* commit(consumeOf(2, inboxOf(bob)), consumeOf(5, inboxOf(bob, "s1")))
      yield* commit(consumeOf(2, inboxOf(bob)), consumeOf(3, inboxOf(bob)))
      const all = yield* blocks
      assert.strictEqual(all.length, 4)
      const named = (index: number) => {
        const actors: ReadonlyArray<unknown> = JSON.parse(all[index]?.actors ?? "[]")
        const events: ReadonlyArray<ReadonlyArray<unknown>> = JSON.parse(all[index]?.events ?? "[]")
        return events.map(([seq, at, event, actor, ...rest]) => [seq, at, event, actors[Number(actor)], ...rest])
      }
      const consumed = (at: number, who: unknown, messages: ReadonlyArray<number>) => [
        null,
        at,
        "messages_consumed",
        who,
        null,
        null,
        null,
        null,
        messages.length,
        messages,
      ]
      const [accepted, ...rest] = named(2)
      assert.deepStrictEqual(accepted?.slice(0, 3), [6, 1_700_000_000_001, "message_accepted"])
      assert.deepStrictEqual(rest, [
        consumed(1_700_000_000_000, [bob.memberId, "s1"], [5]),
        consumed(1_700_000_000_004, [bob.memberId, null], [2, 4]),
        consumed(1_700_000_000_100, [carol.memberId, null], [3]),
      ])
      assert.deepStrictEqual(named(3), [consumed(5_000, [bob.memberId, null], [3])])
      assert.deepInclude(yield* checked(), { last: 4, events: 10, tampering: undefined })
      const sql = yield* SqlClient.SqlClient
      const rows =
        yield* sql`SELECT messages FROM mesh.audit_log WHERE event = 'messages_consumed' AND actor_session_id = 's1'`
      assert.deepStrictEqual(
        rows.map(({ messages }) => messages),
        ["[5]"],
      )
    },
  ),

  "records what expired while somebody waited for it: a message once, when its text goes (I17, I29)": Effect.gen(
    function* () {
      yield* madeMesh
      const expiring = { expiresAtMillis: 2_000 }
      const sealed = { sealedKey: Base64.make("BBBB") }
      const group = [bob, carol].map((who) => ({ inbox: inboxOf(who), ...sealed }))
      yield* commit(
        acceptOf(messageOf(2, expiring)),
        acceptOf(messageOf(3, expiring)),
        { ...acceptOf(messageOf(4, expiring)), recipients: group },
        acceptOf(messageOf(5, expiring), [inboxOf(bob), inboxOf(carol)]),
        acceptOf(messageOf(6)),
        { ...acceptOf(messageOf(7, expiring)), recipients: group },
      )
      yield* commit(...[2, 7].map((seq) => consumeOf(seq, inboxOf(bob))), consumeOf(7, inboxOf(carol)))
      const store = yield* MessageStore
      const retention = { messageRowMillis: 1e9, sessionMillis: 1e9, auditMillis: 1e9, inviteMillis: 1e9 }
      const swept = (rowsMax: number) => store.applyRetention(retention, rowsMax, 5_000)
      assert.strictEqual(yield* store.applyRetention(retention, 100, 1_999), "done")
      assert.strictEqual((yield* blocks).length, 3)
      // In steps, and then there is nothing left to say.
      while ((yield* swept(2)) === "more");
      yield* swept(100)
      const events = (yield* blocks).slice(3).flatMap((block) => [...eventsOfBlock(block)])
      for (const one of events)
        assert.deepInclude(one, { event: "messages_expired", seq: null, member: null, atMillis: 5_000 })
      assert.sameMembers(
        events.flatMap(({ messages }) => messages ?? []),
        [3, 4, 5],
      )
      assert.isUndefined((yield* checked()).tampering)
    },
  ),

  "records who comes, goes and is in which channel, where that has changed, and by which invite somebody joined (I29)":
    Effect.gen(function* () {
      yield* madeMesh
      const door = keysOf("door")
      const invite = inviteFrom(door, { meshId })
      const who = { meshId, memberId: bob.memberId, session: SessionId.make("s1") }
      const channel = Label.make("builds")
      const attached = (atMillis: number) => Write.SessionAttached({ ...who, protocol: 2, atMillis })
      const detached = (atMillis: number) => Write.SessionDetached({ ...who, atMillis, sinceMillis: 1 })
      const joins = Write.ChannelJoined({ ...who, channel, atMillis: 1_002 })
      const leaves = Write.ChannelLeft({ ...who, channel, atMillis: 1_004 })
      const certificate = certificateFor(keysOf("dave"), door)
      for (const batch of [
        [attached(1_001), joins],
        [attached(1_001), joins],
        [detached(1_003)],
        [detached(1_003), leaves],
        [leaves, detached(1_004)],
        [attached(1_005)],
        [Write.InviteAdded({ meshId, seq: 2, invite, atMillis: 1_006 })],
        [Write.MemberJoined({ meshId, seq: 3, certificate, atMillis: 1_007 })],
        [Write.MemberJoined({ meshId, seq: 4, certificate, atMillis: 1_008 })],
        [
          Write.Refused({
            meshId,
            counts: [
              { memberId: bob.memberId, code: "rate_limited", count: 7 },
              { memberId: undefined, code: "unauthorized", count: 2 },
            ],
            atMillis: 1_009,
          }),
        ],
      ])
        yield* commit(...batch)
      const found = (yield* blocks).slice(1).flatMap((block) => [...eventsOfBlock(block)])
      const invited = `invite:${door.key}`
      assert.deepStrictEqual(
        found.map(({ atMillis, event, member, recipients, session, target }) =>
          [atMillis, event, member, session, target, recipients].filter((value) => value !== null),
        ),
        [
          [1_001, "session_attached", bob.memberId, "s1"],
          [1_002, "channel_joined", bob.memberId, "s1", "#builds"],
          [1_003, "session_detached", bob.memberId, "s1"],
          [1_004, "channel_left", bob.memberId, "s1", "#builds"],
          [1_005, "session_attached", bob.memberId, "s1"],
          [1_006, "invite_added", invited],
          [1_007, "member_joined", certificate.memberId],
          [1_007, "invite_used", certificate.memberId, invited],
          [1_009, "refused", bob.memberId, "rate_limited", 7],
          [1_009, "refused", "unauthorized", 2],
        ],
      )
      assert.isUndefined((yield* checked()).tampering)
      const { lastSeq } = Option.getOrThrow(yield* (yield* MessageStore).loadMesh(meshId))
      assert.strictEqual(lastSeq, 3)
    }),
}

conforms(claims)
