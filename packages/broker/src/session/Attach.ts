/**
 * A session comes and goes. One owner for each (mesh, session): a newer proven connection replaces the older
 * one and never stands beside it (I2, I3). Becoming attached and queueing `hello_ack` are one step, and nothing
 * is pushed before the attachment is committed, so `hello_ack` precedes every push (I1).
 */
import { helloSkewMillis, inFlightMax } from "@claudemesh/domain/Limits"
import { isoFromMillis } from "@claudemesh/domain/IsoTime"
import { type Hello, type HelloV2, isHelloV2 } from "@claudemesh/domain/wire/ClientFrame"
import type { BrokerFrame } from "@claudemesh/domain/wire/BrokerFrame"
import { CloseCode } from "@claudemesh/domain/wire/CloseCode"
import { Exit } from "effect"
import type { HelloRefusal } from "../trust/HelloProof.ts"
import { Write } from "../store/MessageStore.ts"
import { pump, reclaim } from "../delivery/Deliver.ts"
import { keepStatus, restoreStatus } from "../presence/FirstClientStatus.ts"
import type { Decision } from "../state/Decision.ts"
import { Action, Answer, type Attached, type Command, type Completion } from "../state/MeshCommand.ts"
import { Window } from "../state/Inbox.ts"
import { type Connection, inboxesOf, type Member, type MeshState, noLabels, type Session } from "../state/MeshState.ts"
import { moveToMember } from "../delivery/InboxMove.ts"
import { recall } from "../delivery/Recall.ts"
import { settlePull } from "../delivery/Remaining.ts"
import { touch, watchStatus } from "../presence/Roster.ts"
import { detached, dropSessionLease, endSessionLease, expectBack, left } from "./SessionLease.ts"
import { takeEarlyReports } from "../presence/StatusReports.ts"
import { forget, forgetOldSessions, makeRoom, newSession, placeRefusal } from "./Sessions.ts"

type Attach = Extract<Command, { readonly _tag: "Attach" }>

export const attach = (decision: Decision, command: Attach): void => {
  const { actions, nowMillis, state } = decision
  const { peer, proof, replyTo } = command
  const { hello } = proof
  const replyWith = (outcome: Attached) => Action.Reply({ to: replyTo, answer: Answer.Attach({ outcome }) })
  const member = state.members.get(hello.pubkey)
  const refusal = refusalOf(decision, member, hello)
  if (member === undefined || refusal !== undefined) {
    const outcome = { _tag: "Refused", refusal: refusal ?? unauthorized } as const
    actions.push(replyWith(outcome))
    return
  }
  forgetOldSessions(decision, member)
  const known = member.sessions.get(hello.sessionId)
  // A connection of the same command takes the place of one whose end the broker has not heard of.
  const transient = isTransient(hello) && (known === undefined || known.connection?.transient === true)
  if (known === undefined && !transient) makeRoom(decision, member)
  const session = known ?? newSession(state, member, hello.sessionId, nowMillis)
  const older = session.connection
  // A hello that was long in coming here: its client has given it up and come back since.
  if (older !== undefined && older.peer > peer) {
    const outcome = { _tag: "Refused", refusal: overtaken } as const
    actions.push(Action.Close({ peer, reason: CloseCode.replaced }), replyWith(outcome))
    return
  }
  if (older !== undefined) {
    actions.push(Action.Close({ peer: older.peer, reason: CloseCode.replaced }))
    drop(decision, older)
  }
  const connection = connect(state, session, command, transient, nowMillis)
  actions.push(
    Action.Send({ peer, frame: helloAck(state, connection, command, known !== undefined, nowMillis) }),
    replyWith({ _tag: "Attached" }),
  )
  if (connection.transient) return
  const { meshId } = state.mesh
  const { memberId } = member.record
  const { sessionId } = session
  actions.push(
    Action.Write({
      write: Write.SessionAttached({
        meshId,
        memberId,
        session: sessionId,
        protocol: proof.protocol,
        atMillis: nowMillis,
      }),
      next: { _tag: "SessionRecorded", peer, memberId, session: sessionId },
    }),
  )
}

const unauthorized: HelloRefusal = { code: "unauthorized", message: "no such member in this mesh" }

const overtaken: HelloRefusal = { code: "capacity", message: "a newer connection of this session is attached" }

const inUse: HelloRefusal = {
  code: "session_in_use",
  message: "another process is attached under this session id; come back with another one",
}

const notForFirstClients: HelloRefusal = {
  code: "unsupported",
  message:
    "this member's certificate does not allow clients of protocol 1, so others seal what such a client cannot read; use the claudemesh command, or join again as a member that may",
}

const refusalOf = (decision: Decision, member: Member | undefined, hello: Hello): HelloRefusal | undefined => {
  const { nowMillis, state } = decision
  if (state.register.isRevoked(hello.pubkey)) return { code: "revoked", message: "this member was revoked" }
  if (member === undefined || member.record.memberId !== hello.memberId) return unauthorized
  const known = member.sessions.get(hello.sessionId)
  if (known === undefined) {
    const refusal = placeRefusal(state, member)
    if (refusal !== undefined) return refusal
  }
  if (isHelloV2(hello)) return isOthers(decision, known, hello) ? inUse : undefined
  if (member.record.certificate?.allowV1 === false) return notForFirstClients
  return replayRefusal(state, hello, nowMillis)
}

/** Two processes were given one session id, and the first one lives: it is no reconnect. */
const isOthers = (
  { nowMillis, sockets, state }: Decision,
  session: Session | undefined,
  { instance }: HelloV2,
): boolean => {
  const holder = session?.connection
  if (holder?.instance === undefined || instance === undefined || holder.instance === instance) return false
  return nowMillis - sockets.heardAtMillis(holder.peer) < state.rules.limits.instanceSilentMillis
}

