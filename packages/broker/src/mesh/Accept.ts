/**
 * A send, from its frame to its ack: the audience is resolved, the message gets the mesh's next sequence number
 * and goes to the commit lane; when its commit is known it is acked, and only then delivered (I5, I6, I7, I22).
 * What is refused is refused here, with nothing stored.
 */
import type { PublicKey } from "@claudemesh/domain/Ids"
import { audience, type Recipient } from "@claudemesh/domain/routing/Audience"
import { formatTarget, isDirect } from "@claudemesh/domain/routing/Target"
import type { RecipientState } from "@claudemesh/domain/wire/BrokerFrame"
import type { ErrorCode } from "@claudemesh/domain/wire/ErrorCode"
import { Cause, Exit, Option } from "effect"
import { type InboxAddress, StoreError, type StoredMessage, Write, type Written } from "../store/MessageStore.ts"
import { deliverCommitted, mayWait } from "./Deliver.ts"
import { errorFrame } from "./ErrorReply.ts"
import { type Command, type Completion, Completion as Completions, Effects, type PeerHandle } from "./MeshCommand.ts"
import { type Connection, inboxOf, type MeshState } from "./MeshState.ts"

type Send = Extract<Command, { readonly _tag: "Send" }>
type Accepted = Extract<Completion, { readonly _tag: "Accepted" }>

interface SendRefusal {
  readonly code: ErrorCode
  readonly message: string
}

export const send = (
  state: MeshState,
  connection: Connection,
  command: Send,
  nowMillis: number,
  effects: Array<Effects>,
): void => {
  const { frame, peer } = command
  const recipients = recipientsOf(state, connection, command)
  if ("code" in recipients) {
    effects.push(...refused(connection, peer, frame.id, recipients))
    return
  }
  connection.lastActiveMillis = nowMillis
  state.lastSeq += 1
  const ttlMillis = Math.min((frame.ttlSeconds ?? Number.POSITIVE_INFINITY) * 1000, state.rules.limits.messageTtlMillis)
  const message: StoredMessage = {
    meshId: state.mesh.meshId,
    seq: state.lastSeq,
    messageId: command.messageId,
    senderMemberId: connection.session.member.record.memberId,
    senderSession: connection.session.sessionId,
    targetSpec: formatTarget(frame.targetSpec),
    priority: frame.priority,
    nonce: frame.nonce,
    ciphertext: frame.ciphertext,
    replyTo: frame.replyTo,
    createdAtMillis: nowMillis,
    expiresAtMillis: nowMillis + ttlMillis,
    contentHash: command.contentHash,
  }
  effects.push(
    Effects.Write({
      write: Write.Accept({ message, recipients }),
      completion: (outcome) => Completions.Accepted({ message, recipients, peer, id: frame.id ?? "", outcome }),
    }),
  )
}

const recipientsOf = (
  state: MeshState,
  { session }: Connection,
  { frame }: Send,
): ReadonlyArray<InboxAddress> | SendRefusal => {
  const target = frame.targetSpec
  if (!isDirect(target)) {
    return frame.sealedKeys === undefined && !state.mesh.allowUnsealed
      ? { code: "unsealed", message: "this mesh takes sealed messages only" }
      : { code: "unsupported", message: "this broker routes to members and sessions only" }
  }
  const resolved = audience(target, state.members, { key: session.member.key, session: session.sessionId })
  switch (resolved._tag) {
    case "UnknownMember":
      return { code: "unknown_target", message: "no such member" }
    case "UnknownSession":
      return { code: "unknown_target", message: "no such session of this member" }
    case "Resolved":
      // It ends with its connection: what it were sent would be read by nobody.
      if (target._tag === "Session" && isTransient(state, target)) {
        return { code: "unknown_target", message: "this session takes no messages" }
      }
      return resolved.recipients.flatMap((recipient) => addressOf(state, recipient))
  }
}

