/**
 * A session comes and goes. One owner for each (mesh, session): a newer proven connection replaces the older
 * one and never stands beside it (I2, I3). Becoming attached and queueing `hello_ack` are one step, and nothing
 * is pushed before the attachment is committed, so `hello_ack` precedes every push (I1).
 */
import { helloSkewMillis, inFlightMax } from "@claudemesh/domain/Limits"
import { isoFromMillis } from "@claudemesh/domain/IsoTime"
import { type Hello, isHelloV2 } from "@claudemesh/domain/wire/ClientFrame"
import type { BrokerFrame } from "@claudemesh/domain/wire/BrokerFrame"
import { CloseCode } from "@claudemesh/domain/wire/CloseCode"
import type { HelloRefusal } from "../connection/HelloProof.ts"
import { Write } from "../store/MessageStore.ts"
import { pump, reclaim, settlePull } from "./Deliver.ts"
import { detached, dropLease, endLease, lease, moveToMember } from "./Lease.ts"
import { type Command, type Completion, Completion as Completions, Effects } from "./MeshCommand.ts"
import { type Connection, inboxesOf, type Member, type MeshState, Session } from "./MeshState.ts"

type Attach = Extract<Command, { readonly _tag: "Attach" }>

export const attach = (state: MeshState, command: Attach, nowMillis: number, effects: Array<Effects>): void => {
  const { peer, proof, reply } = command
  const { hello } = proof
  const member = state.members.get(hello.pubkey)
  const refusal = refusalOf(state, member, hello, nowMillis)
  if (member === undefined || refusal !== undefined) {
    const outcome = { _tag: "Refused", refusal: refusal ?? unauthorized } as const
    effects.push(Effects.Reply({ reply, outcome }))
    return
  }
  forgetOldSessions(state, member, nowMillis)
  const known = member.sessions.get(hello.sessionId)
  const session = known ?? newSession(state, member, hello, nowMillis)
  const older = session.connection
  // A hello that was long in coming here: its client has given it up and come back since.
  if (older !== undefined && older.peer.number > peer.number) {
    const outcome = { _tag: "Refused", refusal: overtaken } as const
    effects.push(Effects.Close({ peer, reason: CloseCode.replaced }), Effects.Reply({ reply, outcome }))
    return
  }
  if (older !== undefined) {
    effects.push(Effects.Close({ peer: older.peer, reason: CloseCode.replaced }))
    drop(state, older, nowMillis, effects)
  }
  const connection = connect(state, session, command, known === undefined, nowMillis)
  effects.push(
    Effects.Send({ peer, frame: helloAck(state, connection, known !== undefined, nowMillis) }),
    Effects.Reply({ reply, outcome: { _tag: "Attached" } }),
  )
  if (connection.transient) return
  effects.push(
    Effects.Write({
      write: Write.SessionAttached({
        meshId: state.mesh.meshId,
        memberId: member.record.memberId,
        session: session.sessionId,
        protocol: proof.protocol,
        atMillis: nowMillis,
      }),
      completion: () => Completions.SessionRecorded({ peer }),
    }),
  )
}

const unauthorized: HelloRefusal = { code: "unauthorized", message: "no such member in this mesh" }

const overtaken: HelloRefusal = { code: "capacity", message: "a newer connection of this session is attached" }

const refusalOf = (
  state: MeshState,
  member: Member | undefined,
  hello: Hello,
  nowMillis: number,
): HelloRefusal | undefined => {
  if (state.register.isRevoked(hello.pubkey)) return { code: "revoked", message: "this member was revoked" }
  if (member === undefined || member.record.memberId !== hello.memberId) return unauthorized
  if (!member.sessions.has(hello.sessionId) && state.sessionCount >= state.rules.limits.sessionsPerMeshMax) {
    return { code: "capacity", message: "this mesh remembers no more sessions" }
  }
  return isHelloV2(hello) ? undefined : replayRefusal(state, hello, nowMillis)
}

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

const newSession = (state: MeshState, member: Member, hello: Hello, nowMillis: number): Session => {
  const session = new Session(member, hello.sessionId, 0, nowMillis)
  member.sessions.set(hello.sessionId, session)
  state.sessionCount += 1
  return session
}