/** Of a session that is not remembered. */
const isTransient = (hello: Hello): boolean => isHelloV2(hello) && (hello.maxInFlight === 0 || hello.transient === true)

/**
 * A v1 hello is good for as long as its timestamp is, so one that was used is remembered until then. Only
 * members get this far: nobody else can fill the memory.
 */
const replayRefusal = (
  state: MeshState,
  hello: Exclude<Hello, { readonly protocol: 2 }>,
  nowMillis: number,
): HelloRefusal | undefined => {
  for (const [signature, untilMillis] of state.seenHellos) {
    if (untilMillis > nowMillis) break
    state.seenHellos.delete(signature)
  }
  if (state.seenHellos.has(hello.signature)) {
    return { code: "replayed", message: "this hello was used before; make a new one" }
  }
  // Both ends of the window: the timestamp may be that much ahead of the clock, and is good for that long after.
  state.seenHellos.set(hello.signature, nowMillis + 2 * helloSkewMillis)
  return undefined
}

const connect = (
  state: MeshState,
  session: Session,
  { peer, presenceId, proof }: Attach,
  transient: boolean,
  nowMillis: number,
) => {
  const { hello, protocol } = proof
  const windowMax = isHelloV2(hello) ? (hello.maxInFlight ?? inFlightMax) : state.rules.limits.windowV1Max
  const connection: Connection = {
    peer,
    session,
    protocol,
    presenceId,
    window: new Window(windowMax),
    transient,
    instance: isHelloV2(hello) ? hello.instance : undefined,
    ready: transient,
    lastActiveMillis: nowMillis,
    pull: undefined,
    wantsPresence: isHelloV2(hello) && hello.presence === true,
    subscription: undefined,
  }
  session.connection = connection
  // A connection that takes no messages does not end the wait for one that does.
  if (windowMax > 0) dropSessionLease(state, session)
  if (!isHelloV2(hello)) restoreStatus(session, hello, nowMillis)
  else {
    session.displayName = hello.displayName ?? session.member.record.displayName
    session.tags = hello.tags === undefined ? noLabels : new Set(hello.tags)
  }
  takeEarlyReports(state, session, nowMillis)
  watchStatus(state, session, nowMillis)
  touch(state, session)
  session.member.connections.add(connection)
  session.member.lastProtocol = protocol
  state.connections.set(peer, connection)
  return connection
}

const helloAck = (
  state: MeshState,
  connection: Connection,
  { audit }: Pick<Attach, "audit">,
  resumed: boolean,
  nowMillis: number,
): BrokerFrame => {
  const { presenceId, protocol, session, window } = connection
  const v1 = { type: "hello_ack", presenceId, memberDisplayName: session.member.record.displayName } as const
  if (protocol === 1) return v1
  return {
    ...v1,
    protocol: 2,
    sessionId: session.sessionId,
    resumed,
    brokerTime: isoFromMillis(nowMillis),
    limits: { maxMessageBytes: state.rules.messageBytesMax, maxInFlight: window.max },
    ...(state.moved && { moved: state.moved }),
    ...(audit && { audit }),
  }
}

export const sessionRecorded = (
  decision: Decision,
  { memberId, outcome, peer, session: sessionId }: Extract<Completion, { readonly _tag: "SessionRecorded" }>,
): void => {
  const { actions, state } = decision
  const session = state.membersById.get(memberId)?.sessions.get(sessionId)
  if (session !== undefined && Exit.isSuccess(outcome)) session.isRecorded = true
  const connection = state.connections.get(peer)
  if (connection === undefined) return
  // Nothing is pushed to a session that is not written down; its client comes back, ever more seldom.
  if (Exit.isFailure(outcome)) {
    actions.push(Action.Close({ peer, reason: CloseCode.goingAway }))
    return detach(decision, { peer, saidGoodbye: false })
  }
  connection.ready = true
  const left = recall(decision, connection)
  for (const inbox of inboxesOf(connection)) inbox.readSoon()
  for (const inbox of [connection, ...left].flatMap(inboxesOf)) pump(decision, inbox)
  settlePull(decision, connection)
}

/** Takes the connection out: what it had not acked is pending, and other sessions of the member may have it. */
export const drop = (decision: Decision, connection: Connection): void => {
  const { state } = decision
  const { session } = connection
  state.connections.delete(connection.peer)
  session.member.connections.delete(connection)
  session.connection = undefined
  connection.pull = undefined
  touch(state, session)
  reclaim(decision, connection)
  pump(decision, session.member.inbox)
}

export const detach = (
  decision: Decision,
  { peer, saidGoodbye }: Omit<Extract<Command, { readonly _tag: "Detach" }>, "_tag">,
): void => {
  const { actions, nowMillis, state } = decision
  const connection = state.connections.get(peer)
  if (connection === undefined) return
  const { session } = connection
  drop(decision, connection)
  session.seenAtMillis = nowMillis
  if (!connection.transient)
    actions.push(saidGoodbye ? left(state, session, nowMillis) : detached(state, session, nowMillis))
  if (connection.protocol === 1) keepStatus(state, session, nowMillis)
  else if (connection.window.max > 0 && !connection.transient) {
    if (saidGoodbye) endSessionLease(decision, session)
    else expectBack(state, session, nowMillis)
  }
  if (connection.transient || connection.protocol === 1) forget(state, session)
  // A v1 session has a new id at every connect: what waits for one that has gone waits for its member.
  if (connection.protocol === 1) {
    actions.push(moveToMember(state, session.member.record.memberId, session.sessionId, "all"))
  }
  for (const other of session.member.connections) settlePull(decision, other)
}
