/**
 * A send, from its frame to its ack: the audience is resolved, the message gets the mesh's next sequence number
 * and goes into the group commit; when its commit is known it is acked, and only then delivered (I5, I6, I7, I22).
 * What is refused is refused here, with nothing stored.
 */
import type { Base64 } from "@claudemesh/domain/Base64"
import type { MessageId, PublicKey, SessionId } from "@claudemesh/domain/Ids"
import { audience, type Recipient as Addressee } from "@claudemesh/domain/routing/Audience"
import { formatTarget, isDirect } from "@claudemesh/domain/routing/Target"
import type { Ack, RecipientState } from "@claudemesh/domain/wire/BrokerFrame"
import type { Send as SendFrame } from "@claudemesh/domain/wire/ClientFrame"
import { Cause, Exit, Option } from "effect"
import {
  type Attachment,
  type DeliveryReport,
  type Recipient,
  reasonOf,
  StoreError,
  type StoredMessage,
  type Written,
} from "../store/MessageStore.ts"
import { isFull } from "./Backlog.ts"
import { deliverCommitted, mayWait } from "./Deliver.ts"
import type { Allowance } from "../state/Allowance.ts"
import type { Decision } from "../state/Decision.ts"
import { errorFrame } from "../state/ErrorReply.ts"
import { lookFor } from "./LateCommit.ts"
import { type Command, type Completion, Action, type Resolved, type SendRefusal } from "../state/MeshCommand.ts"
import type { Inbox } from "../state/Inbox.ts"
import type { PeerId } from "../state/PeerId.ts"
import { type Connection, inboxOf, type Member, type MeshState } from "../state/MeshState.ts"

type Send = Extract<Command, { readonly _tag: "Send" }>
type Accepted = Extract<Completion, { readonly _tag: "Accepted" }>

export const send = (decision: Decision, connection: Connection, command: Send): void => {
  const { actions, nowMillis, state } = decision
  const { frame, peer } = command
  const first = state.beingAccepted.get(command.messageId)
  // Its result is not known yet, and is this one's, too. Whether there is still room, or a rate left, was asked for the first.
  if (first !== undefined && first.contentHash === command.contentHash) {
    first.resends.push({ id: frame.id ?? "", peer })
    return
  }
  const { allowance } = connection.session.member
  const resolved = haste(allowance, nowMillis) ?? resolve(decision, connection, frame)
  if ("code" in resolved) {
    actions.push(...refusedUnlessKnown(connection, command, resolved))
    return
  }
  // The first is paid for. To a group it is as many writes, and as many pushes, as it has recipients.
  allowance.sends.charge(Math.max(0, resolved.recipients.length - 1))
  connection.lastActiveMillis = nowMillis
  state.lastSeq += 1
  const ttlMillis = Math.min((frame.ttlSeconds ?? Number.POSITIVE_INFINITY) * 1000, state.rules.limits.messageTtlMillis)
  const message: StoredMessage = {
    meshId: state.mesh.meshId,
    seq: state.lastSeq,
    messageId: command.messageId,
    senderMemberId: connection.session.member.record.memberId,
    senderSession: writerOf(connection, frame),
    targetSpec: formatTarget(frame.targetSpec),
    priority: frame.priority,
    nonce: frame.nonce,
    ciphertext: frame.ciphertext,
    replyTo: frame.replyTo,
    createdAtMillis: nowMillis,
    expiresAtMillis: nowMillis + ttlMillis,
    contentHash: command.contentHash,
  }
  allowance.holdCharacters(charactersOf(message, resolved))
  if (first === undefined) {
    const { contentHash, messageId } = command
    state.beingAccepted.set(messageId, { seq: message.seq, contentHash, resends: [] })
  }
  const { recipients, unrecorded } = resolved
  actions.push({
    _tag: "Write",
    write:
      unrecorded.length === 0
        ? { _tag: "Accept", message, recipients }
        : { _tag: "Accept", message, recipients, sessions: unrecorded },
    next: { _tag: "Accepted", message, resolved, peer, id: frame.id ?? "" },
  })
}

