/**
 * What a mesh's actor owns, alone: members, sessions, connections, inbox cursors and windows, and the mesh's
 * sequence. It is mutable and private to the actor; `decide` changes it and nothing else may hold a reference.
 * Memory holds windows, never backlogs: of what waits in an inbox it knows only how much there is.
 */
import type {
  Label,
  MemberId,
  MessageId,
  PresenceId,
  PublicKey,
  RequestId,
  SessionId,
  Signature,
} from "@claudemesh/domain/Ids"
import type { RosterMember, RosterSession } from "@claudemesh/domain/routing/Audience"
import type { StatusReport, StatusReports, StatusRules } from "@claudemesh/domain/routing/Status"
import { effectiveStatus } from "@claudemesh/domain/routing/Status"
import type { Certificate } from "@claudemesh/domain/trust/Certificate"
import type { Invite } from "@claudemesh/domain/trust/Invite"
import type { MeshMoved } from "@claudemesh/domain/trust/MeshMoved"
import type { Revocation } from "@claudemesh/domain/trust/Revocation"
import type { HelloV1 } from "@claudemesh/domain/wire/ClientFrame"
import { ChainVerifier, type Verifier } from "@claudemesh/domain/trust/ChainVerifier"
import type { Peer } from "@claudemesh/domain/wire/BrokerFrame"
import { Result } from "effect"
import type { BrokerLimits } from "../Limits.ts"
import type {
  InboxAddress,
  InviteRecord,
  MemberRecord,
  MeshRecord,
  MeshSnapshot,
  SessionRecord,
} from "../store/MessageStore.ts"
import { Allowance } from "./Allowance.ts"
import type { Enrolment } from "./Enrolment.ts"
import { Inbox, type Window } from "./Inbox.ts"
import type { Command, CorrelationId, ReportedSession, SealedProfile } from "./MeshCommand.ts"
import type { PeerId } from "./PeerId.ts"

export interface MeshRules extends StatusRules {
  readonly limits: BrokerLimits
  readonly messageBytesMax: number
}

/** A `pull` under way: opens the gate for `budget` more messages. */
export interface PullUnderWay {
  readonly id: string
  budget: number
}

/** One live socket of one session. */
export interface Connection {
  readonly peer: PeerId
  readonly session: Session
  readonly protocol: 1 | 2
  readonly presenceId: PresenceId
  /** What it was pushed and has not acked. */
  readonly window: Window
  /** The session is there for this connection only: it is not stored, and is nobody's peer. */
  readonly transient: boolean
  /** The client process, where it says so. */
  readonly instance: RequestId | undefined
  /**
   * It may be pushed to. Not before the attachment is committed: then nothing is moved out of its inbox any more. And not
   * once its socket took no more.
   */
  ready: boolean
  lastActiveMillis: number
  pull: PullUnderWay | undefined
  /** Its hello asked to be told of changes of the roster. */
  readonly wantsPresence: boolean
  /** It has been given the list that they are changes of. */
  subscription: Subscription | undefined
}

export interface LeftStatus {
  readonly reports: StatusReports
  readonly untilMillis: number
}

/** Most sessions have none, so all of those have the same. */
export const noLabels: ReadonlySet<Label> = new Set()
const noReports: StatusReports = {}

export class Session implements RosterSession {
  readonly inbox: Inbox
  connection: Connection | undefined
  reports: StatusReports = noReports
  profile: SealedProfile | undefined
  /** When the others were told of it last. */
  profileToldMillis: number | undefined
  displayName: MemberRecord["displayName"]
  readonly channels = new Set<Label>()
  /** Of channels that it joins or leaves now: whether it is stored as in them, and how many words on it are under way. */
  readonly channelsUnderWay = new Map<Label, { isStored: boolean; words: number }>()
  /** Set while it is away and expected back. */
  liveUntilMillis: number | undefined
  tags: ReadonlySet<Label> = noLabels
  /** Of a first client: what its next session will have in common with this one. */
  process: string | undefined
  /** And what its hooks name it by. */
  workplace: Pick<HelloV1, "cwd" | "pid"> | undefined

  constructor(
    readonly member: Member,
    readonly sessionId: SessionId,
    /** When it was last seen. */
    public seenAtMillis: number,
    /** Its row is stored. Until then, what is accepted for it brings the row along: else the next owner would not know whose that is. */
    public isRecorded: boolean,
  ) {
    this.displayName = member.record.displayName
    this.inbox = new Inbox({ memberId: member.record.memberId, session: sessionId }, member, this)
  }

  /** A session that takes no messages, or is there for one command, is in no audience. */
  get attached(): boolean {
    return this.connection !== undefined && this.connection.window.max > 0 && !this.connection.transient
  }

  get live(): boolean {
    return this.attached || this.liveUntilMillis !== undefined
  }
}

export class Member implements RosterMember {
  readonly sessions = new Map<SessionId, Session>()
  readonly connections = new Set<Connection>()
  readonly inbox: Inbox
  readonly allowance: Allowance
  /** What first clients had reported that have left, by their process: one that reconnects has another session id. */
  readonly leftStatuses = new Map<string, LeftStatus>()
  subscriptions: ReadonlySet<Label> = noLabels
  lastProtocol: 1 | 2 | undefined