const isTransient = (state: MeshState, { key, session }: Extract<Send["frame"]["targetSpec"], { _tag: "Session" }>) =>
  state.members.get(key)?.sessions.get(session)?.connection?.transient === true

const addressOf = (state: MeshState, { key, session }: Recipient): ReadonlyArray<InboxAddress> => {
  const member = state.members.get(key)
  return member === undefined ? [] : [{ memberId: member.record.memberId, session }]
}

const refused = (
  connection: Connection | undefined,
  peer: PeerHandle,
  id: string | undefined,
  { code, message }: SendRefusal,
): ReadonlyArray<Effects> => [
  Effects.Send({ peer, frame: errorFrame(connection?.protocol ?? 2, code, message, id) }),
  Effects.Settle({ peer }),
]

/** The commit's outcome is known: this is where a message is acked, whatever became of its sender meanwhile. */
export const accepted = (state: MeshState, completion: Accepted, nowMillis: number, effects: Array<Effects>): void => {
  const { outcome } = completion
  if (Exit.isFailure(outcome)) return notAccepted(state, completion, outcome.cause, nowMillis, effects)
  const written = outcome.value
  if (written._tag === "Duplicate") return duplicate(state, completion, written, effects)
  const pushes: Array<Effects> = []
  const states = completion.recipients.flatMap((address) => {
    const inbox = inboxOf(state, address)
    return inbox === undefined
      ? []
      : [
          {
            pubkey: inbox.member.key,
            state: deliverCommitted(state, inbox, completion.message, nowMillis, pushes),
          },
        ]
  })
  effects.push(...ack(state, completion, states, false), ...pushes)
}

const ack = (
  state: MeshState,
  { id, message, peer }: Accepted,
  recipients: ReadonlyArray<{ readonly pubkey: PublicKey; readonly state: RecipientState }>,
  isDuplicate: boolean,
): ReadonlyArray<Effects> => {
  const v1 = { type: "ack", id, messageId: message.messageId, queued: true } as const
  const frame =
    state.connections.get(peer)?.protocol === 1 ? v1 : { ...v1, duplicate: isDuplicate, recipients, unsealed: [] }
  return [Effects.Send({ peer, frame }), Effects.Settle({ peer })]
}

/** The same message again: the first result. Another message under a used id: a conflict. */
const duplicate = (
  state: MeshState,
  completion: Accepted,
  first: Extract<Written, { readonly _tag: "Duplicate" }>,
  effects: Array<Effects>,
): void => {
  if (first.contentHash !== completion.message.contentHash) {
    const refusal = { code: "id_conflict", message: "this id was used for another message" } as const
    effects.push(...refused(state.connections.get(completion.peer), completion.peer, completion.id, refusal))
    return
  }
  const recipients = first.recipients.flatMap(({ consumed, memberId }) => {
    const member = state.membersById.get(memberId)
    return member === undefined
      ? []
      : [{ pubkey: member.key, state: consumed ? ("delivered" as const) : ("queued" as const) }]
  })
  effects.push(...ack(state, completion, recipients, true))
}

const notAccepted = (
  state: MeshState,
  { id, message, peer, recipients }: Accepted,
  cause: Cause.Cause<StoreError>,
  nowMillis: number,
  effects: Array<Effects>,
): void => {
  const reason = Option.match(Cause.findErrorOption(cause), {
    onNone: () => "rejected" as const,
    onSome: (error) => error.reason,
  })
  if (reason === "fenced") {
    effects.push(Effects.Fenced())
    return
  }
  const refusal =
    reason === "unavailable"
      ? ({ code: "unavailable", message: "the broker cannot reach its database; send it again" } as const)
      : ({ code: "internal", message: "the broker failed to store this; send it again" } as const)
  effects.push(...refused(state.connections.get(peer), peer, id, refusal))
  // The error may have come after the commit took effect: then the message waits, and its inboxes look.
  for (const address of recipients) {
    const inbox = inboxOf(state, address)
    if (inbox !== undefined) mayWait(state, inbox, message.priority, nowMillis, effects)
  }
}
