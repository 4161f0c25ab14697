/**
 * The database's edge: rows decoded into the store's types. A row that does not decode was written by somebody
 * else, so it is a defect of the database and not an error of a caller.
 */
import type { Base64, Nonce } from "@claudemesh/domain/Base64"
import type { MemberId, MeshId, MessageId, SessionId } from "@claudemesh/domain/Ids"
import type { Invite } from "@claudemesh/domain/trust/Invite"
import type { MeshMoved } from "@claudemesh/domain/trust/MeshMoved"
import type { Revocation } from "@claudemesh/domain/trust/Revocation"
import { Effect, Schema, Struct } from "effect"
import type {
  Backlog,
  InboxAddress,
  InviteRecord,
  MemberRecord,
  MeshRecord,
  MeshSnapshot,
  PageRequest,
  DeliveryReport,
  SessionRecord,
  SubscriptionRecord,
  WaitingCount,
  WaitingMessage,
} from "../MessageStore.ts"
import { Int8, Kept, SessionColumn, tables } from "./Tables.ts"

const decoder = <S extends Schema.Decoder<unknown>>(schema: S) => {
  const decode = Schema.decodeUnknownEffect(Schema.Array(schema))
  return (rows: unknown) => Effect.orDie(decode(rows))
}

/** `''` stands for the member's own inbox: a primary key takes no NULL. */
export const sessionColumn = (inbox: InboxAddress): string => inbox.session ?? ""

const sessionOf = (column: typeof SessionColumn.Type): SessionId | undefined => (column === "" ? undefined : column)

const decodeSeqs = decoder(Schema.Struct(Struct.pick(tables.message, ["mesh_id", "seq"])))

/** In place of a time: no later word on a lease of this delivery changes it. */
export const leasedForGood = 0

const decodeDropped = decoder(Schema.Struct(Struct.pick(tables.delivery, ["mesh_id", "seq", "member_id", "leased_at"])))

/** A delivery that went, since its member has the message elsewhere. */
export interface Dropped {
  readonly meshId: MeshId
  readonly seq: number
  readonly memberId: MemberId
  readonly leasedAtMillis: number | null
}

export const dropped = (rows: unknown): Effect.Effect<ReadonlyArray<Dropped>> =>
  Effect.map(decodeDropped(rows), (found) =>
    found.map(({ leased_at, member_id, mesh_id, seq }) => ({
      meshId: mesh_id,
      seq,
      memberId: member_id,
      leasedAtMillis: leased_at,
    })),
  )

export const seqKey = (meshId: MeshId, seq: number): string => `${meshId}/${seq}`

export const seqs = (rows: unknown): Effect.Effect<ReadonlySet<string>> =>
  Effect.map(decodeSeqs(rows), (found) => new Set(found.map((row) => seqKey(row.mesh_id, row.seq))))

const decodeStatement = decoder(
  Schema.Struct({ stale: Int8, passed_by: Int8, accepted: Int8, which: Schema.NullOr(Schema.Array(Schema.String)) }),
)

/**
 * What a batch of one statement says: how many meshes have a later owner, how many deliveries it found and could not take, how many messages are
 * new, and where not all are which, by `seqKey`.
 */
export interface OfStatement {
  readonly stale: number
  readonly passedBy: number
  readonly accepted: number
  readonly which: ReadonlySet<string>
}

export const ofStatement = (rows: unknown): Effect.Effect<OfStatement> =>
  Effect.map(decodeStatement(rows), ([row]) => ({
    stale: row?.stale ?? 0,
    passedBy: row?.passed_by ?? 0,
    accepted: row?.accepted ?? 0,
    which: new Set(row?.which),
  }))

const decodeWaits = decoder(
  Schema.Struct({
    ...Struct.pick(tables.delivery, ["mesh_id", "member_id", "session_id", "seq", "leased_at"]),
    id: tables.message.id,
    sender: tables.message.sender_member_id,
    to_group: Int8,
    others: Schema.String,
    own: Int8,
  }),
)