  constructor(
    readonly record: MemberRecord,
    limits: BrokerLimits,
  ) {
    this.inbox = new Inbox({ memberId: record.memberId, session: undefined }, this, undefined)
    this.allowance = new Allowance(limits)
  }

  get key(): PublicKey {
    return this.record.publicKey
  }

  /** A member is in every channel that one of its sessions is in. */
  channelsChanged(): void {
    this.subscriptions = new Set([...this.sessions.values()].flatMap(({ channels }) => [...channels]))
  }
}

/** What can be seen of a session, but for the profile's key, which each member has for itself. */
export interface PeerView {
  readonly peer: Omit<Peer, "profile">
  readonly profile: SealedProfile | undefined
}

export interface RosterState {
  /** Grows with each change that is told. */
  version: number
  /** As of that version. */
  readonly told: Map<Session, PeerView>
  /** May have changed since. True: somebody was given a list of how it was in between. */
  readonly touched: Map<Session, boolean>
  /** When the changes are to be told. */
  dueAtMillis: number | undefined
}

/** A connection that asked to be told, once it has been given the list that changes are told of. */
export interface Subscription {
  /** Of the roster that it has been told. */
  version: number
  /** It is slow: what it knows of the sessions that have changed since. */
  readonly behind: Map<Session, KnownView>
  /** And it has missed more than is remembered. */
  needsList: boolean
}

export interface KnownView {
  readonly view: PeerView | undefined
  /** It may have seen how it was in between. */
  readonly isUncertain: boolean
}

/** Of a session that has not said hello yet. */
export interface EarlyReport {
  readonly whose: ReportedSession
  readonly report: StatusReport
  readonly untilMillis: number
}

/** A record that is being committed. */
export interface UnderWay<A> {
  readonly enrolment: Enrolment
  readonly record: A
  /** Who asked for the same meanwhile. */
  readonly others: Array<CorrelationId>
  /** What is decided only when it has its outcome. */
  readonly after: Array<Extract<Command, { readonly _tag: "Enrol" }>>
  /** False: it may have been written or not, and is written again. */
  isWriting: boolean
  failures: number
  /** The time at which it is written again at the latest is set. */
  isTriedLater: boolean
}

/** What is being committed. */
export interface Enrolling {
  readonly invites: Map<PublicKey, UnderWay<Invite>>
  readonly joins: Map<PublicKey, UnderWay<Certificate>>
  /** A revocation names the one before it, so there is one at a time. */
  revoking: UnderWay<Revocation> | undefined
  moving: UnderWay<MeshMoved> | undefined
}

/** A message that is being committed, and the sends of the same one that came meanwhile: they get its answer. */
export interface BeingAccepted {
  readonly seq: number
  readonly contentHash: string
  readonly resends: Array<{ readonly id: string; readonly peer: PeerId }>
}

export interface MeshState {
  readonly mesh: MeshRecord
  readonly rules: MeshRules
  readonly members: Map<PublicKey, Member>
  readonly membersById: Map<MemberId, Member>
  /** Members whose key was revoked: what they had sent is still theirs. */
  readonly former: Map<MemberId, MemberRecord>
  /** What is proved of the members. */
  readonly register: ChainVerifier
  readonly invites: Map<PublicKey, InviteRecord>
  readonly enrolling: Enrolling
  /** Where the mesh is, by the last word of its owner that this broker was brought: perhaps here. */
  moved: MeshMoved | undefined
  readonly beingAccepted: Map<MessageId, BeingAccepted>
  readonly connections: Map<PeerId, Connection>
  /** Sessions that are away and expected back. */
  readonly expectedBack: Set<Session>
  readonly roster: RosterState
  readonly earlyReports: Array<EarlyReport>
  /** Signatures of v1 hellos, until they are too old to be used again. */
  readonly seenHellos: Map<Signature, number>
  sessionCount: number
  lastSeq: number
  /** Up to here every message that was accepted is known to be stored, or not to be. */
  committedSeq: number
  /** When it was last logged that an inbox cannot be read. */
  pagesWarnedAtMillis: number
  /** When something happens by itself. */
  wakeAtMillis: number | undefined
}

/** What a state begins from, and the sessions and inboxes that the last owner left behind. */
export interface LoadedMesh {
  readonly state: MeshState
  /** Attached when the last owner stopped, and by now cut off. */
  readonly orphans: ReadonlyArray<Session>
  /** Away since a time that the last owner knew. */
  readonly away: ReadonlyArray<Session>
  /** Of first clients and of members that were revoked: nobody comes back, and they were never written as gone. */
  readonly ended: ReadonlyArray<Pick<SessionRecord, "memberId" | "session">>
  /** Inboxes of v1 sessions: they never come back, so what waits there is their member's. */
  readonly stranded: ReadonlyArray<{ readonly memberId: MemberId; readonly session: SessionId }>
}

