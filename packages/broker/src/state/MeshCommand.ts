/**
 * What a mesh's actor is told, and what it wants done, all of it plain data: nothing here can be called, and whoever
 * waits for an answer is a number, so that a mesh may live in another process than its connections. Commands come from connections and, as completions, from
 * what the actor itself had begun; actions are carried out by its loop after each decision.
 */
import type { Base64 } from "@claudemesh/domain/Base64"
import type { Label, MemberId, MessageId, PresenceId, PublicKey, SessionId } from "@claudemesh/domain/Ids"
import type { Priority, Status } from "@claudemesh/domain/routing/Status"
import type { AuditHead, BrokerFrame } from "@claudemesh/domain/wire/BrokerFrame"
import type {
  ClientAck,
  GetTrust,
  JoinChannel,
  Lease,
  LeaveChannel,
  ListChannels,
  ListMembers,
  ListPeers,
  MessageStatus,
  Pull,
  Release,
  Send,
  SetProfile,
  SetStatus,
} from "@claudemesh/domain/wire/ClientFrame"
import type { CloseCode } from "@claudemesh/domain/wire/CloseCode"
import type { ErrorCode } from "@claudemesh/domain/wire/ErrorCode"
import { Data, type Exit, type Option, Schema } from "effect"
import type { Enrolment, EnrolmentAnswer } from "./Enrolment.ts"
import type { HelloProof, HelloRefusal } from "../trust/HelloProof.ts"
import type { PeerId } from "./PeerId.ts"
import type { SharedFrame } from "./SharedFrame.ts"
import type { Outcome } from "../store/GroupCommit.ts"
import type {
  Attachment,
  Backlog,
  DeliveryKey,
  InboxAddress,
  DeliveryReport,
  PageRequest,
  Recipient,
  StoredMessage,
  StoreError,
  WaitingCount,
  WaitingMessage,
  Write,
} from "../store/MessageStore.ts"

/** A question that somebody waits for the answer of. Who that is, the mesh's actor knows alone. */
export const CorrelationId = Schema.Int.pipe(Schema.brand("claudemesh/broker/CorrelationId"))
export type CorrelationId = typeof CorrelationId.Type

export type Attached = { readonly _tag: "Attached" } | { readonly _tag: "Refused"; readonly refusal: HelloRefusal }

/** Frames that the mesh answers; `ping` is the connection's own. */
export type MeshRequest =
  | ClientAck
  | Lease
  | Release
  | Pull
  | SetStatus
  | SetProfile
  | ListPeers
  | ListMembers
  | GetTrust
  | ListChannels
  | JoinChannel
  | LeaveChannel
  | MessageStatus

/** Why a send is not accepted. Nothing of it is stored. */
export interface SendRefusal {
  readonly code: ErrorCode
  readonly message: string
}

/** Who gets a message, and who of its audience does not. */
export interface Resolved {
  readonly recipients: ReadonlyArray<Recipient>
  /** Members without a key to open it. */
  readonly unsealed: ReadonlyArray<PublicKey>
  /** One for each inbox that takes no more. */
  readonly full: ReadonlyArray<PublicKey>
  /** Sessions among the recipients that are not known to be written down. */
  readonly unrecorded: ReadonlyArray<Attachment>
}

/** Asked for, and `granted` once it is committed. Until it ends, nobody else gets the message. */
export interface MessageLease {
  granted: boolean
}

/** One of the messages that a lease was asked for, and the lease that it then had. */
export interface AskedLease {
  readonly messageId: MessageId
  readonly lease: MessageLease
}

/** One that is cleared in the store. */
export interface ClearedLease extends DeliveryKey {
  readonly priority: Priority
}

/** Whose status a hook reports: a session of the member that signed, or one of a first client, whose hooks sign nothing. */
export interface ReportedSession {
  readonly by: PublicKey | undefined
  readonly sessionId: SessionId | undefined
  readonly cwd: string | undefined
  readonly pid: number | undefined
}

/** `taken`: for a session that is there, or may be soon. */
export type ReportAnswer = "taken" | "unknown_mesh" | "revoked"

