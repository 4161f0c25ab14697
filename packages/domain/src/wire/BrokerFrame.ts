/**
 * What a broker may say, in protocol v1 and v2: the only definition of these frames (I20). Every field has the
 * same form inside as on the wire, so encoding is `JSON.stringify` and the order of the keys is the order here.
 */
import { Option, Result, Schema } from "effect"
import { Base64, Nonce } from "../Base64.ts"
import { DisplayName, Label, MemberId, MeshId, MessageId, PresenceId, PublicKey, SessionId } from "../Ids.ts"
import { IsoTime } from "../IsoTime.ts"
import { elsewhereMax } from "../Limits.ts"
import { Priority, Status, StatusSource } from "../routing/Status.ts"
import { Certificate } from "../trust/Certificate.ts"
import { Invite } from "../trust/Invite.ts"
import { MeshMoved } from "../trust/MeshMoved.ts"
import { Revocation } from "../trust/Revocation.ts"
import { ackByHand, pushByHand } from "./EncodeByHand.ts"
import { PeersCursor } from "./PeersCursor.ts"

/** The first frame on every socket; a v1 client ignores it. `nonce`: 32 random bytes in hex. */
export const Challenge = Schema.Struct({
  type: Schema.tag("challenge"),
  nonce: Schema.String,
  protocols: Schema.Array(Schema.Int),
  brokerTime: IsoTime,
})

/**
 * The last block of the mesh's audit as the broker's audit key has signed it (docs/audit.md), at most a minute or two ago. `rotations`: how the
 * key that signs now came from the earlier ones, where there were such.
 */
export const AuditHead = Schema.Struct({
  number: Schema.Int,
  hash: Schema.String,
  total: Schema.Int,
  atMillis: Schema.Int,
  key: Schema.String,
  signature: Schema.String,
  rotations: Schema.optionalKey(
    Schema.Array(
      Schema.Struct({ key: Schema.String, next: Schema.String, atMillis: Schema.Int, signature: Schema.String }),
    ),
  ),
})
export type AuditHead = typeof AuditHead.Type

/** Always the first frame after a hello, before any push. All but the first two fields are v2. */
export const HelloAck = Schema.Struct({
  type: Schema.tag("hello_ack"),
  presenceId: PresenceId,
  memberDisplayName: DisplayName,
  protocol: Schema.optionalKey(Schema.Literal(2)),
  sessionId: Schema.optionalKey(SessionId),
  /** Whether the broker knew this session from before. */
  resumed: Schema.optionalKey(Schema.Boolean),
  brokerTime: Schema.optionalKey(IsoTime),
  limits: Schema.optionalKey(Schema.Struct({ maxMessageBytes: Schema.Int, maxInFlight: Schema.Int })),
  /** The last one that this broker was brought. It proves itself, and is not the broker's word. */
  moved: Schema.optionalKey(MeshMoved),
  audit: Schema.optionalKey(AuditHead),
})

/**
 * What became of a message for one recipient when it was accepted: `delivered`: pushed at once; `held`: its
 * status keeps it back; `queued`: waits for a session, or behind others; `full`: its inbox takes no more, so this
 * recipient of a group does not get it.
 */
export const RecipientState = Schema.Literals(["delivered", "queued", "held", "full"])
export type RecipientState = typeof RecipientState.Type

/** Sent only after the commit (I7). `id` is `""` for a v1 send that had none. */
export const Ack = Schema.Struct({
  type: Schema.tag("ack"),
  id: Schema.String,
  messageId: MessageId,
  queued: Schema.Literal(true),
  duplicate: Schema.optionalKey(Schema.Boolean),
  recipients: Schema.optionalKey(Schema.Array(Schema.Struct({ pubkey: PublicKey, state: RecipientState }))),
  /** Members of the audience that do not get it: the sender sealed no key to them, or they speak v1. */
  unsealed: Schema.optionalKey(Schema.Array(PublicKey)),
})
export type Ack = typeof Ack.Type

export const Push = Schema.Struct({
  type: Schema.tag("push"),
  messageId: MessageId,
  meshId: MeshId,
  senderPubkey: PublicKey,
  priority: Priority,
  nonce: Nonce,
  ciphertext: Base64,
  createdAt: IsoTime,
  senderSessionId: Schema.optionalKey(SessionId),
  senderName: Schema.optionalKey(DisplayName),
  targetSpec: Schema.optionalKey(Schema.String),
  sealedKey: Schema.optionalKey(Base64),
  replyTo: Schema.optionalKey(MessageId),
  /** It was leased once, and that lease ended with neither ack nor release: it may have been shown. `false` is certain. */
  redelivered: Schema.optionalKey(Schema.Boolean),
})
export type Push = typeof Push.Type

