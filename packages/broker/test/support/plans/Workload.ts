/** Every call that a broker makes of its store, each in the forms that have statements of their own. What they give is not looked at. */
import { Base64, Nonce } from "@claudemesh/domain/Base64"
import { DisplayName, Label, PublicKey, Slug } from "@claudemesh/domain/Ids"
import { messageIdOf } from "@claudemesh/domain/trust/MessageIdentity"
import * as BunCrypto from "@effect/platform-bun/BunCrypto"
import { Effect } from "effect"
import {
  certificateFor,
  inviteFrom,
  keysOf,
  movedBy,
  newRegister,
  owner,
  revocationIn,
} from "../../../../domain/test/support/Trust.ts"
import { auditKey, signRemovals } from "../../../src/store/AuditCheckpoints.ts"
import { AuditStore } from "../../../src/store/AuditStore.ts"
import { type InboxAddress, MessageStore, Write } from "../../../src/store/MessageStore.ts"
import { epochMillis, keyAt, memberAt, meshAt, sessionAt } from "./Fill.ts"

const door = keysOf("door")

const inbox = (member: number, session?: number): InboxAddress => ({
  memberId: memberAt(member),
  session: session === undefined ? undefined : sessionAt(session),
})

const accept = (mesh: number, seq: number, id: string, recipients: ReadonlyArray<InboxAddress>): Write =>
  Write.Accept({
    message: {
      meshId: meshAt(mesh),
      seq,
      messageId: messageIdOf(meshAt(mesh), keyAt(1), id),
      senderMemberId: memberAt(1),
      senderSession: sessionAt(0),
      targetSpec: "*",
      priority: "next",
      nonce: Nonce.make("A".repeat(32)),
      ciphertext: Base64.make("AAAA"),
      replyTo: undefined,
      createdAtMillis: epochMillis + 10 ** 9,
      expiresAtMillis: epochMillis + 10 ** 10,
      contentHash: "hash",
    },
    recipients: recipients.map((one) => ({ inbox: one, sealedKey: undefined })),
  })

/** Of the rows that are there, and in a number that no batch is larger than. */
const many = 32

export type Named = readonly [name: string, call: Effect.Effect<unknown, unknown, MessageStore | AuditStore>]

