/**
 * When a waiting message goes out, and to which connection: inboxes, gates, windows. Everything that can make a
 * message deliverable (a commit, an ack, a status, an attachment, a lost connection) ends in `pump` of the
 * inboxes it touches, so nobody has to remember to drain (I8, I9, I14).
 *
 * Here a consumer is chosen for what the inbox has next. Where an inbox stands, and what is unacked of it, it knows itself
 * (`state/Inbox.ts`). Caught up, a committed message goes out from memory. Behind, pages are read from the store in
 * sequence order until one comes back short. So memory holds windows, never backlogs.
 */
import type { MessageId, SessionId } from "@claudemesh/domain/Ids"
import { isoFromMillis } from "@claudemesh/domain/IsoTime"
import { gateAdmits, isAlwaysAdmitted, type Priority, statusAt } from "@claudemesh/domain/routing/Status"
import type { Push, RecipientState } from "@claudemesh/domain/wire/BrokerFrame"
import { Exit, type Types } from "effect"
import { reasonOf, type StoreError, type StoredMessage, type WaitingMessage, Write } from "../store/MessageStore.ts"
import type { Decision } from "../state/Decision.ts"
import { Inbox, type Unacked } from "../state/Inbox.ts"
import { type AckedMessage, type Completion, Action, priorities, type Unwritten } from "../state/MeshCommand.ts"
import { type Connection, inboxesOf, inboxOf, type MeshState, wakeBy } from "../state/MeshState.ts"
import type { PeerId } from "../state/PeerId.ts"
import { leasesLost } from "./MessageLease.ts"
import { settlePull } from "./Remaining.ts"
import { tryLater } from "./Unwritten.ts"

/** Of a mesh whose inboxes cannot be read the log says so once in so long. */
const warnAgainMillis = 60_000

const gateOpen = (state: MeshState, connection: Connection, priority: Priority, nowMillis: number): boolean => {
  if (isAlwaysAdmitted(priority) || (connection.pull !== undefined && connection.pull.budget > 0)) return true
  const { status } = statusAt(connection.session.reports, nowMillis, state.rules)
  // A v1 client cannot pull, so an idle one gets `low` as it comes.
  return gateAdmits(status, priority) || (connection.protocol === 1 && priority === "low" && status === "idle")
}

/** The connections that take from the inbox, whatever their gates and windows say now. */
const takers = ({ member, session }: Inbox): ReadonlyArray<Connection> => {
  if (session === undefined) return [...member.connections].filter(takes)
  const { connection } = session
  return connection !== undefined && takes(connection) ? [connection] : []
}

const takes = ({ ready, window }: Connection): boolean => ready && window.max > 0

const candidates = (state: MeshState, inbox: Inbox, priority: Priority, nowMillis: number): ReadonlyArray<Connection> =>
  takers(inbox).filter((connection) => gateOpen(state, connection, priority, nowMillis))

/** A v1 client cannot open what is sealed to several. */
const canOpen = ({ protocol }: Connection): boolean => protocol === 2

const hasRoom =
  (priority: Priority) =>
  ({ window }: Connection): boolean =>
    window.room(priority) > 0

/**
 * Exactly one session takes a member's message: rather another than the sender's, then one that asks for it, then the
 * most recently active. `"closed"`: those who may have it now cannot open it, and get what comes after it.
 */
const choose = (
  state: MeshState,
  inbox: Inbox,
  waiting: WaitingMessage,
  nowMillis: number,
): Connection | "closed" | undefined => {
  const { member, session } = inbox
  if (session !== undefined) return chosenOnly(state, session.connection, waiting, nowMillis)
  if (member.connections.size > 1) return chooseOfMember(state, inbox, waiting, nowMillis)
  const [only] = member.connections
  return chosenOnly(state, only, waiting, nowMillis)
}

/** Where there is one connection at most, nobody has to be preferred. */
const chosenOnly = (
  state: MeshState,
  connection: Connection | undefined,
  { message: { ciphertext, priority }, sealedKey }: WaitingMessage,
  nowMillis: number,
): Connection | "closed" | undefined => {
  if (connection === undefined || !takes(connection) || connection.window.room(priority) === 0) return undefined
  if (!gateOpen(state, connection, priority, nowMillis)) return undefined
  if (sealedKey !== undefined && !canOpen(connection)) return "closed"
  return connection.window.fits(priority, ciphertext.length) ? connection : undefined
}