/** What somebody who asked is answered. */
export type Answer = Data.TaggedEnum<{
  Attach: { readonly outcome: Attached }
  Enrol: { readonly answer: EnrolmentAnswer }
  Report: { readonly answer: ReportAnswer }
}>
export const Answer = Data.taggedEnum<Answer>()

export type Command = Data.TaggedEnum<{
  Attach: {
    readonly proof: HelloProof
    readonly peer: PeerId
    readonly presenceId: PresenceId
    /** The head of the mesh's audit, to be told. */
    readonly audit?: AuditHead | undefined
    readonly replyTo: CorrelationId
  }
  Detach: { readonly peer: PeerId; readonly saidGoodbye: boolean }
  Send: {
    readonly peer: PeerId
    readonly frame: Send
    readonly messageId: MessageId
    readonly contentHash: string
  }
  Request: { readonly peer: PeerId; readonly frame: MeshRequest }
  Enrol: { readonly enrolment: Enrolment; readonly replyTo: CorrelationId }
  /** By a hook, over HTTP. */
  Report: {
    readonly whose: ReportedSession
    readonly status: Status
    readonly atMillis: number
    readonly replyTo: CorrelationId
  }
}>
export const Command = Data.taggedEnum<Command>()

/** A delivery that was acked, or handed over to who cannot ack. */
export interface AckedMessage {
  readonly seq: number
  readonly characters: number
  readonly messageId: MessageId
  /** For who measures how long recipients take. */
  readonly pushedAtMillis?: number | undefined
}

/** That deliveries are consumed is being written. */
interface Consuming {
  readonly inbox: InboxAddress
  readonly priority: Priority
  readonly messages: ReadonlyArray<AckedMessage>
  readonly peer: PeerId
  /** How often it has failed. */
  readonly failures?: number
}

/** That deliveries are not leased any more is being written. */
interface Clearing {
  readonly deliveries: ReadonlyArray<ClearedLease>
  readonly failures?: number
}

/** What waited in the session's inbox is being given to its member. */
interface Moving {
  readonly memberId: MemberId
  readonly session: SessionId
  readonly what: "all" | "groups"
  readonly failures?: number
}

/** Somebody is being let in or put out. */
interface Admitting {
  readonly enrolment: Enrolment
  /** Undefined: whoever asked has been answered that the outcome is not known. */
  readonly replyTo: CorrelationId | undefined
}

/** What has to be written in the end, and nobody would ask for again. */
export type Unwritten = Data.TaggedEnum<{
  Consumed: Consuming
  LeaseCleared: Clearing
  InboxMoved: Moving
  Enrolled: Admitting
}>

/** The ends of what the actor began. Their number is bounded by what is under way, so they never wait. */
export type Completion = Data.TaggedEnum<{
  Accepted: {
    readonly message: StoredMessage
    readonly resolved: Resolved
    readonly peer: PeerId
    /** The id of the send, `""` if it had none. */
    readonly id: string
    readonly outcome: Outcome
  }
  Consumed: Consuming & { readonly outcome: Outcome }
  /** What was pushed to a first client did not even reach its socket. */
  NotTaken: {
    readonly inbox: InboxAddress
    readonly seq: number
    readonly priority: Priority
    readonly messageId: MessageId
    readonly peer: PeerId
  }
  /** The leases are written down, or not. */
  LeaseRecorded: {
    readonly peer: PeerId
    readonly id: string
    readonly asked: ReadonlyArray<AskedLease>
    readonly outcome: Outcome
  }
  /** A delivery is not marked as leased any more. */
  LeaseCleared: Clearing & { readonly outcome: Outcome }
  SessionRecorded: {
    readonly peer: PeerId
    readonly memberId: MemberId
    readonly session: SessionId
    readonly outcome: Outcome
  }
  /** What waited in the session's inbox is its member's. */
  InboxMoved: Moving & { readonly outcome: Outcome }
  ChannelRecorded: {
    readonly peer: PeerId
    readonly id: string
    readonly memberId: MemberId
    readonly session: SessionId
    readonly channel: Label
    readonly joined: boolean
    readonly outcome: Outcome
  }
  PageRead: { readonly request: PageRequest; readonly rows: Exit.Exit<ReadonlyArray<WaitingMessage>, StoreError> }
  /** The answer to a pull. */
  Pulled: {
    readonly peer: PeerId
    readonly id: string
    /** What was not counted, and up to which message all that waited was. */
    readonly except: ReadonlyArray<DeliveryKey>
    readonly upToSeq: number
    readonly counts: Exit.Exit<ReadonlyArray<WaitingCount>, StoreError>
  }
  /** `count`: its number. */
  Counted: { readonly inbox: InboxAddress; readonly count: number; readonly backlog: Exit.Exit<Backlog, StoreError> }
  DeliveryReportRead: {
    readonly peer: PeerId
    readonly id: string
    readonly messageId: MessageId
    readonly deliveryReport: Exit.Exit<Option.Option<DeliveryReport>, StoreError>
  }
  /** A send is to be refused: whether its message was accepted before, and this is a resend. */
  RefusalChecked: {
    readonly peer: PeerId
    readonly id: string
    readonly messageId: MessageId
    readonly refusal: SendRefusal
    readonly deliveryReport: Exit.Exit<Option.Option<DeliveryReport>, StoreError>
  }
  Enrolled: Admitting & { readonly outcome: Outcome }
  /** It failed a while ago. */
  WriteAgain: { readonly unwritten: Unwritten }
  /** The time that the state had asked to be woken at has come. */
  Tick: {}
}>
export const Completion = Data.taggedEnum<Completion>()