const registerOf = ({ invites, members, mesh, revocations }: MeshSnapshot, verifier: Verifier): ChainVerifier => {
  const register = new ChainVerifier(mesh.meshId, mesh.ownerPublicKey, verifier)
  for (const { invite } of invites) register.learnInvite(invite)
  for (const { certificate } of members) if (certificate !== undefined) register.learnCertificate(certificate)
  // It was taken when less was known of its subject. One that does not go on from the list, or is not signed, would let
  // somebody in again: then rather no mesh.
  for (const revocation of revocations) Result.getOrThrow(register.learnRevocation(revocation, true))
  return register
}

export const loadState = (snapshot: MeshSnapshot, rules: MeshRules, verifier: Verifier): LoadedMesh => {
  const register = registerOf(snapshot, verifier)
  const isFormer = ({ publicKey }: MemberRecord) => register.isRevoked(publicKey)
  const members = snapshot.members
    .filter((record) => !isFormer(record))
    .map((record) => new Member(record, rules.limits))
  const state: MeshState = {
    mesh: snapshot.mesh,
    rules,
    members: new Map(members.map((member) => [member.key, member])),
    membersById: new Map(members.map((member) => [member.record.memberId, member])),
    former: new Map(snapshot.members.filter(isFormer).map((record) => [record.memberId, record])),
    register,
    invites: new Map(snapshot.invites.map((known) => [known.invite.publicKey, known])),
    enrolling: { invites: new Map(), joins: new Map(), revoking: undefined, moving: undefined },
    moved: snapshot.moved,
    beingAccepted: new Map(),
    connections: new Map(),
    expectedBack: new Set(),
    roster: { version: 0, told: new Map(), touched: new Map(), dueAtMillis: undefined },
    earlyReports: [],
    seenHellos: new Map(),
    sessionCount: 0,
    lastSeq: snapshot.lastSeq,
    committedSeq: snapshot.lastSeq,
    pagesWarnedAtMillis: Number.NEGATIVE_INFINITY,
    wakeAtMillis: undefined,
  }
  const orphans: Array<Session> = []
  const away: Array<Session> = []
  const latest = new Map<Member, number>()
  for (const record of snapshot.sessions) {
    const member = state.membersById.get(record.memberId)
    if (member === undefined) continue
    if (record.attachedAtMillis >= (latest.get(member) ?? 0)) {
      latest.set(member, record.attachedAtMillis)
      member.lastProtocol = record.protocol
    }
    // A v1 session has a new id at every connect, so the old one never comes back.
    if (record.protocol === 1) continue
    const session = new Session(member, record.session, record.detachedAtMillis ?? 0, true)
    member.sessions.set(record.session, session)
    state.sessionCount += 1
    if (record.detachedAtMillis === undefined) orphans.push(session)
    else away.push(session)
  }
  for (const { channel, memberId, session } of snapshot.subscriptions) {
    state.membersById.get(memberId)?.sessions.get(session)?.channels.add(channel)
  }
  for (const member of members) member.channelsChanged()
  const stranded = new Map<string, { readonly memberId: MemberId; readonly session: SessionId }>()
  for (const { backlog, inbox, priority } of snapshot.waiting) {
    const { memberId, session } = inbox
    // Nobody gets it any more: it expires.
    if (state.former.has(memberId)) continue
    const found = inboxOf(state, inbox)
    if (found !== undefined) found.waitsFromBefore(priority, backlog)
    else if (session !== undefined) stranded.set(`${memberId}/${session}`, { memberId, session })
  }
  const ended = snapshot.sessions.filter(
    ({ detachedAtMillis, memberId, protocol }) =>
      detachedAtMillis === undefined && (protocol === 1 || state.former.has(memberId)),
  )
  return { state, orphans, away, ended, stranded: [...stranded.values()] }
}

export const inboxOf = (state: MeshState, address: InboxAddress): Inbox | undefined => {
  const member = state.membersById.get(address.memberId)
  return address.session === undefined ? member?.inbox : member?.sessions.get(address.session)?.inbox
}

export const statusOf = (state: MeshState, session: Session, nowMillis: number) =>
  effectiveStatus(session.reports, nowMillis, state.rules)

/** The inboxes a connection takes from. Nothing is ever sent to a transient session by its id. */
export const inboxesOf = ({ session, transient }: Connection): ReadonlyArray<Inbox> =>
  transient ? [session.member.inbox] : [session.inbox, session.member.inbox]

/** When the actor wants to be woken: for what happens by itself, or to tell what has changed. */
export const nextWakeMillis = ({ roster: { dueAtMillis }, wakeAtMillis }: MeshState): number | undefined =>
  dueAtMillis === undefined || wakeAtMillis === undefined
    ? (dueAtMillis ?? wakeAtMillis)
    : Math.min(dueAtMillis, wakeAtMillis)

export const wakeBy = (state: MeshState, atMillis: number): void => {
  if (state.wakeAtMillis === undefined || atMillis < state.wakeAtMillis) state.wakeAtMillis = atMillis
}
