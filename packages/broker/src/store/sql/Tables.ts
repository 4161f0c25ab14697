/**
 * The columns of the tables, each written once: by what it holds. Its type in both databases, what a statement takes, and
 * what a row is decoded by follow from that, and a test holds the tables that the migrations have made against it.
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
import { Role } from "@claudemesh/domain/trust/Invite"
import { Schema, SchemaGetter } from "effect"

/** Postgres gives a bigint as a `bigint`, SQLite as a number. All of ours are below 2^53. */
export const Int8 = Schema.Union([Schema.Number, Schema.BigInt]).pipe(
  Schema.decodeTo(Schema.Number, {
    decode: SchemaGetter.transform((value: number | bigint) => Number(value)),
    encode: SchemaGetter.transform((value: number): number | bigint => value),
  }),
)
const Int8OrNull = Schema.NullOr(Int8)

/** `''` stands for the member's own inbox: a primary key takes no NULL. */
export const SessionColumn = Schema.Union([Schema.Literal(""), SessionId])

/** Keys, as one text. */
export const Kept = Schema.fromJsonString(Schema.Array(PublicKey))

export const tables = {
  mesh: {
    id: MeshId,
    slug: Slug,
    name: DisplayName,
    owner_public_key: PublicKey,
    allow_unsealed: Int8,
    created_at: Int8,
    owner_epoch: Int8,
  },
  member: {
    mesh_id: MeshId,
    id: MemberId,
    public_key: PublicKey,
    display_name: DisplayName,
    created_at: Int8,
    invite: Schema.NullOr(PublicKey),
    allow_v1: Int8OrNull,
    joined_at: Schema.NullOr(IsoTime),
    signature: Schema.NullOr(Signature),
    consent: Schema.NullOr(Signature),
  },
  session: {
    mesh_id: MeshId,
    member_id: MemberId,
    session_id: SessionId,
    protocol: Int8,
    attached_at: Int8,
    detached_at: Int8OrNull,
  },
  message: {
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
  },
  delivery: {
    mesh_id: MeshId,
    seq: Int8,
    member_id: MemberId,
    session_id: SessionColumn,
    priority: Priority,
    consumed_at: Int8OrNull,
    sealed_key: Schema.NullOr(Base64),
    leased_at: Int8OrNull,
  },
  channel_subscription: {
    mesh_id: MeshId,
    member_id: MemberId,
    session_id: SessionId,
    channel: Label,
    joined_at: Int8,
  },
  invite: {
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
    expires_millis: Int8,
    label: DisplayName,
    issuer: PublicKey,
    signature: Signature,
  },
  revocation: {
    mesh_id: MeshId,
    version: Int8,
    previous: Schema.String,
    subject: PublicKey,
    kept: Kept,
    at: IsoTime,
    by: PublicKey,
    signature: Signature,
  },
  moved: {
    mesh_id: MeshId,
    version: Int8,
    broker_url: Schema.String,
    at: IsoTime,
    signature: Signature,
  },
  audit_log: {
    mesh_id: MeshId,
    seq: Int8,
    event: Schema.String,
    at: Int8,
    actor_member_id: Schema.NullOr(MemberId),
    actor_session_id: Schema.NullOr(SessionId),
    message_id: Schema.NullOr(MessageId),
    target_spec: Schema.NullOr(Schema.String),
    priority: Schema.NullOr(Priority),
    ciphertext_bytes: Int8OrNull,
    recipients: Int8OrNull,
  },
}

export type Tables = typeof tables

/** What a statement is given for a row: of the columns of one table, and nothing else. */
export type Parameters<Table extends keyof Tables> = Readonly<
  Partial<Record<keyof Tables[Table], string | number | null>>
>

/** In both databases. */
export type Column = "bigint" | "text"

type Fields = Readonly<Record<string, Schema.Top>>

const isNumber = (field: Schema.Top): boolean => field === Int8 || field === Int8OrNull

/** As a statement names them, each with its type in both databases. */
export const columnsOf = (fields: Fields): Readonly<Record<string, Column>> =>
  Object.fromEntries(Object.entries(fields).map(([name, field]) => [name, isNumber(field) ? "bigint" : "text"]))
