/**
 * What a client may say, in protocol v1 and v2: the only definition of these frames (I20). Raw text is decoded
 * here, once; past this module a frame is typed and trusted to have its shape (not to be true).
 */
import { Option, Result, Schema } from "effect"
import { Base64, Nonce } from "../Base64.ts"
import {
  ClientMessageId,
  DisplayName,
  Label,
  MemberId,
  MeshId,
  MessageId,
  PublicKey,
  RequestId,
  SessionId,
  Signature,
} from "../Ids.ts"
import { ackBatchMax, inFlightMax, sealedKeyCharactersMax, trustKeysMax, ttlSecondsMax } from "../Limits.ts"
import { Priority, Status, StatusSource } from "../routing/Status.ts"
import { parseTarget, TargetSpec } from "../routing/Target.ts"
import { clientAckByHand, sendByHand } from "./DecodeByHand.ts"
import { PeersCursor } from "./PeersCursor.ts"

const PositiveInt = Schema.Int.check(Schema.isGreaterThan(0))
const Seconds = PositiveInt.check(Schema.isLessThanOrEqualTo(ttlSecondsMax))

/** v1: signed over `meshId|memberId|pubkey|timestamp`, `timestamp` in milliseconds since the epoch. */
export const HelloV1 = Schema.Struct({
  type: Schema.tag("hello"),
  meshId: MeshId,
  memberId: MemberId,
  pubkey: PublicKey,
  sessionId: SessionId,
  pid: Schema.Int,
  cwd: Schema.String.check(Schema.isMaxLength(4096)),
  timestamp: Schema.Int,
  signature: Signature,
})
export type HelloV1 = typeof HelloV1.Type

/** v2: signed over the broker's nonce and the origin dialled, see `trust/HelloStatement.ts`. */
export const HelloV2 = Schema.Struct({
  type: Schema.tag("hello"),
  protocol: Schema.Literal(2),
  meshId: MeshId,
  memberId: MemberId,
  pubkey: PublicKey,
  sessionId: SessionId,
  nonce: Schema.String.check(Schema.isPattern(/^[0-9a-f]{64}$/)),
  signature: Signature,
  displayName: Schema.optionalKey(DisplayName),
  tags: Schema.optionalKey(Schema.Array(Label).check(Schema.isMaxLength(16))),
  client: Schema.Struct({
    name: Schema.String.check(Schema.isMaxLength(64)),
    version: Schema.String.check(Schema.isMaxLength(64)),
  }),
  /** 0: a session that only sends and asks. It takes no messages, is no peer, and leaves nothing behind. */
  maxInFlight: Schema.optionalKey(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: inFlightMax }))),
  /** Drawn once for each client process and mesh: tells a reconnect from a second process with the same session id. */
  instance: Schema.optionalKey(RequestId),
  /** A session that was not known before: it may take messages, is listed nowhere, and leaves nothing behind. */
  transient: Schema.optionalKey(Schema.Literal(true)),
  /** It is told when somebody comes, goes or changes, by `presence`. */
  presence: Schema.optionalKey(Schema.Literal(true)),
})
export type HelloV2 = typeof HelloV2.Type

/** The content key of a group message or profile, sealed to one member. */
export const SealedKey = Schema.Struct({
  pubkey: PublicKey,
  key: Base64.check(Schema.isMaxLength(sealedKeyCharactersMax)),
})
export type SealedKey = typeof SealedKey.Type

const SealedKeys = Schema.Array(SealedKey)

/** `id` is the idempotency key. A v1 client may leave it out; its ack then has `id: ""`. */
export const Send = Schema.Struct({
  type: Schema.tag("send"),
  id: Schema.optionalKey(ClientMessageId),
  targetSpec: TargetSpec,
  priority: Priority,
  nonce: Nonce,
  /** Not empty: a message whose text is gone is one that everybody has had. */
  ciphertext: Base64.check(Schema.isMinLength(4)),
  sealedKeys: Schema.optionalKey(SealedKeys),
  replyTo: Schema.optionalKey(MessageId),
  ttlSeconds: Schema.optionalKey(Seconds),
  /** The session of this member that wrote it, where that is not this connection's: an outbox outlives its process. */
  sessionId: Schema.optionalKey(SessionId),
})
export type Send = typeof Send.Type