/** A delivery that waits in an inbox that moves. */
export interface Waits {
  readonly meshId: MeshId
  readonly memberId: MemberId
  readonly session: string
  readonly seq: number
  readonly id: MessageId
  readonly senderMemberId: MemberId
  readonly isToGroup: boolean
  readonly leasedAtMillis: number | null
  /** In which other inboxes its member is a recipient; `''` is the member's own. */
  readonly others: ReadonlyArray<string>
}

export const waits = (rows: unknown): Effect.Effect<ReadonlyArray<Waits>> =>
  Effect.map(decodeWaits(rows), (found) =>
    found.map((row) => ({
      meshId: row.mesh_id,
      memberId: row.member_id,
      session: row.session_id,
      seq: row.seq,
      id: row.id,
      senderMemberId: row.sender,
      isToGroup: row.to_group === 1,
      leasedAtMillis: row.leased_at,
      others: [...row.others.split(" ").filter((session) => session !== ""), ...(row.own > 0 ? [""] : [])],
    })),
  )

const decodeEnrolled = decoder(Schema.Struct({ ...Struct.pick(tables.member, ["mesh_id"]), record_key: Schema.String }))

export const enrolledKey = (meshId: string, key: string): string => `${meshId}/${key}`

const decodeSessionKeys = decoder(
  Schema.Struct({ ...Struct.pick(tables.session, ["mesh_id", "member_id", "session_id"]), channel: Schema.String }),
)

export const sessionKey = (
  { meshId, memberId, session }: { readonly meshId: string; readonly memberId: string; readonly session: string },
  channel: string,
): string => `${meshId}/${memberId}/${session}#${channel}`

const decodeTaken = decoder(
  Schema.Struct({
    missed: Int8,
    mesh_id: Schema.NullOr(Schema.String),
    member_id: Schema.NullOr(Schema.String),
    session_id: Schema.NullOr(Schema.String),
    channel: Schema.NullOr(Schema.String),
  }),
)

/** How many rows were not where they had been found, and what has changed of those that were: of none there is a row of nulls. */
export const takenSessions = (
  rows: unknown,
): Effect.Effect<{ readonly missed: number; readonly changed: ReadonlyArray<string> }> =>
  Effect.map(decodeTaken(rows), (found) => ({
    missed: found[0]?.missed ?? 0,
    changed: found.flatMap(({ channel, member_id, mesh_id, session_id }) =>
      mesh_id === null || member_id === null || session_id === null
        ? []
        : [sessionKey({ meshId: mesh_id, memberId: member_id, session: session_id }, channel ?? "")],
    ),
  }))

/** Of sessions and their channels, `''` where it is of no channel. */
export const changedSessions = (rows: unknown): Effect.Effect<ReadonlySet<string>> =>
  Effect.map(
    decodeSessionKeys(rows),
    (found) =>
      new Set(
        found.map(({ channel, member_id, mesh_id, session_id }) =>
          sessionKey({ meshId: mesh_id, memberId: member_id, session: session_id }, channel),
        ),
      ),
  )

const decodeMeshIds = decoder(Schema.Struct(Struct.pick(tables.member, ["mesh_id"])))

export const meshIds = (rows: unknown): Effect.Effect<ReadonlyArray<MeshId>> =>
  Effect.map(decodeMeshIds(rows), (found) => found.map(({ mesh_id }) => mesh_id))

/** What somebody waited for still: a message with its text, its part of one to a group, or the text that a group had together. */
export interface Expired {
  readonly meshId: MeshId
  readonly seq: number
  readonly what: "whole" | "part" | "text"
}

const decodeExpired = decoder(
  Schema.Struct({ mesh_id: tables.member.mesh_id, seq: Int8, what: Schema.Literals(["whole", "part", "text"]) }),
)