const chooseOfMember = (
  state: MeshState,
  inbox: Inbox,
  { message, sealedKey }: WaitingMessage,
  nowMillis: number,
): Connection | "closed" | undefined => {
  const open = candidates(state, inbox, message.priority, nowMillis).filter(hasRoom(message.priority))
  const able = sealedKey === undefined ? open : open.filter(canOpen)
  if (open.length > 0 && able.length === 0) return "closed"
  const [only] = able
  // Most often nobody has to be preferred.
  if (able.length < 2) return only?.window.fits(message.priority, message.ciphertext.length) === true ? only : undefined
  const sentBy = senderIn(inbox, message)
  const isSender = ({ session }: Connection) => session.sessionId === sentBy
  const asks = ({ pull }: Connection) => pull !== undefined && pull.budget > 0
  return able
    .filter(({ window }) => window.fits(message.priority, message.ciphertext.length))
    .sort(
      (left, right) =>
        Number(isSender(left)) - Number(isSender(right)) ||
        Number(asks(right)) - Number(asks(left)) ||
        right.lastActiveMillis - left.lastActiveMillis,
    )[0]
}

/** The session that sent the message, if it is one of the recipient's own. */
const senderIn = ({ member }: Inbox, { senderMemberId, senderSession }: StoredMessage): SessionId | undefined =>
  senderMemberId === member.record.memberId ? senderSession : undefined

/** A message that was just committed: it goes out at once, or its inbox is behind. */
export const deliverCommitted = (decision: Decision, inbox: Inbox, waiting: WaitingMessage): RecipientState => {
  const { nowMillis, state } = decision
  const { ciphertext, expiresAtMillis, priority, seq } = waiting.message
  switch (inbox.committed(priority, seq, ciphertext.length)) {
    case "known":
      return "delivered"
    case "behind":
      break
    case "next": {
      if (expiresAtMillis <= nowMillis) {
        // Its commit took longer than it was good for. Nothing waits, and nothing that comes is to wait for it.
        inbox.skip(priority, seq)
        return "queued"
      }
      const chosen = choose(state, inbox, waiting, nowMillis)
      if (chosen === "closed") {
        inbox.passOver(priority, seq)
        return "queued"
      }
      if (chosen !== undefined) {
        push(decision, chosen, inbox, waiting)
        return "delivered"
      }
    }
  }
  inbox.fallBehind(priority)
  const admitted = candidates(state, inbox, priority, nowMillis).length > 0
  return takers(inbox).length > 0 && !admitted && priority === "next" ? "held" : "queued"
}

/** A commit whose outcome is not known: the message may be there, so its inbox looks. */
export const mayWait = (decision: Decision, inbox: Inbox, priority: Priority): void => {
  inbox.fallBehind(priority)
  pump(decision, inbox)
}

/** Reads on where something waits and somebody may have it. */
export const pump = (decision: Decision, inbox: Inbox): void => {
  const { actions, nowMillis, state } = decision
  for (const priority of priorities) {
    // Most often nothing waits, and nobody has to be looked for.
    if (!inbox.wantsPage(priority, true)) continue
    const open = candidates(state, inbox, priority, nowMillis).filter(hasRoom(priority))
    const isAble = open.some(canOpen)
    if (open.length === 0 || !inbox.wantsPage(priority, isAble)) continue
    const notBeforeMillis = inbox.notBeforeMillis(priority)
    if (notBeforeMillis > nowMillis) {
      if (Number.isFinite(notBeforeMillis)) wakeBy(state, notBeforeMillis)
      continue
    }
    const places = open.reduce((sum, { window }) => sum + window.room(priority), 0)
    if (places < lowWaterOf(priority, open, state.rules.limits.pageRowsMin)) continue
    // What the windows have no room for would be read again.
    const rows = inbox.rowsOf(open.reduce((sum, { window }) => sum + window.charactersLeft(priority), 0))
    actions.push(
      Action.ReadPage({
        request: {
          meshId: state.mesh.meshId,
          inbox: inbox.address,
          priority,
          afterSeq: inbox.beginPage(priority, isAble),
          limit: Math.min(places, rows, state.rules.limits.pageRowsMax),
          nowMillis,
        },
      }),
    )
  }
}

/**
 * So many places are waited for before a page is read: else each ack of who reads a long backlog is a page of one row. One, for what is urgent, which
 * nothing else that is unacked holds up; and where a connection has less than half of its window unacked, or a small one, or asks: whoever has
 * room waits for no other to ack.
 */