/** Why it may not send now. Nothing of it is stored, and later it may. */
const haste = (allowance: Allowance, nowMillis: number): SendRefusal | undefined => {
  if (!allowance.sends.take(nowMillis)) {
    return { code: "rate_limited", message: "this member sends too fast; send it again in a second" }
  }
  return allowance.holdsTooMuch
    ? {
        code: "rate_limited",
        message: "too much that this member sent is still being stored; send it again in a second",
      }
    : undefined
}

/** What is held of it until it is stored. */
const charactersOf = ({ ciphertext }: StoredMessage, { recipients }: Resolved): number =>
  recipients.reduce((sum, { sealedKey }) => sum + (sealedKey?.length ?? 0), ciphertext.length)

/** Whose inboxes the message goes to, now and for good: a resend gets the first answer. */
const resolve = (decision: Decision, connection: Connection, frame: SendFrame): Resolved | SendRefusal => {
  const { state } = decision
  const target = frame.targetSpec
  const refusal = sealRefusal(state, frame)
  if (refusal !== undefined) return refusal
  const sender = { key: connection.session.member.key, session: writerOf(connection, frame) }
  const found = audience(target, state.members, sender)
  switch (found._tag) {
    case "UnknownMember":
      return { code: "unknown_target", message: "no such member" }
    case "UnknownSession":
      return { code: "unknown_target", message: "no such session of this member" }
    case "Resolved":
      // It ends with its connection: what it were sent would be read by nobody.
      if (target._tag === "Session" && isTransient(state, target)) {
        return { code: "unknown_target", message: "this session takes no messages" }
      }
      return isDirect(target) ? toOne(decision, found.recipients) : toGroup(decision, found.recipients, frame)
  }
}

/** An earlier session of the member, where its process ended before it could send this. */
const writerOf = ({ protocol, session }: Connection, { sessionId }: SendFrame): SessionId =>
  protocol === 2 && sessionId !== undefined ? sessionId : session.sessionId

const sealRefusal = (state: MeshState, { sealedKeys, targetSpec }: SendFrame): SendRefusal | undefined => {
  if (sealedKeys === undefined) {
    return isDirect(targetSpec) || state.mesh.allowUnsealed
      ? undefined
      : { code: "unsealed", message: "this mesh takes sealed messages only" }
  }
  if (isDirect(targetSpec)) return { code: "malformed", message: "a message to one member has no sealed keys" }
  const most = state.rules.limits.sealedKeysMax
  return sealedKeys.length > most
    ? { code: "too_large", message: `a message is sealed to ${most} members at most` }
    : undefined
}

const isTransient = (state: MeshState, { key, session }: Extract<SendFrame["targetSpec"], { _tag: "Session" }>) =>
  state.members.get(key)?.sessions.get(session)?.connection?.transient === true

const toOne = (decision: Decision, addressees: ReadonlyArray<Addressee>): Resolved | SendRefusal => {
  const { state } = decision
  const recipients: Array<Recipient> = []
  const unrecorded: Array<Attachment> = []
  for (const addressee of addressees) {
    const inbox = inboxAt(state, addressee)
    if (inbox === undefined) continue
    if (isFull(decision, inbox))
      return { code: "backlog_full", message: "the recipient's inbox is full; send it again later" }
    recipients.push({ inbox: inbox.address, sealedKey: undefined })
    bringRow(unrecorded, inbox)
  }
  return { recipients, unsealed: [], full: [], unrecorded }
}

/** A session may have no row yet: it comes along. */
const bringRow = (unrecorded: Array<Attachment>, { member, session }: Inbox): void => {
  if (session === undefined || session.isRecorded) return
  const { memberId } = member.record
  const protocol = session.connection?.protocol ?? 2
  unrecorded.push({ memberId, session: session.sessionId, protocol, atMillis: session.seenAtMillis })
}

