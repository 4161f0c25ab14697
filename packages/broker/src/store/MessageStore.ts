/**
 * The port to what is durable. It says what must be atomic: a batch of writes is one transaction. Who may write
 * is not decided here: a mesh's actor is the only one to give sequence numbers. The database refuses what an earlier owner
 * of the mesh writes, and a number given twice, which is how an owner finds out that it is not alone (fencing).
 */
import type {
  DisplayName,
  Label,
  MemberId,
  MeshId,
  MessageId,
  PublicKey,
  SessionId,
  Slug,
} from "@claudemesh/domain/Ids"
import type { Base64, Nonce } from "@claudemesh/domain/Base64"
import type { Priority } from "@claudemesh/domain/routing/Status"
import type { Certificate } from "@claudemesh/domain/trust/Certificate"
import type { Invite } from "@claudemesh/domain/trust/Invite"
import type { MeshMoved } from "@claudemesh/domain/trust/MeshMoved"
import type { Revocation } from "@claudemesh/domain/trust/Revocation"
import { Cause, Context, Data, type Effect, Option, Schema } from "effect"

/** One inbox: of a member (`session` undefined), or of one session alone. */
export interface InboxAddress {
  readonly memberId: MemberId
  readonly session: SessionId | undefined
}

/** An accepted message, as it is stored. Times are milliseconds since the epoch. */
export interface StoredMessage {
  readonly meshId: MeshId
  readonly seq: number
  readonly messageId: MessageId
  readonly senderMemberId: MemberId
  readonly senderSession: SessionId
  readonly targetSpec: string
  readonly priority: Priority
  readonly nonce: Nonce
  readonly ciphertext: Base64
  readonly replyTo: MessageId | undefined
  readonly createdAtMillis: number
  readonly expiresAtMillis: number
  /** SHA-256 over what the sender said, in hex: tells a resend from another message with the same id. */
  readonly contentHash: string
}

/** One delivery of a message. Of a group message it carries the content key that is sealed to this member. */
export interface Recipient {
  readonly inbox: InboxAddress
  readonly sealedKey: Base64 | undefined
}

/** A message as one inbox has it. */
export interface WaitingMessage {
  readonly message: StoredMessage
  readonly sealedKey: Base64 | undefined
  /**
   * A session leased it, and that lease ended with neither ack nor release, or has not ended. `for good`: so it was of another
   * delivery, which went since this one is there, and no release of this one says anything of that lease.
   */
  readonly leased: false | "until released" | "for good"
}

/** One delivery, within its mesh. */
export interface DeliveryKey {
  readonly inbox: InboxAddress
  readonly seq: number
}

/** A session of a mesh is there since then. */
export interface Attachment {
  readonly memberId: MemberId
  readonly session: SessionId
  readonly protocol: 1 | 2
  readonly atMillis: number
}

/** It takes the mesh's next number, is refused where that number is taken, and somebody is answered by its outcome. */
export type SequencedWrite = Data.TaggedEnum<{
  /** The message, a delivery for each recipient, and the audit row; nothing at all if the id is known (I6, I7). */
  Accept: {
    readonly message: StoredMessage
    readonly recipients: ReadonlyArray<Recipient>
    /** Sessions among the recipients that may have no row yet: they get one with it. */
    readonly sessions?: ReadonlyArray<Attachment>
  }
  /** The invite, with its audit row. */
  InviteAdded: { readonly meshId: MeshId; readonly seq: number; readonly invite: Invite; readonly atMillis: number }
  /** The member, a use of its invite, and the audit row. Rejected when the invite has no use left. */
  MemberJoined: {
    readonly meshId: MeshId
    readonly seq: number
    readonly certificate: Certificate
    readonly atMillis: number
  }
  /** The revocation, with its audit row. */
  KeyRevoked: { readonly seq: number; readonly revocation: Revocation; readonly atMillis: number }
  /** Where the mesh is now, as its owner signed it, with its audit row. */
  MeshMoved: { readonly seq: number; readonly moved: MeshMoved; readonly atMillis: number }
}>

/** So often a member was refused with this code. Undefined: of those who were not let in, or too many to be told apart. */
export interface RefusalCount {
  readonly memberId: MemberId | undefined
  readonly code: string
  readonly count: number
}