/** Those whose rows are retired: see `sessionRetentionMillis`. */
const forgetOldSessions = (state: MeshState, member: Member, nowMillis: number): void => {
  for (const session of member.sessions.values()) {
    const old = session.seenAtMillis <= nowMillis - state.rules.limits.sessionRetentionMillis
    if (old && session.connection === undefined && !session.live) forget(state, session)
  }
}

const connect = (
  state: MeshState,
  session: Session,
  { peer, presenceId, proof }: Attach,
  isNew: boolean,
  nowMillis: number,
) => {
  const { hello, protocol } = proof
  const windowMax = isHelloV2(hello) ? (hello.maxInFlight ?? inFlightMax) : state.rules.limits.pageRowsMax
  const transient = isNew && windowMax === 0
  const connection: Connection = {
    peer,
    session,
    protocol,
    presenceId,
    windowMax,
    transient,
    inFlight: new Map(),
    inFlightCharacters: 0,
    ready: transient,
    lastActiveMillis: nowMillis,
    pull: undefined,
  }
  session.connection = connection
  // A connection that takes no messages does not end the wait for one that does.
  if (windowMax > 0) dropLease(state, session)
  if (isHelloV2(hello)) {
    session.displayName = hello.displayName ?? session.member.record.displayName
    session.tags = new Set(hello.tags ?? [])
  }
  session.member.connections.add(connection)
  session.member.lastProtocol = protocol
  state.connections.set(peer, connection)
  return connection
}

const helloAck = (state: MeshState, connection: Connection, resumed: boolean, nowMillis: number): BrokerFrame => {
  const { presenceId, protocol, session, windowMax } = connection
  const v1 = { type: "hello_ack", presenceId, memberDisplayName: session.member.record.displayName } as const
  if (protocol === 1) return v1
  return {
    ...v1,
    protocol: 2,
    sessionId: session.sessionId,
    resumed,
    brokerTime: isoFromMillis(nowMillis),
    limits: { maxMessageBytes: state.rules.messageBytesMax, maxInFlight: windowMax },
  }
}

export const sessionRecorded = (
  state: MeshState,
  { peer }: Extract<Completion, { readonly _tag: "SessionRecorded" }>,
  nowMillis: number,
  effects: Array<Effects>,
): void => {
  const connection = state.connections.get(peer)
  if (connection === undefined) return
  connection.ready = true
  for (const inbox of inboxesOf(connection)) pump(state, inbox, nowMillis, effects)
  settlePull(connection, effects)
}

/** Takes the connection out: what it had not acked is pending, and other sessions of the member may have it. */
export const drop = (state: MeshState, connection: Connection, nowMillis: number, effects: Array<Effects>): void => {
  const { session } = connection
  state.connections.delete(connection.peer)
  session.member.connections.delete(connection)
  session.connection = undefined
  connection.pull = undefined
  reclaim(connection)
  pump(state, session.member.inbox, nowMillis, effects)
}

export const detach = (
  state: MeshState,
  { peer, saidGoodbye }: Extract<Command, { readonly _tag: "Detach" }>,
  nowMillis: number,
  effects: Array<Effects>,
): void => {
  const connection = state.connections.get(peer)
  if (connection === undefined) return
  const { session } = connection
  drop(state, connection, nowMillis, effects)
  session.seenAtMillis = nowMillis
  if (!connection.transient) effects.push(detached(state, session, nowMillis))
  if (connection.protocol === 2 && connection.windowMax > 0) {
    if (saidGoodbye) endLease(state, session, effects)
    else lease(state, session, nowMillis)
  }
  if (connection.transient || connection.protocol === 1) forget(state, session)
  // A v1 session has a new id at every connect: what waits for one that has gone waits for its member.
  if (connection.protocol === 1) {
    effects.push(moveToMember(state, session.member.record.memberId, session.sessionId, "all"))
  }
  for (const other of session.member.connections) settlePull(other, effects)
}

const forget = (state: MeshState, session: Session): void => {
  session.member.sessions.delete(session.sessionId)
  if (session.channels.size > 0) session.member.channelsChanged()
  state.sessionCount -= 1
}
