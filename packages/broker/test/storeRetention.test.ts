/** Groups, channels and retention, as every database must keep them. */
import { Base64 } from "@claudemesh/domain/Base64"
import { MeshId } from "@claudemesh/domain/Ids"
import { isoFromMillis } from "@claudemesh/domain/IsoTime"
import * as BunCrypto from "@effect/platform-bun/BunCrypto"
import { assert } from "@effect/vitest"
import { Effect, Option } from "effect"
import { SqlClient } from "effect/unstable/sql"
import { certificateFor, inviteFrom, keysOf } from "../../domain/test/support/Trust.ts"
import { signRemovals } from "../src/store/AuditCheckpoints.ts"
import { MessageStore, type Retention, Write, Written } from "../src/store/MessageStore.ts"
import { SqliteHandle } from "../src/store/sqlite/Handle.ts"
import { alice, bob, carol, meshId, meshRecord } from "./support/MeshScenario.ts"
import { acceptOf, consumeOf, inboxOf, messageOf } from "./support/Stores.ts"
import {
  channelWrite,
  type Claim,
  commit,
  conforms,
  moveOf,
  pageOf,
  seqsOf,
  sessionWrite,
  sizes,
} from "./support/StoreSuite.ts"

const subscriptions = Effect.gen(function* () {
  const loaded = Option.getOrThrow(yield* (yield* MessageStore).loadMesh(meshId))
  return loaded.subscriptions.map(({ channel, session }) => `${session}#${channel}`)
})

const textOf = (seq: number) =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const [row] = yield* sql<{ readonly text: string }>`SELECT ciphertext AS text FROM mesh.message WHERE seq = ${seq}`
    return row?.text
  })

const unbound = (text: string) => Array.from({ length: text.split("?").length - 1 }, () => null)

const retention: Retention = {
  messageRowMillis: 10_000,
  sessionMillis: 20_000,
  auditMillis: 30_000,
  inviteMillis: 40_000,
}

const applyRetention = (nowMillis: number, rowsMax = 100) =>
  Effect.flatMap(MessageStore, (store) => store.applyRetention(retention, rowsMax, nowMillis))