const lowWaterOf = (priority: Priority, open: ReadonlyArray<Connection>, pageRowsMin: number): number => {
  const waitsForNobody = ({ pull, window }: Connection) =>
    pull !== undefined || window.size * 2 < window.max || window.max < pageRowsMin * 2
  return priority === "now" || open.some(waitsForNobody) ? 1 : pageRowsMin
}

export const pageRead = (
  decision: Decision,
  { request, rows }: Extract<Completion, { readonly _tag: "PageRead" }>,
): void => {
  const { state } = decision
  const { limit, priority } = request
  const inbox = inboxOf(state, request.inbox)
  if (inbox === undefined) return
  if (Exit.isFailure(rows)) return pageNotRead(decision, inbox, priority, reasonOf(rows.cause))
  const isUseful = inbox.endPage(priority)
  const all = !isUseful || pushPage(decision, inbox, rows.value)
  if (isUseful && all && rows.value.length < limit) inbox.pageWasLast(priority)
  // A row that found no connection waits for what opens gate or window again, which pumps.
  if (all) pump(decision, inbox)
  for (const connection of inbox.member.connections) settlePull(decision, connection)
}

/** The pull of whoever waits for it is answered after a second try. */
const pageNotRead = (decision: Decision, inbox: Inbox, priority: Priority, reason: StoreError["reason"]): void => {
  const { actions, nowMillis, state } = decision
  const failures = inbox.pageFailed(priority, reason !== "unavailable", nowMillis)
  const isGivenUp = inbox.notBeforeMillis(priority) === Number.POSITIVE_INFINITY
  if (isGivenUp || nowMillis - state.pagesWarnedAtMillis >= warnAgainMillis) {
    state.pagesWarnedAtMillis = nowMillis
    const { memberId, session } = inbox.address
    const about = { memberId, ...(session !== undefined && { session }), priority, failures, reason }
    actions.push(
      isGivenUp
        ? Action.Log({
            level: "error",
            message: "an inbox cannot be read and is left alone until somebody asks",
            about,
          })
        : Action.Log({ level: "warning", message: "an inbox could not be read and is read again", about }),
    )
  }
  if (!isGivenUp) wakeBy(state, inbox.notBeforeMillis(priority))
  if (failures > 1) for (const connection of inbox.member.connections) settlePull(decision, connection)
}

/** Whether every row found a connection, or is passed over. */
const pushPage = (decision: Decision, inbox: Inbox, rows: ReadonlyArray<WaitingMessage>): boolean => {
  const { nowMillis, state } = decision
  for (const waiting of rows) {
    const { expiresAtMillis, priority, seq } = waiting.message
    // The page may have been long in coming.
    if (inbox.pushedAtMillis(seq) !== undefined || expiresAtMillis <= nowMillis) inbox.skip(priority, seq)
    else {
      const chosen = choose(state, inbox, waiting, nowMillis)
      if (chosen === undefined) return false
      if (chosen === "closed") inbox.passOver(priority, seq)
      else push(decision, chosen, inbox, waiting)
    }
  }
  return true
}

const push = (decision: Decision, connection: Connection, inbox: Inbox, waiting: WaitingMessage): void => {
  const { actions, nowMillis, state } = decision
  const unacked = inbox.push(connection.window, waiting, senderIn(inbox, waiting.message), nowMillis)
  if (connection.pull !== undefined) connection.pull.budget -= 1
  const { peer } = connection
  const frame = pushFrame(state, connection, waiting, unacked)
  if (connection.protocol === 2) {
    actions.push({ _tag: "Send", peer, frame })
    return
  }
  // A v1 client cannot ack: what its socket takes is consumed. Its window opens again once that is written.
  const { messageId, priority, seq } = waiting.message
  const otherwise = { _tag: "NotTaken", inbox: inbox.address, seq, priority, messageId, peer } as const
  const messages = [ackedMessage(messageId, unacked)]
  actions.push(Action.HandOver({ peer, frame, ...consumption(decision, peer, unacked, messages), otherwise }))
}

const pushFrame = (
  state: MeshState,
  connection: Connection,
  { message, sealedKey }: WaitingMessage,
  { redelivered }: Unacked,
): Push => {
  const sender = state.membersById.get(message.senderMemberId)?.record ?? state.former.get(message.senderMemberId)
  // Field by field: to copy what all pushes have in common costs more than all else of one.
  const push: Types.Mutable<Push> = {
    type: "push",
    messageId: message.messageId,
    meshId: message.meshId,
    senderPubkey: sender?.publicKey ?? state.mesh.ownerPublicKey,
    priority: message.priority,
    nonce: message.nonce,
    ciphertext: message.ciphertext,
    createdAt: isoFromMillis(message.createdAtMillis),
  }
  if (connection.protocol === 1) return push
  push.senderSessionId = message.senderSession
  if (sender !== undefined) push.senderName = sender.displayName
  push.targetSpec = message.targetSpec
  push.redelivered = redelivered
  if (sealedKey) push.sealedKey = sealedKey
  if (message.replyTo) push.replyTo = message.replyTo
  return push
}