/** `from`: higher than any number that a mesh has given. */
export const workload = (from: number): ReadonlyArray<Named> => {
  const commit = (...writes: ReadonlyArray<Write>) =>
    Effect.flatMap(MessageStore, (store) =>
      store.commit(writes.map((write) => ({ write, epoch: Number.MAX_SAFE_INTEGER }))),
    )
  const ofStore = (call: (store: MessageStore["Service"]) => Effect.Effect<unknown, unknown>) =>
    Effect.flatMap(MessageStore, call)
  const ofAudit = (call: (store: AuditStore["Service"]) => Effect.Effect<unknown, unknown>) =>
    Effect.flatMap(AuditStore, call)
  const priority = "next"
  const numbers = Array.from({ length: many }, (_, n) => n)
  const mesh = 3
  const meshId = meshAt(mesh)
  const seqs = numbers.map((n) => 10 + (n % 10))
  const inboxes = numbers.map((n) => inbox(n, n % 2 === 0 ? undefined : 1))
  const session = (tag: "SessionAttached" | "SessionDetached" | "SessionForgotten", n: number): Write => {
    const where = { meshId, memberId: memberAt(n), session: sessionAt(n), atMillis: epochMillis * 2 }
    if (tag === "SessionAttached") return Write.SessionAttached({ ...where, protocol: 2 })
    return tag === "SessionDetached" ? Write.SessionDetached(where) : Write.SessionForgotten(where)
  }
  const channel = (tag: "ChannelJoined" | "ChannelLeft", n: number): Write =>
    Write[tag]({ meshId, memberId: memberAt(n), session: sessionAt(n), channel: Label.make("ops"), atMillis: 1 })
  const invite = inviteFrom(door, { meshId, uses: 5 })
  const member = certificateFor(keysOf(`dave${from}`), door)
  const revocation = revocationIn(newRegister(), PublicKey.make("a".repeat(64)), owner, { meshId, version: from })
  const deliveries = inboxes.map((one, n) => ({ inbox: one, seq: seqs[n] ?? 10 }))
  const made = {
    slug: Slug.make("team"),
    name: DisplayName.make("Team"),
    ownerPublicKey: keyAt(1),
    allowUnsealed: false,
  }
  return [
    ["accept", commit(...numbers.map((n) => accept(n % 5, from + n, `a${from + n}`, [inbox(n)])))],
    [
      "accept for a group",
      commit(
        accept(
          mesh,
          from + 100,
          `g${from}`,
          numbers.map((n) => inbox(n, 1)),
        ),
      ),
    ],
    [
      "accept again",
      commit(accept(mesh, from + 101, `g${from}`, [inbox(1)]), accept(mesh, from + 102, `h${from}`, [inbox(1)])),
    ],
    [
      "ack",
      commit(
        ...numbers.map((n) =>
          Write.Consume({
            meshId,
            inbox: inboxes[n] ?? inbox(0),
            seqs: [seqs[n] ?? 10],
            priority,
            atMillis: epochMillis,
          }),
        ),
      ),
    ],
    [
      "ack of a group",
      commit(
        ...numbers
          .slice(0, 5)
          .map((n) => Write.Consume({ meshId, inbox: inbox(n, 1), seqs: [from + 100], priority, atMillis: 1 })),
      ),
    ],
    ["lease", commit(Write.Lease({ meshId, deliveries, atMillis: 1 }))],
    [
      "lease, ack and accept",
      commit(
        accept(mesh, from + 110, `l${from}`, [inbox(1)]),
        Write.Lease({ meshId, deliveries, atMillis: 2 }),
        Write.Release({ meshId, deliveries: [] }),
        Write.Consume({ meshId, inbox: inbox(1), seqs: [from + 110], priority, atMillis: 3 }),
      ),
    ],
    ["sessions", commit(session("SessionAttached", 1), session("SessionDetached", 2), session("SessionForgotten", 4))],
    ["channels", commit(channel("ChannelJoined", 1), channel("ChannelLeft", 2))],
    [
      "move an inbox",
      commit(
        Write.InboxMoved({ meshId, memberId: memberAt(6), session: sessionAt(1), what: "groups" }),
        Write.InboxMoved({ meshId, memberId: memberAt(7), session: sessionAt(1), what: "all" }),
      ),
    ],
    ["invite", commit(Write.InviteAdded({ meshId, seq: from + 120, invite, atMillis: 1 }))],
    ["join", commit(Write.MemberJoined({ meshId, seq: from + 121, certificate: member, atMillis: 1 }))],
    ["revoke", commit(Write.KeyRevoked({ seq: from + 122, revocation, atMillis: 1 }))],
    [
      "move a mesh",
      commit(Write.MeshMoved({ seq: from + 123, moved: movedBy(owner, { meshId, version: from }), atMillis: 1 })),
    ],
    ["mesh exists", ofStore((store) => store.meshExists(meshId))],
    ["load a mesh", ofStore((store) => store.loadMesh(meshId))],
    [
      "page",
      ofStore((store) =>
        store.page({ meshId, inbox: inbox(8), priority: "next", afterSeq: 0, limit: 100, nowMillis: epochMillis }),
      ),
    ],
    ["backlog", ofStore((store) => store.backlog(meshId, inboxes, epochMillis))],
    ["count what waits", ofStore((store) => store.countWaiting(meshId, inboxes, deliveries, epochMillis))],
    ["message status", ofStore((store) => store.deliveryReportOf(meshId, messageIdOf(meshId, keyAt(1), `g${from}`)))],
    [
      "make a mesh",
      ofStore((store) => store.createMesh({ ...made, meshId: meshAt(10 ** 6 + from) }, undefined, [], 1)),
    ],
    ["make a mesh again", ofStore((store) => store.createMesh({ ...made, meshId }, invite, [], 1))],
    ["ping and probe", ofStore((store) => Effect.andThen(store.ping, store.probe))],
    ["retention of nothing", retention(0)],
    ["sign removals", Effect.provide(signRemovals(epochMillis + 1_000, 500), BunCrypto.layer)],
    ["retention", retention(epochMillis + 1_000)],
    ["retention again", retention(epochMillis + 1_000)],
    ["audit keys", Effect.provide(auditKey, BunCrypto.layer)],
    ["audit heads", audited],
    ["audit blocks", ofAudit((store) => store.blocks(meshId, 0, 1_000))],
    ["audit checkpoints", ofAudit((store) => store.checkpoints(meshId))],
  ]
}

/** A page of what is done for all meshes. */
const audited = Effect.gen(function* () {
  const store = yield* AuditStore
  const key = yield* Effect.provide(auditKey, BunCrypto.layer)
  const heads = yield* store.unsignedHeads(yield* store.meshes("", 200))
  const signed = heads.map(({ hash, mesh, number, total }) =>
    key.signed({ mesh, kind: "head", number, hash, total, atMillis: epochMillis }),
  )
  yield* store.addCheckpoints(signed)
})

const retention = (nowMillis: number) =>
  Effect.flatMap(MessageStore, (store) =>
    store.applyRetention({ messageRowMillis: 0, sessionMillis: 0, auditMillis: 0, inviteMillis: 0 }, 500, nowMillis),
  )