const MessageIds = Schema.Array(MessageId).check(Schema.isMaxLength(ackBatchMax))

/** Consumed: sent once the host has the message, not when it was buffered. Ends the lease. */
export const ClientAck = Schema.Struct({ type: Schema.tag("client_ack"), messageIds: MessageIds })
export type ClientAck = typeof ClientAck.Type

/**
 * Asked for before messages are shown, and answered with `leased`. Until then a message that was pushed may be taken
 * away again, for another session of the member.
 */
export const Lease = Schema.Struct({ type: Schema.tag("lease"), messageIds: MessageIds, id: RequestId })
export type Lease = typeof Lease.Type

/** The lease ended and nothing was shown. The messages stay in flight here, and may be taken away again. No reply. */
export const Release = Schema.Struct({ type: Schema.tag("release"), messageIds: MessageIds })
export type Release = typeof Release.Type

export const Pull = Schema.Struct({ type: Schema.tag("pull"), id: RequestId, max: Schema.optionalKey(PositiveInt) })
export type Pull = typeof Pull.Type

/** Without an `id` (as v1 sends it) there is no reply of any kind. `dnd` is said by hand alone. */
export const SetStatus = Schema.Struct({
  type: Schema.tag("set_status"),
  status: Status,
  /** By hand, where it does not say. */
  source: Schema.optionalKey(StatusSource),
  /** Of `dnd` alone: how long. Without it, until it is ended by hand. */
  forSeconds: Schema.optionalKey(Seconds),
  id: Schema.optionalKey(RequestId),
})
export type SetStatus = typeof SetStatus.Type

/**
 * What a session says of itself, sealed to the members like any message. The same text again adds its keys to those that
 * it has: so a member who joined later can be given one without all others being told anew.
 */
export const SetProfile = Schema.Struct({
  type: Schema.tag("set_profile"),
  id: RequestId,
  nonce: Nonce,
  ciphertext: Base64.check(Schema.isMaxLength(8192)),
  sealedKeys: SealedKeys,
})
export type SetProfile = typeof SetProfile.Type

/**
 * `limit`: as a page of so many at most, from behind `after`, which is the `more` of the page before. Without it the answer is
 * one list, as much as a broker puts in one.
 */
export const ListPeers = Schema.Struct({
  type: Schema.tag("list_peers"),
  id: RequestId,
  after: Schema.optionalKey(PeersCursor),
  limit: Schema.optionalKey(PositiveInt),
})
export type ListPeers = typeof ListPeers.Type

/** In pages as `list_peers`. */
export const ListMembers = Schema.Struct({
  type: Schema.tag("list_members"),
  id: RequestId,
  after: Schema.optionalKey(PublicKey),
  limit: Schema.optionalKey(PositiveInt),
})
export type ListMembers = typeof ListMembers.Type

/** The signed records behind the members, see `trust/ChainVerifier.ts`: of these keys, and revocations after a version. */
export const GetTrust = Schema.Struct({
  type: Schema.tag("get_trust"),
  keys: Schema.Array(PublicKey).check(Schema.isMaxLength(trustKeysMax)),
  after: Schema.Int.check(Schema.isGreaterThanOrEqualTo(0)),
  id: RequestId,
})
export type GetTrust = typeof GetTrust.Type

export const ListChannels = Schema.Struct({ type: Schema.tag("list_channels"), id: RequestId })
export type ListChannels = typeof ListChannels.Type

/** For this session, until it leaves: also over reconnects and restarts. */
export const JoinChannel = Schema.Struct({ type: Schema.tag("join_channel"), channel: Label, id: RequestId })
export type JoinChannel = typeof JoinChannel.Type

export const LeaveChannel = Schema.Struct({ type: Schema.tag("leave_channel"), channel: Label, id: RequestId })
export type LeaveChannel = typeof LeaveChannel.Type

/** Only the member that sent a message may ask what became of it. */
export const MessageStatus = Schema.Struct({ type: Schema.tag("message_status"), messageId: MessageId, id: RequestId })
export type MessageStatus = typeof MessageStatus.Type

export const Ping = Schema.Struct({ type: Schema.tag("ping"), id: RequestId })