const ackedMessage = (messageId: MessageId, { characters, inbox, seq }: Unacked): AckedMessage => ({
  seq,
  characters,
  messageId,
  pushedAtMillis: inbox.pushedAtMillis(seq),
})

/** Of messages of one inbox and priority. */
const consumption = (
  { nowMillis, state }: Decision,
  peer: PeerId,
  { inbox: { address: inbox }, priority }: Pick<Unacked, "inbox" | "priority">,
  messages: ReadonlyArray<AckedMessage>,
) => {
  const seqs = messages.map(({ seq }) => seq)
  return {
    write: { _tag: "Consume", meshId: state.mesh.meshId, inbox, seqs, priority, atMillis: nowMillis } as const,
    next: { _tag: "Consumed", inbox, priority, messages, peer } as const,
  }
}

/** The recipient has these. What this connection was not pushed says nothing: it will be, and acked again. */
export const acked = (decision: Decision, connection: Connection, messageIds: ReadonlyArray<MessageId>): void => {
  const groups: Array<Pick<Unacked, "inbox" | "priority"> & { readonly messages: Array<AckedMessage> }> = []
  for (const messageId of messageIds) {
    const unacked = Inbox.leaveWindow(connection.window, messageId)
    if (unacked === undefined) continue
    const { inbox, priority } = unacked
    const group = groups.find((one) => one.inbox === inbox && one.priority === priority)
    const message = ackedMessage(messageId, unacked)
    if (group === undefined) groups.push({ inbox, priority, messages: [message] })
    else group.messages.push(message)
  }
  // Nothing has more room than before.
  if (groups.length === 0) return
  for (const group of groups) {
    const { next, write } = consumption(decision, connection.peer, group, group.messages)
    decision.actions.push({ _tag: "Write", write, next })
  }
  for (const inbox of inboxesOf(connection)) pump(decision, inbox)
}

export const consumed = (decision: Decision, completion: Extract<Completion, { readonly _tag: "Consumed" }>): void => {
  const { inbox: address, messages, peer, priority } = completion
  if (Exit.isFailure(completion.outcome)) {
    const { outcome, ...unwritten } = completion
    // Until they are written the messages are not pushed again.
    if (tryLater(decision, unwritten, outcome.cause)) return
  }
  const { state } = decision
  inboxOf(state, address)?.consumed(priority, messages)
  const connection = state.connections.get(peer)
  if (connection === undefined || connection.protocol === 2) return
  for (const { messageId } of messages) Inbox.leaveWindow(connection.window, messageId)
  for (const served of inboxesOf(connection)) pump(decision, served)
}

export const consumeAgain = (
  { actions, nowMillis, state }: Decision,
  next: Extract<Unwritten, { readonly _tag: "Consumed" }>,
): void => {
  const { inbox, messages, priority } = next
  const seqs = messages.map(({ seq }) => seq)
  const write = Write.Consume({ meshId: state.mesh.meshId, inbox, seqs, priority, atMillis: nowMillis })
  actions.push(Action.Write({ write, next }))
}

/** It is pending again, and that client gets no more: the end of its connection is on its way here, or has been. */
export const notTaken = (
  decision: Decision,
  { inbox: address, messageId, peer, priority, seq }: Extract<Completion, { readonly _tag: "NotTaken" }>,
): void => {
  const { state } = decision
  const connection = state.connections.get(peer)
  if (connection !== undefined) {
    connection.ready = false
    Inbox.leaveWindow(connection.window, messageId)
  }
  const inbox = inboxOf(state, address)
  if (inbox === undefined) return
  inbox.notPushed(priority, seq)
  pump(decision, inbox)
}

/** A connection is lost: what it had not acked is pending again at once (I8). The caller pumps. */
export const reclaim = (decision: Decision, connection: Connection): void => {
  if (connection.protocol === 1) return
  const { window } = connection
  leasesLost(decision, window.messages)
  for (const [messageId] of window.entries) Inbox.takeBack(window, messageId)
}
