/** A message that waits to be sent: sealed, under its id, and with what its writer has to be told of it later. */
import { withHint } from "@claudemesh/domain/WithHint"
import type { ClientMessageId, MeshId, MessageId, PublicKey, SessionId } from "@claudemesh/domain/Ids"
import type { Send } from "@claudemesh/domain/wire/ClientFrame"
import { Schema } from "effect"

export interface NewEntry {
  readonly id: ClientMessageId
  readonly messageId: MessageId
  readonly meshId: MeshId
  /** Ours in this mesh, whose key sealed it. */
  readonly member: PublicKey
  /** The session that wrote it. It is sealed in, so the broker is told where another one sends it. */
  readonly sessionId: SessionId
  /** To whom, as its writer wrote it. */
  readonly to: string
  readonly frame: Send
  /** By the clock of this machine at that time; it is sealed in. */
  readonly sealedAtMillis: number
}

export interface OutboxEntry extends NewEntry {
  /** The order in which the messages were asked for. */
  readonly seq: number
  /** It was on a wire: a broker may have it, and it cannot be cancelled any more. */
  readonly hasLeft: boolean
}

/** A message that is not sent, to be told to whoever was told that it waits. */
export interface SendProblem {
  readonly messageId: MessageId
  readonly meshId: MeshId
  readonly member: PublicKey
  readonly sessionId: SessionId
  readonly to: string
  readonly target: string
  /** The broker's error code, or `expired`, or `clock`. */
  readonly code: string
  readonly explanation: string
  /** When it was refused. */
  readonly atMillis: number
  /** When it was written; undefined where an older program kept it. */
  readonly sealedAtMillis?: number
}

/** What this machine alone can say of a message: no broker has it, or none has answered. */
export type Unsent =
  | { readonly _tag: "Waiting"; readonly entry: OutboxEntry }
  | { readonly _tag: "NotSent"; readonly problem: SendProblem }

export class OutboxFull extends Schema.TaggedError<OutboxFull>()("OutboxFull", {
  waiting: Schema.Int,
  /** Of this process, or of this member in all processes of this machine. */
  of: Schema.Literals(["process", "member"]),
}) {
  get what() {
    return `The outbox is full: ${this.waiting} messages wait for the broker's answer${this.of === "process" ? "" : " on this machine"}. This one was not sent.`
  }
  get hint() {
    return "Send it again later, or cancel some: claudemesh outbox"
  }
  override get message() {
    return withHint(this)
  }
}

/** The broker refused the message for good, or too often; or it could not be sent in time. */
export class SendRefused extends Schema.TaggedError<SendRefused>()("SendRefused", {
  /** An `ErrorCode`, or one of a newer broker, or one of a {@link SendProblem}. */
  code: Schema.String,
  explanation: Schema.String,
  candidates: Schema.Array(Schema.String),
}) {
  override get message() {
    return `the broker refused the message (${this.code}): ${this.explanation}`
  }
}

/** It is not this process's any more. */
export class SendGone extends Schema.TaggedError<SendGone>()("SendGone", {}) {
  override get message() {
    return "The message is not in the outbox any more: it was cancelled, or another process of yours has taken it over."
  }
}
