/**
 * What a mesh's actor is told, and what it wants done. Commands come from connections and, as completions, from
 * what the actor itself had begun; actions are carried out by its loop after each decision.
 */
import type { Base64 } from "@claudemesh/domain/Base64"
import type { Label, MemberId, MessageId, PresenceId, PublicKey, SessionId } from "@claudemesh/domain/Ids"
import type { Priority, Status } from "@claudemesh/domain/routing/Status"
import type { BrokerFrame } from "@claudemesh/domain/wire/BrokerFrame"
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
import { Data, type Effect, type Exit, type Option } from "effect"
import type { Enrolment, EnrolmentAnswer } from "./Enrolment.ts"
import type { HelloProof, HelloRefusal } from "../trust/HelloProof.ts"
import type { SharedFrame } from "./SharedFrame.ts"
import type { Outcome } from "../store/CommitLane.ts"
import type {
  Backlog,
  DeliveryKey,
  InboxAddress,
  MessageFate,
  PageRequest,
  Recipient,
  StoredMessage,
  StoreError,
  WaitingCount,
  WaitingMessage,
  Write,
} from "../store/MessageStore.ts"

/** A connection as its mesh sees it: where frames go, in order. It is compared by identity. */
export interface PeerHandle {
  /** Of two connections, the higher is the newer, whichever hello was handled first. */
  readonly number: number
  /** False: its socket has closed, so nobody will get the frame. */
  readonly send: (frame: BrokerFrame) => boolean
  /** The same for what goes to many. */
  readonly tell: (shared: SharedFrame) => boolean
  /** What it was sent and has not read yet. */
  readonly unreadBytes: () => number
  readonly close: (reason: CloseCode) => void
  /** When its last frame came. */
  readonly heardAtMillis: () => number
  /** One of its sends or leases was answered: the connection may take another one. */
  readonly settled: Effect.Effect<unknown>
}

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

export type Command = Data.TaggedEnum<{
  Attach: {
    readonly proof: HelloProof
    readonly peer: PeerHandle
    readonly presenceId: PresenceId
    readonly reply: (outcome: Attached) => void
  }
  Detach: { readonly peer: PeerHandle; readonly saidGoodbye: boolean }
  Send: {
    readonly peer: PeerHandle
    readonly frame: Send
    readonly messageId: MessageId
    readonly contentHash: string
  }
  Request: { readonly peer: PeerHandle; readonly frame: MeshRequest }
  Enrol: { readonly enrolment: Enrolment; readonly reply: (answer: EnrolmentAnswer) => void }
  /** By a hook, over HTTP. */
  Report: {
    readonly whose: ReportedSession
    readonly status: Status
    readonly atMillis: number
    readonly reply: (answer: ReportAnswer) => void
  }
}>
export const Command = Data.taggedEnum<Command>()

/** The ends of what the actor began. Their number is bounded by what is under way, so they never wait. */
export type Completion = Data.TaggedEnum<{
  Accepted: {
    readonly message: StoredMessage
    readonly resolved: Resolved
    readonly peer: PeerHandle
    /** The id of the send, `""` if it had none. */
    readonly id: string
    readonly outcome: Outcome
  }
  Consumed: {
    readonly inbox: InboxAddress
    readonly seq: number
    readonly priority: Priority
    readonly characters: number
    readonly messageId: MessageId
    readonly peer: PeerHandle
  }
  /** The leases are written down, or not. */
  LeaseRecorded: {
    readonly peer: PeerHandle
    readonly id: string
    readonly asked: ReadonlyArray<AskedLease>
    readonly outcome: Outcome
  }
  /** A delivery is not marked as leased any more. */
  LeaseCleared: { readonly deliveries: ReadonlyArray<ClearedLease> }
  SessionRecorded: { readonly peer: PeerHandle }
  /** What waited in the session's inbox is its member's. */
  InboxMoved: { readonly memberId: MemberId; readonly session: SessionId }
  ChannelRecorded: {
    readonly peer: PeerHandle
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
    readonly peer: PeerHandle
    readonly id: string
    /** What was not counted, and up to which message all that waited was. */
    readonly except: ReadonlyArray<DeliveryKey>
    readonly upToSeq: number
    readonly counts: Exit.Exit<ReadonlyArray<WaitingCount>, StoreError>
  }
  Counted: { readonly inbox: InboxAddress; readonly backlog: Exit.Exit<Backlog, StoreError> }
  FateRead: {
    readonly peer: PeerHandle
    readonly id: string
    readonly messageId: MessageId
    readonly fate: Exit.Exit<Option.Option<MessageFate>, StoreError>
  }
  /** A send is to be refused: whether its message was accepted before, and this is a resend. */
  RefusalChecked: {
    readonly peer: PeerHandle
    readonly id: string
    readonly messageId: MessageId
    readonly refusal: SendRefusal
    readonly fate: Exit.Exit<Option.Option<MessageFate>, StoreError>
  }
  Enrolled: {
    readonly enrolment: Enrolment
    readonly reply: (answer: EnrolmentAnswer) => void
    readonly outcome: Outcome
  }
  /** The time that the state had asked to be woken at has come. */
  Tick: {}
}>
export const Completion = Data.taggedEnum<Completion>()

export type Action = Data.TaggedEnum<{
  Send: { readonly peer: PeerHandle; readonly frame: BrokerFrame }
  Tell: { readonly peer: PeerHandle; readonly frame: SharedFrame }
  Close: { readonly peer: PeerHandle; readonly reason: CloseCode }
  Settle: { readonly peer: PeerHandle }
  Reply: { readonly reply: (outcome: Attached) => void; readonly outcome: Attached }
  ReportTaken: { readonly reply: (answer: ReportAnswer) => void; readonly answer: ReportAnswer }
  Answer: { readonly reply: (answer: EnrolmentAnswer) => void; readonly answer: EnrolmentAnswer }
  Write: { readonly write: Write; readonly completion: (outcome: Outcome) => Completion | undefined }
  ReadPage: { readonly request: PageRequest }
  /** Counts what waits in the inboxes together. */
  Count: {
    readonly inboxes: ReadonlyArray<InboxAddress>
    readonly completion: (backlog: Exit.Exit<Backlog, StoreError>) => Completion
  }
  /** Counts what waits in each of the inboxes, but for some deliveries. */
  CountWaiting: {
    readonly inboxes: ReadonlyArray<InboxAddress>
    readonly except: ReadonlyArray<DeliveryKey>
    readonly completion: (counts: Exit.Exit<ReadonlyArray<WaitingCount>, StoreError>) => Completion
  }
  ReadFate: {
    readonly messageId: MessageId
    readonly completion: (fate: Exit.Exit<Option.Option<MessageFate>, StoreError>) => Completion
  }
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