export const expired = (rows: unknown): Effect.Effect<ReadonlyArray<Expired>> =>
  Effect.map(decodeExpired(rows), (found) => found.map(({ mesh_id, ...row }) => ({ meshId: mesh_id, ...row })))

/** The keys of records of a mesh's members. */
export const enrolled = (rows: unknown): Effect.Effect<ReadonlySet<string>> =>
  Effect.map(decodeEnrolled(rows), (found) => new Set(found.map((row) => enrolledKey(row.mesh_id, row.record_key))))

const decodeMeshes = decoder(
  Schema.Struct(Struct.pick(tables.mesh, ["id", "slug", "name", "owner_public_key", "allow_unsealed"])),
)

export const meshes = (rows: unknown): Effect.Effect<ReadonlyArray<MeshRecord>> =>
  Effect.map(decodeMeshes(rows), (found) =>
    found.map((row) => ({
      meshId: row.id,
      slug: row.slug,
      name: row.name,
      ownerPublicKey: row.owner_public_key,
      allowUnsealed: row.allow_unsealed !== 0,
    })),
  )

const decodeOwners = decoder(Schema.Struct({ ...Struct.pick(tables.mesh, ["id", "owner_epoch"]), last_seq: Int8 }))

export const owners = (
  rows: unknown,
): Effect.Effect<ReadonlyArray<{ readonly meshId: MeshId; readonly epoch: number; readonly lastSeq: number }>> =>
  Effect.map(decodeOwners(rows), (found) =>
    found.map((row) => ({ meshId: row.id, epoch: row.owner_epoch, lastSeq: row.last_seq })),
  )

const decodeMembers = decoder(Schema.Struct(tables.member))

export const members = (rows: unknown): Effect.Effect<ReadonlyArray<MemberRecord>> =>
  Effect.map(decodeMembers(rows), (found) =>
    found.map((row): MemberRecord => {
      const named = { memberId: row.id, publicKey: row.public_key, displayName: row.display_name }
      const { consent, invite, joined_at: joinedAt, signature } = row
      return invite === null || joinedAt === null || signature === null || consent === null
        ? named
        : { ...named, certificate: { invite, ...named, allowV1: row.allow_v1 === 1, joinedAt, signature, consent } }
    }),
  )

export const memberRow = (meshId: MeshId, { certificate, ...member }: MemberRecord, nowMillis: number) => ({
  mesh_id: meshId,
  id: member.memberId,
  public_key: member.publicKey,
  display_name: member.displayName,
  created_at: nowMillis,
  invite: certificate?.invite ?? null,
  allow_v1: certificate === undefined ? null : Number(certificate.allowV1),
  joined_at: certificate?.joinedAt ?? null,
  signature: certificate?.signature ?? null,
  consent: certificate?.consent ?? null,
})

const decodeInvites = decoder(Schema.Struct(tables.invite))

export const invites = (rows: unknown): Effect.Effect<ReadonlyArray<InviteRecord>> =>
  Effect.map(decodeInvites(rows), (found) =>
    found.map((row) => ({
      used: row.used,
      invite: {
        meshId: row.mesh_id,
        slug: row.slug,
        meshName: row.mesh_name,
        allowUnsealed: row.allow_unsealed === 1,
        ownerPublicKey: row.owner_public_key,
        brokerUrl: row.broker_url,
        publicKey: row.public_key,
        role: row.role,
        uses: row.uses,
        expiresAt: row.expires_at,
        label: row.label,
        issuer: row.issuer,
        signature: row.signature,
      },
    })),
  )

export const inviteRow = (invite: Invite, used: number) => ({
  mesh_id: invite.meshId,
  public_key: invite.publicKey,
  slug: invite.slug,
  mesh_name: invite.meshName,
  allow_unsealed: Number(invite.allowUnsealed),
  owner_public_key: invite.ownerPublicKey,
  broker_url: invite.brokerUrl,
  role: invite.role,
  uses: invite.uses,
  used,
  expires_at: invite.expiresAt,
  expires_millis: Date.parse(invite.expiresAt),
  label: invite.label,
  issuer: invite.issuer,
  signature: invite.signature,
})

