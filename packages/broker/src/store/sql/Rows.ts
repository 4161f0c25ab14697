/**
 * The database's edge: rows decoded into the store's types. A row that does not decode was written by somebody
 * else, so it is a defect of the database and not an error of a caller.
 */
import { Base64, Nonce } from "@claudemesh/domain/Base64"
import {
  DisplayName,
  Label,
  MemberId,
  MeshId,
  MessageId,
  PublicKey,
  SessionId,
  Signature,
  Slug,
} from "@claudemesh/domain/Ids"
import { IsoTime } from "@claudemesh/domain/IsoTime"
import { Priority } from "@claudemesh/domain/routing/Status"
import { type Invite, Role } from "@claudemesh/domain/trust/Invite"
import type { Revocation } from "@claudemesh/domain/trust/Revocation"
import { Effect, Schema, SchemaGetter } from "effect"
import type {
  Backlog,
  InboxAddress,
  InviteRecord,
  MemberRecord,
  MeshRecord,
  MeshSnapshot,
  MessageFate,
  SessionRecord,
  SubscriptionRecord,
  WaitingCount,
  WaitingMessage,
} from "../MessageStore.ts"

/** Postgres gives a bigint as a `bigint`, SQLite as a number. All of ours are below 2^53. */
const Int8 = Schema.Union([Schema.Number, Schema.BigInt]).pipe(
  Schema.decodeTo(Schema.Number, {
    decode: SchemaGetter.transform((value: number | bigint) => Number(value)),
    encode: SchemaGetter.transform((value: number): number | bigint => value),
  }),
)

const decoder = <S extends Schema.Decoder<unknown>>(schema: S) => {
  const decode = Schema.decodeUnknownEffect(Schema.Array(schema))
  return (rows: unknown) => Effect.orDie(decode(rows))
}

const SessionColumn = Schema.Union([Schema.Literal(""), SessionId])
/** `''` stands for the member's own inbox: a primary key takes no NULL. */
export const sessionColumn = (inbox: InboxAddress): string => inbox.session ?? ""

const sessionOf = (column: typeof SessionColumn.Type): SessionId | undefined => (column === "" ? undefined : column)

const decodeSeqs = decoder(Schema.Struct({ mesh_id: MeshId, seq: Int8 }))

const decodeDropped = decoder(
  Schema.Struct({ mesh_id: MeshId, seq: Int8, member_id: MemberId, leased_at: Schema.NullOr(Int8) }),
)

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

const decodeEnrolled = decoder(Schema.Struct({ mesh_id: MeshId, record_key: Schema.String }))

export const enrolledKey = (meshId: string, key: string): string => `${meshId}/${key}`

/** The keys of records of a mesh's members. */
export const enrolled = (rows: unknown): Effect.Effect<ReadonlySet<string>> =>
  Effect.map(decodeEnrolled(rows), (found) => new Set(found.map((row) => enrolledKey(row.mesh_id, row.record_key))))