type CompletionOf<Tag extends Completion["_tag"]> = Extract<Completion, { readonly _tag: Tag }>
type Without<A, Key extends PropertyKey> = A extends unknown ? Omit<A, Key> : never

/** A completion, but for what is not known before the write is done. */
export type AfterWrite = Without<Extract<Completion, { readonly outcome: Outcome }>, "outcome">

/** The same for what became of a message. */
export type AfterDeliveryReport = Without<CompletionOf<"DeliveryReportRead" | "RefusalChecked">, "deliveryReport">

export type Action = Data.TaggedEnum<{
  Send: { readonly peer: PeerId; readonly frame: BrokerFrame }
  Tell: { readonly peer: PeerId; readonly frame: SharedFrame }
  /** Sends, and writes once the socket has taken it. Where it has closed, `otherwise` comes back instead. */
  HandOver: {
    readonly peer: PeerId
    readonly frame: BrokerFrame
    readonly write: Write
    readonly next: AfterWrite
    readonly otherwise: CompletionOf<"NotTaken">
  }
  Close: { readonly peer: PeerId; readonly reason: CloseCode }
  Settle: { readonly peer: PeerId }
  Reply: { readonly to: CorrelationId; readonly answer: Answer }
  /** `next`: what its outcome makes a completion of; without it nobody wants to know. */
  Write: { readonly write: Write; readonly next: AfterWrite | undefined }
  ReadPage: { readonly request: PageRequest }
  /** Counts what waits in the inboxes together. */
  Count: {
    readonly inboxes: ReadonlyArray<InboxAddress>
    readonly next: Without<CompletionOf<"Counted">, "backlog">
  }
  /** Counts what waits in each of the inboxes, but for some deliveries. */
  CountWaiting: {
    readonly inboxes: ReadonlyArray<InboxAddress>
    readonly except: ReadonlyArray<DeliveryKey>
    readonly next: Without<CompletionOf<"Pulled">, "counts">
  }
  ReadDeliveryReport: {
    readonly messageId: MessageId
    readonly next: AfterDeliveryReport
  }
  /** Comes back after so long. */
  Later: { readonly millis: number; readonly completion: Completion }
  /** For whoever runs the broker. */
  Log: {
    readonly level: "warning" | "error"
    readonly message: string
    readonly about: Readonly<Record<string, string | number>>
  }
  /** Another owner of this mesh has written: this one must begin again from the store. */
  Fenced: {}
}>
export const Action = Data.taggedEnum<Action>()

/** A profile as it was sealed: the broker hands each member its own key and can open none. */
export interface SealedProfile {
  /** The same value for as long as it is the same text: keys may be added to it. */
  readonly text: { readonly nonce: SetProfile["nonce"]; readonly ciphertext: Base64 }
  readonly keys: ReadonlyMap<string, Base64>
}

export const priorities: ReadonlyArray<Priority> = ["now", "next", "low"]