/** One shape for each frame type, but for `hello`, whose two versions differ by the key `protocol`. */
const shapes = {
  send: Send,
  client_ack: ClientAck,
  lease: Lease,
  release: Release,
  pull: Pull,
  set_status: SetStatus,
  set_profile: SetProfile,
  list_peers: ListPeers,
  list_members: ListMembers,
  get_trust: GetTrust,
  list_channels: ListChannels,
  join_channel: JoinChannel,
  leave_channel: LeaveChannel,
  message_status: MessageStatus,
  ping: Ping,
} as const

/** Every frame after the hello. */
export const RequestFrame = Schema.Union(Object.values(shapes))
export type RequestFrame = typeof RequestFrame.Type
export type Hello = HelloV1 | HelloV2
export type ClientFrame = Hello | RequestFrame

export const isHelloV2 = (hello: Hello): hello is HelloV2 => "protocol" in hello

/** Why a text is no frame. `id` is there when the text had one, so that its sender can settle the request. */
export interface FrameRefusal {
  readonly code: "malformed" | "unknown_type" | "bad_target"
  readonly message: string
  readonly id: string | undefined
  /** It says that it is a hello: nothing that follows it can be one for another socket. */
  readonly isHello: boolean
}

type Decoder = (input: unknown) => Result.Result<ClientFrame, { readonly message: string }>

const decoders: ReadonlyMap<string, Decoder> = new Map<string, Decoder>(
  Object.entries(shapes).map(([type, shape]) => [type, Schema.decodeUnknownResult(shape)]),
)
const decodeHelloV1: Decoder = Schema.decodeUnknownResult(HelloV1)
const decodeHelloV2: Decoder = Schema.decodeUnknownResult(HelloV2)

const decoderOf = (type: string, input: object): Decoder | undefined =>
  type === "hello" ? ("protocol" in input ? decodeHelloV2 : decodeHelloV1) : decoders.get(type)

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value)

/** Undefined, which JSON has not: it is none. */
const parseJson = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** An id is echoed only if it could have been one: nothing else of a refused frame goes back out. */
const echoableId = Schema.is(RequestId)

/** The id of a text that is not looked at any further, where it is one that could be echoed. */
export const idIn = (text: string): RequestId | undefined => {
  const parsed = parseJson(text)
  return isObject(parsed) && echoableId(parsed["id"]) ? parsed["id"] : undefined
}

export const decodeClientFrame = (text: string): Result.Result<ClientFrame, FrameRefusal> => {
  const parsed = parseJson(text)
  if (!isObject(parsed)) return refused("malformed", "not a JSON object", undefined)
  const type = parsed["type"]
  const byHand = type === "send" ? sendByHand(parsed) : type === "client_ack" ? clientAckByHand(parsed) : undefined
  return byHand === undefined ? decodeBySchema(type, parsed) : Result.succeed(byHand)
}

/** The definition, which what is decoded by hand is held against. */
export const decodeBySchema = (
  type: unknown,
  parsed: Readonly<Record<string, unknown>>,
): Result.Result<ClientFrame, FrameRefusal> => {
  const id = echoableId(parsed["id"]) ? parsed["id"] : undefined
  if (typeof type !== "string") return refused("malformed", "no type", id)
  const decode = decoderOf(type, parsed)
  if (decode === undefined) return refused("unknown_type", "unknown frame type", id)
  const decoded = decode(parsed)
  if (Result.isSuccess(decoded)) return Result.succeed(decoded.success)
  const spec = parsed["targetSpec"]
  return type === "send" && typeof spec === "string" && Option.isNone(parseTarget(spec))
    ? refused("bad_target", "the target does not parse", id)
    : refused("malformed", `not a valid ${type} frame`, id, type === "hello")
}

const refused = (code: FrameRefusal["code"], message: string, id: string | undefined, isHello = false) =>
  Result.fail<FrameRefusal>({ code, message, id, isHello })

const encodeRequest = Schema.encodeSync(Schema.fromJsonString(RequestFrame))
const encodeHello = Schema.encodeSync(Schema.fromJsonString(Schema.Union([HelloV2, HelloV1])))

export const encodeClientFrame = (frame: ClientFrame): string =>
  frame.type === "hello" ? encodeHello(frame) : encodeRequest(frame)