const encodeKept = Schema.encodeSync(Kept)
const decodeRevocations = decoder(Schema.Struct(tables.revocation))

export const revocations = (rows: unknown): Effect.Effect<ReadonlyArray<Revocation>> =>
  Effect.map(decodeRevocations(rows), (found) => found.map(({ mesh_id, ...row }) => ({ meshId: mesh_id, ...row })))

export const revocationRow = ({ kept, meshId, ...revocation }: Revocation) => ({
  mesh_id: meshId,
  ...revocation,
  kept: encodeKept(kept),
})

const decodeMoves = decoder(Schema.Struct(tables.moved))

export const moves = (rows: unknown): Effect.Effect<ReadonlyArray<MeshMoved>> =>
  Effect.map(decodeMoves(rows), (found) =>
    found.map(({ broker_url, mesh_id, ...row }) => ({ meshId: mesh_id, brokerUrl: broker_url, ...row })),
  )

export const movedRow = ({ brokerUrl, meshId, ...moved }: MeshMoved) => ({
  mesh_id: meshId,
  broker_url: brokerUrl,
  ...moved,
})

const decodeSessions = decoder(Schema.Struct(Struct.omit(tables.session, ["mesh_id"])))

export const sessions = (rows: unknown): Effect.Effect<ReadonlyArray<SessionRecord>> =>
  Effect.map(decodeSessions(rows), (found) =>
    found.map((row) => ({
      memberId: row.member_id,
      session: row.session_id,
      protocol: row.protocol === 1 ? 1 : 2,
      attachedAtMillis: row.attached_at,
      detachedAtMillis: row.detached_at ?? undefined,
    })),
  )

const decodeSubscriptions = decoder(
  Schema.Struct(Struct.pick(tables.channel_subscription, ["member_id", "session_id", "channel"])),
)

export const subscriptions = (rows: unknown): Effect.Effect<ReadonlyArray<SubscriptionRecord>> =>
  Effect.map(decodeSubscriptions(rows), (found) =>
    found.map((row) => ({ memberId: row.member_id, session: row.session_id, channel: row.channel })),
  )

const backlogColumns = { messages: Int8, characters: Int8 }
const decodeWaiting = decoder(
  Schema.Struct({ ...Struct.pick(tables.delivery, ["member_id", "session_id", "priority"]), ...backlogColumns }),
)

export const waiting = (rows: unknown): Effect.Effect<MeshSnapshot["waiting"]> =>
  Effect.map(decodeWaiting(rows), (found) =>
    found.map((row) => ({
      inbox: { memberId: row.member_id, session: sessionOf(row.session_id) },
      priority: row.priority,
      backlog: { messages: row.messages, characters: row.characters },
    })),
  )

const decodeBacklog = decoder(Schema.Struct(backlogColumns))

export const backlog = (rows: unknown): Effect.Effect<Backlog> =>
  Effect.map(decodeBacklog(rows), ([row]) => row ?? { messages: 0, characters: 0 })

const decodeCounts = decoder(
  Schema.Struct({ ...Struct.pick(tables.delivery, ["member_id", "session_id"]), messages: Int8 }),
)

export const counts = (rows: unknown): Effect.Effect<ReadonlyArray<WaitingCount>> =>
  Effect.map(decodeCounts(rows), (found) =>
    found.map(({ member_id, messages, session_id }) => ({
      inbox: { memberId: member_id, session: sessionOf(session_id) },
      messages,
    })),
  )

const deliveryReportColumns = {
  ...Struct.pick(tables.message, ["seq", "sender_member_id", "priority", "expires_at"]),
  // Of a message without deliveries all three are NULL.
  member_id: Schema.NullOr(tables.delivery.member_id),
  session_id: Schema.NullOr(tables.delivery.session_id),
  consumed_at: tables.delivery.consumed_at,
}
const DeliveryReportRow = Schema.Struct(deliveryReportColumns)
const decodeDeliveryReport = decoder(DeliveryReportRow)
const decodeAccepted = decoder(
  Schema.Struct({ ...Struct.pick(tables.message, ["id", "content_hash"]), ...deliveryReportColumns }),
)