/** A live session: attached, or cut off for so short a time that it is expected back. `profile` is sealed: the key in it is for the member that asked. */
export const Peer = Schema.Struct({
  pubkey: PublicKey,
  memberId: MemberId,
  displayName: DisplayName,
  sessionId: SessionId,
  /** False: its connection is lost, its lease is not over. */
  attached: Schema.Boolean,
  status: Status,
  /** Whose word the status is; absent where nobody has said anything, or not for long. */
  statusSource: Schema.optionalKey(StatusSource),
  /** When `dnd` ends by itself. */
  dndUntil: Schema.optionalKey(IsoTime),
  /** 1 or 2: a v1 client shows what it opens as it stands, so it is sent bare text. */
  protocol: Schema.Literals([1, 2]),
  profile: Schema.optionalKey(Schema.Struct({ nonce: Nonce, ciphertext: Base64, sealedKey: Base64 })),
})
export type Peer = typeof Peer.Type

/** What became of one session since the last frame. */
export const PeerChange = Schema.Struct({
  event: Schema.Literals(["joined", "left", "changed"]),
  /** As it is now, or was last. */
  peer: Peer,
  /** Its profile is the one that was told before, and is not told again. */
  sameProfile: Schema.optionalKey(Schema.Literal(true)),
})
export type PeerChange = typeof PeerChange.Type

/**
 * To a connection whose hello asks for it. `after`: the version of the roster that this makes `version` of. Whoever does not
 * have that one has missed something, and asks with `list_peers`.
 */
export const Presence = Schema.Struct({
  type: Schema.tag("presence"),
  after: Schema.Int,
  version: Schema.Int,
  changes: Schema.Array(PeerChange),
})
export type Presence = typeof Presence.Type

/**
 * Answers `list_peers`. With the id `""` nobody asked: so much has changed while the connection was slow that this is said
 * in the place of `presence`. `version`: which changes are in it; absent from a broker that does not tell them. `after`: it
 * is the page behind that one. `more`: there are more, behind this; it stands in the next `list_peers` as `after`.
 */
export const Peers = Schema.Struct({
  type: Schema.tag("peers"),
  id: Schema.String,
  version: Schema.optionalKey(Schema.Int),
  peers: Schema.Array(Peer),
  after: Schema.optionalKey(PeersCursor),
  more: Schema.optionalKey(PeersCursor),
})
export type Peers = typeof Peers.Type

export const Member = Schema.Struct({
  memberId: MemberId,
  pubkey: PublicKey,
  displayName: DisplayName,
  /** The protocol its last session spoke; absent before the first hello. */
  protocol: Schema.optionalKey(Schema.Literals([1, 2])),
})
export type Member = typeof Member.Type

/** `revocations`: how many there are, so that a client knows when to ask for them. */
export const Members = Schema.Struct({
  type: Schema.tag("members"),
  id: Schema.String,
  members: Schema.Array(Member),
  revocations: Schema.Int,
  /** As of `peers`. */
  after: Schema.optionalKey(PublicKey),
  more: Schema.optionalKey(PublicKey),
})

export type Members = typeof Members.Type

/**
 * Answers `get_trust`: the certificates that are known of the keys, every invite and certificate that those and the
 * revocations stand on, and the next revocations, a few at a time. All of it is signed; none of it is the broker's word.
 */
export const Trust = Schema.Struct({
  type: Schema.tag("trust"),
  id: Schema.String,
  certificates: Schema.Array(Certificate),
  invites: Schema.Array(Invite),
  revocations: Schema.Array(Revocation),
  /** How many revocations there are. */
  version: Schema.Int,
})
export type Trust = typeof Trust.Type

/** Somebody was revoked just now: there are `version` revocations. What it says is asked for with `get_trust`. */
export const TrustChanged = Schema.Struct({ type: Schema.tag("trust_changed"), version: Schema.Int })

/** The owner has moved the mesh just now, or this broker has just heard of it. */
export const MovedNow = Schema.Struct({ type: Schema.tag("mesh_moved"), moved: MeshMoved })