/** A group message passes by who cannot open it, and an inbox that is full: the others do not wait for that one. */
const toGroup = (decision: Decision, addressees: ReadonlyArray<Addressee>, { sealedKeys }: SendFrame): Resolved => {
  const { state } = decision
  const keys = sealedKeys && new Map<PublicKey, Base64>(sealedKeys.map(({ key, pubkey }) => [pubkey, key]))
  const recipients: Array<Recipient> = []
  const unsealed = new Set<PublicKey>()
  const full: Array<PublicKey> = []
  const unrecorded: Array<Attachment> = []
  for (const addressee of addressees) {
    const inbox = inboxAt(state, addressee)
    if (inbox === undefined) continue
    const { address, member } = inbox
    const sealedKey = keys?.get(member.key)
    if (keys !== undefined && (sealedKey === undefined || speaksV1(inbox))) unsealed.add(member.key)
    else if (isFull(decision, inbox)) full.push(member.key)
    else {
      recipients.push({ inbox: address, sealedKey })
      bringRow(unrecorded, inbox)
    }
  }
  return { recipients, unsealed: [...unsealed], full, unrecorded }
}

/** A v1 client has no way to open what is sealed to several. */
const speaksV1 = ({ member, session }: Inbox): boolean =>
  (session === undefined ? member.lastProtocol : session.connection?.protocol) === 1

const inboxAt = (state: MeshState, { key, session }: Addressee): Inbox | undefined => {
  const member: Member | undefined = state.members.get(key)
  return session === undefined ? member?.inbox : member?.sessions.get(session)?.inbox
}

/** What may have become so since the message was accepted: a resend of it is answered by the first result (I7). */
const changing: ReadonlySet<string> = new Set(["backlog_full", "unknown_target"])

const refusedUnlessKnown = (
  connection: Connection,
  { frame: { id }, messageId, peer }: Send,
  refusal: SendRefusal,
): ReadonlyArray<Action> =>
  id === undefined || !changing.has(refusal.code)
    ? refused(connection, peer, id, refusal)
    : [
        Action.ReadDeliveryReport({
          messageId,
          next: { _tag: "RefusalChecked", peer, id, messageId, refusal },
        }),
      ]

export const refusalChecked = (
  decision: Decision,
  { deliveryReport, id, messageId, peer, refusal }: Extract<Completion, { readonly _tag: "RefusalChecked" }>,
): void => {
  const { actions, state } = decision
  const connection = state.connections.get(peer)
  if (Exit.isFailure(deliveryReport)) {
    actions.push(...refused(connection, peer, id, databaseAway))
    return
  }
  const known = Option.getOrUndefined(deliveryReport.value)
  if (known === undefined || known.senderMemberId !== connection?.session.member.record.memberId) {
    actions.push(...refused(connection, peer, id, refusal))
    return
  }
  actions.push(...ack(state, { id, messageId, peer, unsealed: [] }, statesOf(state, known), true))
  lookFor(decision, known)
}

const databaseAway: SendRefusal = {
  code: "unavailable",
  message: "the broker cannot store it now; send it again",
}

const refused = (
  connection: Connection | undefined,
  peer: PeerId,
  id: string | undefined,
  { code, message }: SendRefusal,
): ReadonlyArray<Action> => [
  Action.Send({ peer, frame: errorFrame(connection?.protocol ?? 2, code, message, id) }),
  Action.Settle({ peer }),
]

/** The commit's outcome is known: this is where a message is acked, whatever became of its sender meanwhile. */
export const accepted = (decision: Decision, completion: Accepted): void => {
  const { actions, state } = decision
  const { message, outcome, resolved } = completion
  state.committedSeq = message.seq
  state.membersById.get(message.senderMemberId)?.allowance.holdCharacters(-charactersOf(message, resolved))
  const askers = askersOf(state, completion)
  if (Exit.isFailure(outcome)) return notAccepted(decision, completion, askers, outcome.cause)
  const written = outcome.value
  if (written._tag === "Duplicate") return duplicate(decision, completion, askers, written)
  for (const attachment of resolved.unrecorded) wasRecorded(decision, attachment)
  const pushes: Array<Action> = []
  const delivering = { ...decision, actions: pushes }
  const states: Array<RecipientStates> = []
  for (const recipient of resolved.recipients) {
    const inbox = inboxOf(state, recipient.inbox)
    if (inbox === undefined) continue
    const waiting = { message, sealedKey: recipient.sealedKey, leased: false } as const
    states.push({ pubkey: inbox.member.key, state: deliverCommitted(delivering, inbox, waiting) })
  }
  for (const pubkey of resolved.full) states.push({ pubkey, state: "full" })
  for (const [index, asker] of askers.entries()) actions.push(...ack(state, asker, states, index > 0))
  for (const push of pushes) actions.push(push)
}