/** What the mesh's owner has in memory, written down: written twice it is the same, and the owner's last word stands. */
export type ProjectionWrite = Data.TaggedEnum<{
  /** The recipient has these messages, which have this priority. With the last of its recipients the ciphertext of each goes. */
  Consume: {
    readonly meshId: MeshId
    readonly inbox: InboxAddress
    readonly seqs: ReadonlyArray<number>
    readonly priority: Priority
    readonly atMillis: number
  }
  /** A session is about to show these: from now on they may have been shown. */
  Lease: { readonly meshId: MeshId; readonly deliveries: ReadonlyArray<DeliveryKey>; readonly atMillis: number }
  /** They were not shown after all. Of several words on one delivery in a batch the last one stands. */
  Release: { readonly meshId: MeshId; readonly deliveries: ReadonlyArray<DeliveryKey> }
  SessionAttached: Attachment & { readonly meshId: MeshId }
  SessionDetached: {
    readonly meshId: MeshId
    readonly memberId: MemberId
    readonly session: SessionId
    readonly atMillis: number
    /** Written down as away since then, where that is earlier: its lease is over already. */
    readonly sinceMillis?: number
  }
  /** Its row and its channels go. What waits in its inbox is moved before. */
  SessionForgotten: { readonly meshId: MeshId; readonly memberId: MemberId; readonly session: SessionId }
  /**
   * What waits in a session's inbox waits in its member's from now on, unless the member has it already: there, in
   * another of its sessions, or because it sent it to a group. `groups`: only what was sent to a channel, a tag or
   * everyone. What is accepted later, also in the same batch, stays.
   */
  InboxMoved: {
    readonly meshId: MeshId
    readonly memberId: MemberId
    readonly session: SessionId
    readonly what: "all" | "groups"
  }
  ChannelJoined: {
    readonly meshId: MeshId
    readonly memberId: MemberId
    readonly session: SessionId
    readonly channel: Label
    readonly atMillis: number
  }
  ChannelLeft: {
    readonly meshId: MeshId
    readonly memberId: MemberId
    readonly session: SessionId
    readonly channel: Label
    readonly atMillis: number
  }
  /** What members were refused since the last such word, counted together. */
  Refused: { readonly meshId: MeshId; readonly counts: ReadonlyArray<RefusalCount>; readonly atMillis: number }
}>

export type Write = SequencedWrite | ProjectionWrite
export const Write = Data.taggedEnum<Write>()

export const meshOf = (write: Write): MeshId => {
  switch (write._tag) {
    case "Accept":
      return write.message.meshId
    case "KeyRevoked":
      return write.revocation.meshId
    case "MeshMoved":
      return write.moved.meshId
    default:
      return write.meshId
  }
}

/** A write, and which of the mesh's owners asks for it: each that loads the mesh has a higher epoch than those before. */
export interface OwnedWrite {
  readonly write: Write
  readonly epoch: number
}

export type Written = Data.TaggedEnum<{
  Done: {}
  /** The message was accepted before, and this became of it. */
  Duplicate: { readonly contentHash: string; readonly deliveryReport: DeliveryReport }
}>
export const Written = Data.taggedEnum<Written>()

export class StoreError extends Schema.TaggedError<StoreError>()("StoreError", {
  /**
   * `unavailable`: may work later, and may even have taken effect. `fenced`: the mesh has a later owner, or a sequence
   * number was taken, so that it has another one. `rejected`: the database will never take this.
   */
  reason: Schema.Literals(["unavailable", "fenced", "rejected"]),
  cause: Schema.Defect(),
}) {}

/** A defect is nothing that would pass by itself. */
export const reasonOf = (cause: Cause.Cause<StoreError>): StoreError["reason"] =>
  Option.match(Cause.findErrorOption(cause), { onNone: () => "rejected", onSome: ({ reason }) => reason })

export interface MeshRecord {
  readonly meshId: MeshId
  readonly slug: Slug
  readonly name: DisplayName
  readonly ownerPublicKey: PublicKey
  readonly allowUnsealed: boolean
}

export interface MemberRecord {
  readonly memberId: MemberId
  readonly publicKey: PublicKey
  readonly displayName: DisplayName
  /** Of a member that is proved by one. */
  readonly certificate?: Certificate | undefined
}

/** An invite, and how many have joined by it. */
export interface InviteRecord {
  readonly invite: Invite
  readonly used: number
}

export interface SessionRecord {
  readonly memberId: MemberId
  readonly session: SessionId
  readonly protocol: 1 | 2
  readonly attachedAtMillis: number
  /** Undefined: it was attached when the last owner of the mesh stopped. */
  readonly detachedAtMillis: number | undefined
}

/** How much waits, in ciphertext characters as they are on the wire. */
export interface Backlog {
  readonly messages: number
  readonly characters: number
}

/** A session is in a channel. */
export interface SubscriptionRecord {
  readonly memberId: MemberId
  readonly session: SessionId
  readonly channel: Label
}