const decodeMeshes = decoder(
  Schema.Struct({
    id: MeshId,
    slug: Slug,
    name: DisplayName,
    owner_public_key: PublicKey,
    allow_unsealed: Int8,
  }),
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

const decodeOwners = decoder(Schema.Struct({ id: MeshId, owner_epoch: Int8 }))

export const owners = (
  rows: unknown,
): Effect.Effect<ReadonlyArray<{ readonly meshId: MeshId; readonly epoch: number }>> =>
  Effect.map(decodeOwners(rows), (found) => found.map((row) => ({ meshId: row.id, epoch: row.owner_epoch })))

const decodeMembers = decoder(
  Schema.Struct({
    id: MemberId,
    public_key: PublicKey,
    display_name: DisplayName,
    invite: Schema.NullOr(PublicKey),
    allow_v1: Schema.NullOr(Int8),
    joined_at: Schema.NullOr(IsoTime),
    signature: Schema.NullOr(Signature),
    consent: Schema.NullOr(Signature),
  }),
)

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

const decodeInvites = decoder(
  Schema.Struct({
    mesh_id: MeshId,
    public_key: PublicKey,
    slug: Slug,
    mesh_name: DisplayName,
    allow_unsealed: Int8,
    owner_public_key: PublicKey,
    broker_url: Schema.String,
    role: Role,
    uses: Int8,
    used: Int8,
    expires_at: IsoTime,
    label: DisplayName,
    issuer: PublicKey,
    signature: Signature,
  }),
)

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

const Kept = Schema.fromJsonString(Schema.Array(PublicKey))
const encodeKept = Schema.encodeSync(Kept)
const decodeRevocations = decoder(
  Schema.Struct({
    mesh_id: MeshId,
    version: Int8,
    previous: Schema.String,
    subject: PublicKey,
    kept: Kept,
    at: IsoTime,
    by: PublicKey,
    signature: Signature,
  }),
)

export const revocations = (rows: unknown): Effect.Effect<ReadonlyArray<Revocation>> =>
  Effect.map(decodeRevocations(rows), (found) => found.map(({ mesh_id, ...row }) => ({ meshId: mesh_id, ...row })))

export const revocationRow = ({ kept, meshId, ...revocation }: Revocation) => ({
  mesh_id: meshId,
  ...revocation,
  kept: encodeKept(kept),
})

const decodeSessions = decoder(
  Schema.Struct({
    member_id: MemberId,
    session_id: SessionId,
    protocol: Int8,
    attached_at: Int8,
    detached_at: Schema.NullOr(Int8),
  }),
)

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

const decodeSubscriptions = decoder(Schema.Struct({ member_id: MemberId, session_id: SessionId, channel: Label }))

export const subscriptions = (rows: unknown): Effect.Effect<ReadonlyArray<SubscriptionRecord>> =>
  Effect.map(decodeSubscriptions(rows), (found) =>
    found.map((row) => ({ memberId: row.member_id, session: row.session_id, channel: row.channel })),
  )

const backlogColumns = { messages: Int8, characters: Int8 }
const decodeWaiting = decoder(
  Schema.Struct({ member_id: MemberId, session_id: SessionColumn, priority: Priority, ...backlogColumns }),
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

const decodeCounts = decoder(Schema.Struct({ member_id: MemberId, session_id: SessionColumn, messages: Int8 }))

export const counts = (rows: unknown): Effect.Effect<ReadonlyArray<WaitingCount>> =>
  Effect.map(decodeCounts(rows), (found) =>
    found.map(({ member_id, messages, session_id }) => ({
      inbox: { memberId: member_id, session: sessionOf(session_id) },
      messages,
    })),
  )

const fateColumns = {
  seq: Int8,
  sender_member_id: MemberId,
  priority: Priority,
  expires_at: Int8,
  member_id: Schema.NullOr(MemberId),
  session_id: Schema.NullOr(SessionColumn),
  consumed_at: Schema.NullOr(Int8),
}
const FateRow = Schema.Struct(fateColumns)
const decodeFate = decoder(FateRow)
const decodeAccepted = decoder(Schema.Struct({ id: Schema.String, content_hash: Schema.String, ...fateColumns }))

/** One row for each delivery; one without a member where there is none. */
const fateOf = (rows: ReadonlyArray<typeof FateRow.Type>): MessageFate | undefined => {
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

export const fate = (rows: unknown): Effect.Effect<MessageFate | undefined> => Effect.map(decodeFate(rows), fateOf)

/** What was accepted before, by the id of the message. */
export const accepted = (
  rows: unknown,
): Effect.Effect<ReadonlyMap<string, { readonly contentHash: string; readonly fate: MessageFate }>> =>
  Effect.map(decodeAccepted(rows), (found) => {
    const results = new Map<string, { readonly contentHash: string; readonly fate: MessageFate }>()
    for (const [id, its] of Map.groupBy(found, (row) => row.id)) {
      const [first] = its
      const became = fateOf(its)
      if (first !== undefined && became !== undefined) {
        results.set(id, { contentHash: first.content_hash, fate: became })
      }
    }
    return results
  })

const decodeNumber = decoder(Schema.Struct({ value: Int8 }))

/** The one number, called `value`, that an aggregate gives. */
export const number = (rows: unknown): Effect.Effect<number> =>
  Effect.map(decodeNumber(rows), ([row]) => row?.value ?? 0)

const decodeMessages = decoder(
  Schema.Struct({
    mesh_id: MeshId,
    seq: Int8,
    id: MessageId,
    sender_member_id: MemberId,
    sender_session_id: SessionId,
    target_spec: Schema.String,
    priority: Priority,
    nonce: Nonce,
    ciphertext: Base64,
    reply_to: Schema.NullOr(MessageId),
    content_hash: Schema.String,
    created_at: Int8,
    expires_at: Int8,
    sealed_key: Schema.NullOr(Base64),
    leased_at: Schema.NullOr(Int8),
  }),
)

export const messages = (rows: unknown): Effect.Effect<ReadonlyArray<WaitingMessage>> =>
  Effect.map(decodeMessages(rows), (found) =>
    found.map((row) => ({
      sealedKey: row.sealed_key ?? undefined,
      leased: row.leased_at !== null,
      message: {
        meshId: row.mesh_id,
        seq: row.seq,
        messageId: row.id,
        senderMemberId: row.sender_member_id,
        senderSession: row.sender_session_id,
        targetSpec: row.target_spec,
        priority: row.priority,
        nonce: row.nonce,
        ciphertext: row.ciphertext,
        replyTo: row.reply_to ?? undefined,
        createdAtMillis: row.created_at,
        expiresAtMillis: row.expires_at,
        contentHash: row.content_hash,
      },
    })),
  )