/** Its row came with a message. Where it has gone meanwhile, the row does not say so. */
const wasRecorded = ({ actions, state }: Decision, { memberId, session }: Attachment): void => {
  const found = state.membersById.get(memberId)?.sessions.get(session)
  if (found === undefined || found.isRecorded) return
  found.isRecorded = true
  if (found.connection !== undefined) return
  const { meshId } = state.mesh
  const write = { _tag: "SessionDetached", meshId, memberId, session, atMillis: found.seenAtMillis } as const
  actions.push({ _tag: "Write", write, next: undefined })
}

interface RecipientStates {
  readonly pubkey: PublicKey
  readonly state: RecipientState
}

interface Answering {
  readonly id: string
  readonly messageId: MessageId
  readonly peer: PeerId
  readonly unsealed: ReadonlyArray<PublicKey>
}

/** Who sent it first, and who sent it again until now. */
const askersOf = (
  state: MeshState,
  { id, message: { messageId, seq }, peer, resolved: { unsealed } }: Accepted,
): ReadonlyArray<Answering> => {
  const known = state.beingAccepted.get(messageId)
  const askers: Array<Answering> = [{ id, peer, messageId, unsealed }]
  if (known?.seq !== seq) return askers
  state.beingAccepted.delete(messageId)
  for (const resend of known.resends) askers.push({ ...resend, messageId, unsealed })
  return askers
}

const ack = (
  state: MeshState,
  { id, messageId, peer, unsealed }: Answering,
  recipients: ReadonlyArray<RecipientStates>,
  isDuplicate: boolean,
): ReadonlyArray<Action> => {
  const frame: Ack =
    state.connections.get(peer)?.protocol === 1
      ? { type: "ack", id, messageId, queued: true }
      : { type: "ack", id, messageId, queued: true, duplicate: isDuplicate, recipients, unsealed }
  return [
    { _tag: "Send", peer, frame },
    { _tag: "Settle", peer },
  ]
}

/** The same message again: the first result. Another message under a used id: a conflict. */
const duplicate = (
  decision: Decision,
  { message }: Accepted,
  askers: ReadonlyArray<Answering>,
  { contentHash, deliveryReport }: Extract<Written, { readonly _tag: "Duplicate" }>,
): void => {
  const { actions, state } = decision
  if (contentHash !== message.contentHash) {
    refuseAll(decision, askers, { code: "id_conflict", message: "this id was used for another message" })
    return
  }
  const states = statesOf(state, deliveryReport)
  actions.push(...askers.flatMap((asker) => ack(state, asker, states, true)))
  lookFor(decision, deliveryReport)
}

const refuseAll = (decision: Decision, askers: ReadonlyArray<Answering>, refusal: SendRefusal): void => {
  const { actions, state } = decision
  for (const { id, peer } of askers) actions.push(...refused(state.connections.get(peer), peer, id, refusal))
}

/** Of a message that was accepted before. */
const statesOf = (state: MeshState, { deliveries }: DeliveryReport): ReadonlyArray<RecipientStates> =>
  deliveries.flatMap(({ consumedAtMillis, inbox: { memberId } }) => {
    const member = state.membersById.get(memberId)
    return member === undefined
      ? []
      : [{ pubkey: member.key, state: consumedAtMillis === undefined ? ("queued" as const) : ("delivered" as const) }]
  })

const notAccepted = (
  decision: Decision,
  { message, resolved }: Accepted,
  askers: ReadonlyArray<Answering>,
  cause: Cause.Cause<StoreError>,
): void => {
  const { state } = decision
  const reason = reasonOf(cause)
  // The mesh ends: whoever waits hears it from the end of the connection.
  if (reason === "fenced") return
  const refusal =
    reason === "unavailable"
      ? databaseAway
      : ({ code: "internal", message: "the broker failed to store this; send it again" } as const)
  refuseAll(decision, askers, refusal)
  // The error may have come after the commit took effect: then the message waits, and its inboxes look.
  for (const recipient of resolved.recipients) {
    const inbox = inboxOf(state, recipient.inbox)
    if (inbox !== undefined) mayWait(decision, inbox, message.priority)
  }
}