const claims: Readonly<Record<string, Claim>> = {
  "gives each recipient of a group message its own sealed key, and erases it once it was consumed": Effect.gen(
    function* () {
      const message = messageOf(1, { targetSpec: "*" })
      const keyOf = (name: string) => Base64.make(Buffer.from(name).toString("base64"))
      const recipients = [
        { inbox: inboxOf(bob), sealedKey: keyOf("bob") },
        { inbox: inboxOf(carol, "s1"), sealedKey: keyOf("carol") },
      ]
      yield* commit(Write.Accept({ message, recipients }))
      assert.deepStrictEqual(yield* pageOf(), [{ message, sealedKey: keyOf("bob"), leased: false }])
      assert.deepStrictEqual(yield* pageOf({ inbox: inboxOf(carol, "s1") }), [
        { message, sealedKey: keyOf("carol"), leased: false },
      ])
      yield* commit(consumeOf(1, inboxOf(bob)))
      const sql = yield* SqlClient.SqlClient
      const rows = yield* sql<{
        readonly key: string | null
      }>`SELECT sealed_key AS key FROM mesh.delivery ORDER BY member_id`
      assert.deepStrictEqual(
        rows.map(({ key }) => key),
        [null, keyOf("carol")],
      )
    },
  ),

  "erases a message's text with its last recipient, and at once when it has none (I17)": Effect.gen(function* () {
    yield* commit(
      acceptOf(messageOf(1), [inboxOf(bob), inboxOf(carol)]),
      acceptOf(messageOf(2), [inboxOf(bob)]),
      acceptOf(messageOf(3, { targetSpec: "*" }), []),
    )
    assert.strictEqual(yield* textOf(3), "")
    yield* commit(consumeOf(1, inboxOf(bob)), consumeOf(2, inboxOf(bob)))
    assert.deepStrictEqual([yield* textOf(1), yield* textOf(2)], ["AAAA", ""])
    yield* commit(consumeOf(1, inboxOf(carol)))
    assert.strictEqual(yield* textOf(1), "")
    assert.deepStrictEqual(yield* commit(acceptOf(messageOf(9, { id: "m1" }), [inboxOf(bob)])), [
      Written.Duplicate({
        contentHash: "hash",
        deliveryReport: {
          seq: 1,
          senderMemberId: messageOf(1).senderMemberId,
          priority: "next",
          expiresAtMillis: 1_000_000,
          deliveries: [
            { inbox: inboxOf(bob), consumedAtMillis: 5_000 },
            { inbox: inboxOf(carol), consumedAtMillis: 5_000 },
          ],
        },
      }),
    ])
  }),

  "moves of an ended session what groups sent to it, and leaves what was sent to itself": Effect.gen(function* () {
    yield* commit(
      ...["*", "#builds", "tag:ops", `${bob.publicKey}/s1`].map((targetSpec, index) =>
        acceptOf(messageOf(index + 1, { targetSpec }), [inboxOf(bob, "s1"), inboxOf(carol, "s1")]),
      ),
      moveOf("groups", "s1"),
    )
    assert.deepStrictEqual(yield* seqsOf(), [1, 2, 3])
    assert.deepStrictEqual(yield* seqsOf({ inbox: inboxOf(bob, "s1") }), [4])
    assert.deepStrictEqual(yield* seqsOf({ inbox: inboxOf(carol, "s1") }), [1, 2, 3, 4])
  }),

  "moves nothing that the member has already: in another inbox, consumed or not, or because it sent it": Effect.gen(
    function* () {
      const toAll = { targetSpec: "*" }
      yield* commit(
        acceptOf(messageOf(1, toAll), [inboxOf(bob, "s1"), inboxOf(bob, "s2")]),
        acceptOf(messageOf(2, toAll), [inboxOf(bob, "s1"), inboxOf(bob, "s2")]),
        acceptOf(messageOf(3, toAll), [inboxOf(alice, "s2"), inboxOf(bob, "s2")]),
        consumeOf(2, inboxOf(bob, "s2")),
      )
      yield* commit(moveOf("groups", "s1"), moveOf("groups", "s2", alice))
      assert.deepStrictEqual([yield* seqsOf(), yield* seqsOf({ inbox: inboxOf(alice) })], [[], []])
      assert.deepStrictEqual(yield* seqsOf({ inbox: inboxOf(bob, "s2") }), [1, 3])
      yield* commit(moveOf("groups", "s2"))
      assert.deepStrictEqual(yield* seqsOf(), [1, 3])
    },
  ),

  "keeps one of what two sessions that end together both have": Effect.gen(function* () {
    yield* commit(
      acceptOf(messageOf(1, { targetSpec: "*" }), [inboxOf(bob, "s1"), inboxOf(bob, "s2")]),
      moveOf("groups", "s2"),
      moveOf("groups", "s1"),
    )
    assert.deepStrictEqual(yield* seqsOf(), [1])
    for (const session of ["s1", "s2"]) assert.deepStrictEqual(yield* seqsOf({ inbox: inboxOf(bob, session) }), [])
  }),

  "moves with an inbox what was accepted before, and nothing that came after it in the same batch": Effect.gen(
    function* () {
      const toSession = (seq: number) => acceptOf(messageOf(seq, { targetSpec: "*" }), [inboxOf(bob, "s1")])
      yield* commit(
        toSession(1),
        moveOf("groups", "s1"),
        sessionWrite("SessionAttached", "s1", 10),
        toSession(2),
        toSession(3),
      )
      assert.deepStrictEqual(yield* seqsOf(), [1])
      assert.deepStrictEqual(yield* seqsOf({ inbox: inboxOf(bob, "s1") }), [2, 3])
    },
  ),

  "erases the text of what nobody waits for once an inbox has moved (I17)": Effect.gen(function* () {
    yield* commit(
      ...[1, 2].map((seq) => acceptOf(messageOf(seq, { targetSpec: "*" }), [inboxOf(bob, "s1"), inboxOf(bob, "s2")])),
      consumeOf(1, inboxOf(bob, "s2")),
    )
    assert.strictEqual(yield* textOf(1), "AAAA")
    yield* commit(moveOf("groups", "s1"))
    assert.deepStrictEqual([yield* textOf(1), yield* textOf(2)], ["", "AAAA"])
  }),

  "keeps of each session and channel the end of what one batch says": Effect.gen(function* () {
    yield* (yield* MessageStore).createMesh(meshRecord, undefined, [bob], 0)
    yield* commit(
      channelWrite("ChannelJoined", "s1", "one"),
      channelWrite("ChannelJoined", "s1", "two"),
      channelWrite("ChannelLeft", "s1", "one"),
      channelWrite("ChannelLeft", "s2", "one"),
      channelWrite("ChannelJoined", "s2", "one"),
    )
    assert.deepStrictEqual(yield* subscriptions, ["s1#two", "s2#one"])
    yield* commit(channelWrite("ChannelJoined", "s1", "two"), channelWrite("ChannelLeft", "s2", "one"))
    assert.deepStrictEqual(yield* subscriptions, ["s1#two"])
  }),

  "tells what became of a message, of its own mesh alone": Effect.gen(function* () {
    const store = yield* MessageStore
    yield* commit(
      acceptOf(messageOf(1), [inboxOf(bob), inboxOf(carol, "s1")]),
      consumeOf(1, inboxOf(bob), 7_000),
      acceptOf(messageOf(2, { targetSpec: "*" }), []),
    )
    const { expiresAtMillis, messageId, senderMemberId } = messageOf(1)
    assert.deepStrictEqual(
      yield* store.deliveryReportOf(meshId, messageId),
      Option.some({
        seq: 1,
        senderMemberId,
        priority: "next",
        expiresAtMillis,
        deliveries: [
          { inbox: inboxOf(bob), consumedAtMillis: 7_000 },
          { inbox: inboxOf(carol, "s1"), consumedAtMillis: undefined },
        ],
      }),
    )
    assert.deepStrictEqual(
      Option.map(yield* store.deliveryReportOf(meshId, messageOf(2).messageId), ({ deliveries }) => deliveries),
      Option.some([]),
    )
    assert.isTrue(Option.isNone(yield* store.deliveryReportOf(MeshId.make("mesh-2"), messageId)))
  }),

  "retires texts once they expired, and rows once nobody may ask for them any more (I17)": Effect.gen(function* () {
    yield* commit(
      acceptOf(messageOf(1, { expiresAtMillis: 3_000 })),
      acceptOf(messageOf(2, { expiresAtMillis: 11_500 }), [inboxOf(bob), inboxOf(carol)]),
    )
    assert.strictEqual(yield* applyRetention(2_999), "done")
    assert.deepStrictEqual([yield* textOf(1), yield* textOf(2)], ["AAAA", "AAAA"])
    yield* applyRetention(3_000)
    assert.deepStrictEqual([yield* textOf(1), yield* textOf(2)], ["", "AAAA"])
    // Created at 1,001 and 1,002, and kept for 10,000; the second is not expired then.
    yield* applyRetention(11_000)
    assert.deepInclude(yield* sizes, { message: 2, delivery: 3 })
    yield* applyRetention(11_499)
    assert.deepInclude(yield* sizes, { message: 1, delivery: 2 })
    yield* applyRetention(11_500)
    assert.deepInclude(yield* sizes, { message: 0, delivery: 0, audit_log: 4 })
  }),

  "retires sessions that stayed away, with their channels, and none that is attached (I17)": Effect.gen(function* () {
    yield* (yield* MessageStore).createMesh(meshRecord, undefined, [bob], 0)
    yield* commit(
      ...["s1", "s2"].map((name) => sessionWrite("SessionAttached", name, 10)),
      ...["s1", "s2"].map((name) => channelWrite("ChannelJoined", name, "builds")),
    )
    yield* commit(sessionWrite("SessionDetached", "s1", 5_000))
    yield* applyRetention(24_999)
    assert.deepInclude(yield* sizes, { session: 2 })
    yield* applyRetention(25_000)
    assert.deepInclude(yield* sizes, { session: 1 })
    assert.deepStrictEqual(yield* subscriptions, ["s2#builds"])
  }),

  "retires audit rows once that is signed, but the newest of a mesh never: it carries the sequence (I17, I18, I29)":
    Effect.gen(function* () {
      yield* (yield* MessageStore).createMesh(meshRecord, undefined, [bob], 0)
      for (const seq of [2, 3, 4]) yield* commit(acceptOf(messageOf(seq)))
      const sign = (nowMillis: number) =>
        Effect.provide(signRemovals(nowMillis - retention.auditMillis, 100), BunCrypto.layer)
      yield* applyRetention(999_999)
      assert.deepInclude(yield* sizes, { audit_log: 4 })
      yield* sign(31_002)
      yield* applyRetention(31_002)
      assert.deepInclude(yield* sizes, { audit_log: 2 })
      yield* sign(1_000_000)
      yield* applyRetention(999_999)
      assert.deepInclude(yield* sizes, { audit_log: 1 })
      assert.strictEqual(Option.getOrThrow(yield* (yield* MessageStore).loadMesh(meshId)).lastSeq, 4)
    }),

  "retires in steps of bounded size, and says when there is more": Effect.gen(function* () {
    yield* commit(...[1, 2, 3, 4, 5].map((seq) => acceptOf(messageOf(seq, { expiresAtMillis: 2_000 }))))
    assert.strictEqual(yield* applyRetention(20_000, 2), "more")
    assert.deepInclude(yield* sizes, { message: 3, delivery: 3 })
    assert.strictEqual(yield* applyRetention(20_000, 2), "more")
    assert.strictEqual(yield* applyRetention(20_000, 2), "done")
    assert.deepInclude(yield* sizes, { message: 0, delivery: 0 })
  }),

  "retires the keys of what expired, and its text with the last of them (I17)": Effect.gen(function* () {
    const message = messageOf(1, { targetSpec: "*", expiresAtMillis: 3_000 })
    const recipients = ["s1", "s2", "s3"].map((name) => ({ inbox: inboxOf(bob, name), sealedKey: Base64.make("BBBB") }))
    yield* commit(Write.Accept({ message, recipients }))
    const keys = Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const rows = yield* sql`SELECT seq FROM mesh.delivery WHERE sealed_key IS NOT NULL`
      return rows.length
    })
    assert.deepStrictEqual([yield* applyRetention(2_999), yield* keys, yield* textOf(1)], ["done", 3, "AAAA"])
    assert.deepStrictEqual([yield* applyRetention(3_000, 2), yield* keys, yield* textOf(1)], ["more", 1, "AAAA"])
    assert.deepStrictEqual([yield* applyRetention(3_000, 2), yield* keys, yield* textOf(1)], ["done", 0, ""])
  }),

  "retires a message with more deliveries than one step takes in several, its own row in the last": Effect.gen(
    function* () {
      const inboxes = [1, 2, 3, 4, 5].map((number) => inboxOf(bob, `s${number}`))
      yield* commit(acceptOf(messageOf(1, { expiresAtMillis: 2_000 }), inboxes))
      assert.strictEqual(yield* applyRetention(20_000, 2), "more")
      assert.deepInclude(yield* sizes, { message: 1 })
      assert.strictEqual(yield* applyRetention(20_000, 2), "more")
      assert.strictEqual(yield* applyRetention(20_000, 2), "done")
      assert.deepInclude(yield* sizes, { message: 0, delivery: 0 })
    },
  ),

  "carries out no statement by reading a whole table": Effect.gen(function* () {
    // Postgres reads small tables whole whatever there is to help it, so only SQLite can be asked.
    const handle = yield* Effect.serviceOption(SqliteHandle)
    if (Option.isNone(handle)) return
    assert.isAbove(handle.value.prepared.length, 40)
    const sql = yield* SqlClient.SqlClient
    for (const { text } of handle.value.prepared) {
      const plan = yield* sql.unsafe<{ readonly detail: string }>(`EXPLAIN QUERY PLAN ${text}`, unbound(text))
      for (const { detail } of plan)
        assert.notMatch(detail, /^SCAN (?!o$|migration$|mesh\.audit_(key|rotation)$|\w+ VIRTUAL TABLE)/, text)
    }
  }),

  "retires an expired invite that nobody used, and keeps one that a member came by (I17)": Effect.gen(function* () {
    const store = yield* MessageStore
    yield* store.createMesh(meshRecord, undefined, [bob], 0)
    const expiresAt = isoFromMillis(5_000)
    const [used, unused] = [keysOf("used"), keysOf("unused")].map((keys) => inviteFrom(keys, { meshId, expiresAt }))
    if (used === undefined || unused === undefined) return assert.fail()
    yield* commit(
      Write.InviteAdded({ meshId, seq: 2, invite: used, atMillis: 10 }),
      Write.InviteAdded({ meshId, seq: 3, invite: unused, atMillis: 10 }),
      Write.MemberJoined({
        meshId,
        seq: 4,
        certificate: certificateFor(keysOf("carl"), keysOf("used")),
        atMillis: 11,
      }),
    )
    const invites = Effect.map(store.loadMesh(meshId), (found) =>
      Option.getOrThrow(found).invites.map(({ invite }) => invite.publicKey),
    )
    yield* applyRetention(44_999)
    assert.sameMembers([...(yield* invites)], [used.publicKey, unused.publicKey])
    yield* applyRetention(45_000)
    assert.deepStrictEqual(yield* invites, [used.publicKey])
    yield* applyRetention(10_000_000)
    assert.deepStrictEqual(yield* invites, [used.publicKey])
  }),

  "has no table without a rule for how long its rows are kept (I17)": Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const found = yield* sql.onDialectOrElse({
      sqlite: () => sql<{ readonly name: string }>`SELECT name FROM mesh.sqlite_master WHERE type = 'table'`,
      orElse: () =>
        sql<{
          readonly name: string
        }>`SELECT table_name AS name FROM information_schema.tables
          WHERE table_schema = 'mesh' AND table_type = 'BASE TABLE'`,
    })
    const messages = sql.onDialectOrElse({
      sqlite: () => ["accepted", "address", "consumed", "group_text", "journal", "message_id", "waiting"],
      orElse: () => ["accepted", "consumed", "group_text", "journal", "waiting"],
    })
    const retired = ["audit_block", "audit_checkpoint", "channel_subscription", "invite", "session", ...messages]
    const permanent = ["audit_key", "audit_rotation", "member", "mesh", "migration", "moved", "revocation"]
    // One row, of nothing, that shows whether a file can be written to, and one that says which ids are in their index.
    const probe = sql.onDialectOrElse({ sqlite: () => ["probe", "message_id_upto"], orElse: () => [] })
    assert.sameMembers(
      found.map(({ name }) => name).filter((name) => !name.startsWith("sqlite_")),
      [...retired, ...permanent, ...probe],
    )
  }),
}

conforms(claims)