/** A channel that some member is in. `joined`: the session that asks is. `sessions`: live ones that are. */
export const Channel = Schema.Struct({
  channel: Label,
  joined: Schema.Boolean,
  sessions: Schema.Int,
  /** With the members that are in it by sessions that are away. */
  members: Schema.Int,
})
export type Channel = typeof Channel.Type

export const Channels = Schema.Struct({
  type: Schema.tag("channels"),
  id: Schema.String,
  channels: Schema.Array(Channel),
})

/** `pending`: waits. `delivered`: pushed, not acked yet. `consumed`: the agent has it. `expired`: nobody will get it. */
const DeliveryState = Schema.Literals(["pending", "delivered", "consumed", "expired"])
export type DeliveryState = typeof DeliveryState.Type

/**
 * What became of a message: `state` is that of the recipient who is furthest behind (`pending` before `delivered`
 * before `expired` before `consumed`). `at`: since when, unless pending.
 */
export const MessageState = Schema.Struct({
  type: Schema.tag("message_state"),
  id: Schema.String,
  messageId: MessageId,
  state: DeliveryState,
  at: Schema.optionalKey(IsoTime),
  recipients: Schema.Array(
    Schema.Struct({
      pubkey: PublicKey,
      sessionId: Schema.optionalKey(SessionId),
      state: DeliveryState,
      at: Schema.optionalKey(IsoTime),
    }),
  ),
})
export type MessageState = typeof MessageState.Type

/** Answers `lease`: these are the connection's own now. What is not named is another session's, or gone. */
export const Leased = Schema.Struct({
  type: Schema.tag("leased"),
  id: Schema.String,
  messageIds: Schema.Array(MessageId),
})

/** These were pushed here and are not any more: another session of the member asked for them. They may be pushed again. */
export const Recalled = Schema.Struct({ type: Schema.tag("recalled"), messageIds: Schema.Array(MessageId) })

/** Somebody joined just now. An older broker does not say who: that is then asked for with `list_members`. */
export const MembersChanged = Schema.Struct({
  type: Schema.tag("members_changed"),
  member: Schema.optionalKey(Member),
})

/** What waits for one other session of the member, or is leased there. */
export const Elsewhere = Schema.Struct({ sessionId: SessionId, messages: Schema.Int })
export type Elsewhere = typeof Elsewhere.Type

/** `remaining` and `elsewhere` answer a `pull`: how many more this connection can have, and what others have to fetch. */
export const Ok = Schema.Struct({
  type: Schema.tag("ok"),
  id: Schema.String,
  remaining: Schema.optionalKey(Schema.Int),
  elsewhere: Schema.optionalKey(Schema.Array(Elsewhere).check(Schema.isMaxLength(elsewhereMax))),
})

export const Pong = Schema.Struct({
  type: Schema.tag("pong"),
  id: Schema.String,
  brokerTime: Schema.optionalKey(IsoTime),
  /** Where it is another one than this connection was told last. */
  audit: Schema.optionalKey(AuditHead),
})

export const ErrorFrame = Schema.Struct({
  type: Schema.tag("error"),
  /** An `ErrorCode`, or one of a newer broker: a client must settle its request by that, too. */
  code: Schema.String,
  message: Schema.String,
  id: Schema.optionalKey(Schema.String),
  retryable: Schema.optionalKey(Schema.Boolean),
  candidates: Schema.optionalKey(Schema.Array(Schema.String)),
})

export const BrokerFrame = Schema.Union([
  Challenge,
  HelloAck,
  Ack,
  Push,
  Leased,
  Recalled,
  Presence,
  Peers,
  Members,
  Trust,
  TrustChanged,
  MovedNow,
  MembersChanged,
  Channels,
  MessageState,
  Ok,
  Pong,
  ErrorFrame,
]).pipe(Schema.toTaggedUnion("type"))
export type BrokerFrame = typeof BrokerFrame.Type

/** As JSON encodes them, whose fields they are; of the most frequent ones by hand. */
export const encodeBrokerFrame = (frame: BrokerFrame): string => {
  switch (frame.type) {
    case "push":
      return pushByHand(frame)
    case "ack":
      return ackByHand(frame)
    default:
      return JSON.stringify(frame)
  }
}

const decode = Schema.decodeUnknownResult(Schema.fromJsonString(BrokerFrame))

/** `None` for what this client does not know: it ignores such frames, as the protocol asks of it. */
export const decodeBrokerFrame = (text: string): Option.Option<BrokerFrame> => Result.getSuccess(decode(text))