/** One row for each delivery; one without a member where there is none. */
const deliveryReportOf = (rows: ReadonlyArray<typeof DeliveryReportRow.Type>): DeliveryReport | undefined => {
  const [first] = rows
  return (
    first && {
      seq: first.seq,
      senderMemberId: first.sender_member_id,
      priority: first.priority,
      expiresAtMillis: first.expires_at,
      deliveries: rows.flatMap(({ consumed_at, member_id, session_id }) =>
        member_id === null || session_id === null
          ? []
          : [
              {
                inbox: { memberId: member_id, session: sessionOf(session_id) },
                consumedAtMillis: consumed_at ?? undefined,
              },
            ],
      ),
    }
  )
}

export const deliveryReport = (rows: unknown): Effect.Effect<DeliveryReport | undefined> =>
  Effect.map(decodeDeliveryReport(rows), deliveryReportOf)

/** What was accepted before, by the id of the message. */
export const accepted = (
  rows: unknown,
): Effect.Effect<ReadonlyMap<string, { readonly contentHash: string; readonly deliveryReport: DeliveryReport }>> =>
  Effect.map(decodeAccepted(rows), (found) => {
    const results = new Map<string, { readonly contentHash: string; readonly deliveryReport: DeliveryReport }>()
    for (const [id, its] of Map.groupBy(found, (row) => row.id)) {
      const [first] = its
      const became = deliveryReportOf(its)
      if (first !== undefined && became !== undefined) {
        results.set(id, { contentHash: first.content_hash, deliveryReport: became })
      }
    }
    return results
  })

const decodeNumber = decoder(Schema.Struct({ value: Int8 }))

/** The one number, called `value`, that an aggregate gives. */
export const number = (rows: unknown): Effect.Effect<number> =>
  Effect.map(decodeNumber(rows), ([row]) => row?.value ?? 0)

/**
 * What waits is read by the thousand, and was looked through when it was accepted: its rows are taken as the statement says they are. To
 * decode one took 3 µs, and 7 in a broker that has just started.
 */
export interface PageRow {
  readonly seq: bigint
  readonly expires_at: bigint
  readonly sealed_key: Base64 | null
  readonly leased_at: bigint | null
  readonly id: MessageId
  readonly sender_member_id: MemberId
  readonly sender_session_id: SessionId
  readonly target_spec: string
  readonly nonce: Nonce
  /** NULL where the text that several share is gone. */
  readonly ciphertext: Base64 | null
  readonly reply_to: MessageId | null
  readonly content_hash: string
  readonly created_at: bigint
}

/** A defect of the database, and of this inbox alone: its mesh goes on. */
const textOf = ({ ciphertext }: PageRow): Base64 => {
  if (ciphertext === null) throw new Error("a message waits whose text is gone")
  return ciphertext
}

export const pageOf = (
  { meshId, priority }: PageRequest,
  rows: ReadonlyArray<PageRow>,
): ReadonlyArray<WaitingMessage> =>
  rows.map((row) => ({
    sealedKey: row.sealed_key ?? undefined,
    leased: row.leased_at !== null && (Number(row.leased_at) === leasedForGood ? "for good" : "until released"),
    message: {
      meshId,
      seq: Number(row.seq),
      messageId: row.id,
      senderMemberId: row.sender_member_id,
      senderSession: row.sender_session_id,
      targetSpec: row.target_spec,
      priority,
      nonce: row.nonce,
      ciphertext: textOf(row),
      replyTo: row.reply_to ?? undefined,
      createdAtMillis: Number(row.created_at),
      expiresAtMillis: Number(row.expires_at),
      contentHash: row.content_hash,
    },
  }))