/** All that an actor needs to begin: no message, only how much waits where. */
export interface MeshSnapshot {
  readonly mesh: MeshRecord
  /** Also those whose key was revoked. */
  readonly members: ReadonlyArray<MemberRecord>
  readonly invites: ReadonlyArray<InviteRecord>
  /** In the order of their versions. */
  readonly revocations: ReadonlyArray<Revocation>
  /** The last one. */
  readonly moved?: MeshMoved | undefined
  readonly sessions: ReadonlyArray<SessionRecord>
  readonly lastSeq: number
  /** Of the owner that has loaded this: it is higher than that of every owner before. */
  readonly epoch: number
  readonly subscriptions: ReadonlyArray<SubscriptionRecord>
  readonly waiting: ReadonlyArray<{
    readonly inbox: InboxAddress
    readonly priority: Priority
    readonly backlog: Backlog
  }>
}

/** What is known of an accepted message, until its row is retired. */
export interface DeliveryReport {
  readonly seq: number
  readonly senderMemberId: MemberId
  readonly priority: Priority
  readonly expiresAtMillis: number
  readonly deliveries: ReadonlyArray<{ readonly inbox: InboxAddress; readonly consumedAtMillis: number | undefined }>
}

/** How much waits in one inbox, of what was asked for. */
export interface WaitingCount {
  readonly inbox: InboxAddress
  readonly messages: number
}

/** How long rows are kept. A message's is kept a while after it expired, so that its sender can ask and resend. */
export interface Retention {
  readonly messageRowMillis: number
  readonly sessionMillis: number
  readonly auditMillis: number
  /** Of an invite that nobody used, after it expired. */
  readonly inviteMillis: number
}

export interface PageRequest {
  readonly meshId: MeshId
  readonly inbox: InboxAddress
  readonly priority: Priority
  readonly afterSeq: number
  readonly limit: number
  readonly nowMillis: number
}

export class MessageStore extends Context.Service<
  MessageStore,
  {
    /** All or nothing, in a fixed number of statements; one result for each write, in order. Fenced by epochs too. */
    readonly commit: (batch: ReadonlyArray<OwnedWrite>) => Effect.Effect<ReadonlyArray<Written>, StoreError>
    readonly meshExists: (meshId: MeshId) => Effect.Effect<boolean, StoreError>
    /** Takes the mesh over: what earlier owners write is refused from now on, and what they have begun is waited for. */
    readonly loadMesh: (meshId: MeshId) => Effect.Effect<Option.Option<MeshSnapshot>, StoreError>
    /** What waits in an inbox, in sequence order. Fewer rows than the limit: there was no more. */
    readonly page: (request: PageRequest) => Effect.Effect<ReadonlyArray<WaitingMessage>, StoreError>
    /** How much waits in these inboxes together. */
    readonly backlog: (
      meshId: MeshId,
      inboxes: ReadonlyArray<InboxAddress>,
      nowMillis: number,
    ) => Effect.Effect<Backlog, StoreError>
    /** How many messages wait in each of these inboxes but for some deliveries. An inbox with none is left out. */
    readonly countWaiting: (
      meshId: MeshId,
      inboxes: ReadonlyArray<InboxAddress>,
      except: ReadonlyArray<DeliveryKey>,
      nowMillis: number,
    ) => Effect.Effect<ReadonlyArray<WaitingCount>, StoreError>
    readonly deliveryReportOf: (
      meshId: MeshId,
      messageId: MessageId,
    ) => Effect.Effect<Option.Option<DeliveryReport>, StoreError>
    /**
     * One step of retention: removes at most `rowsMax` rows of each kind, in a transaction of its own, and says
     * whether there may be more.
     */
    readonly applyRetention: (
      retention: Retention,
      rowsMax: number,
      nowMillis: number,
    ) => Effect.Effect<"done" | "more", StoreError>
    /** `created`: new. `same`: it was there, exactly so. `conflict`: the id is another mesh's. */
    readonly createMesh: (
      mesh: MeshRecord,
      /** The one that the members came by; used as often as there are members. */
      invite: Invite | undefined,
      members: ReadonlyArray<MemberRecord>,
      nowMillis: number,
    ) => Effect.Effect<"created" | "same" | "conflict", StoreError>
    /** Whether what is stored can be read. */
    readonly ping: Effect.Effect<void, StoreError>
    /** Whether something more can be stored: writes some of nothing. */
    readonly probe: Effect.Effect<void, StoreError>
  }
>()("@claudemesh/broker/store/MessageStore") {}
