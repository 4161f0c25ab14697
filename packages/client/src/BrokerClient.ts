/**
 * Our side of one joined mesh, put together: the connection and its coming back (I21), what is known of the members, what this session
 * says of itself, the outbox and the inbox. Callers ask and wait; none of them can hold the reading up, and a mesh that is down is
 * nobody else's business (I24). Texts leave and arrive sealed.
 */
import type { DisplayName, MessageId, PublicKey, SessionId } from "@claudemesh/domain/Ids"
import { isoFromMillis } from "@claudemesh/domain/IsoTime"
import type { MeshMoved } from "@claudemesh/domain/trust/MeshMoved"
import type { Revocation } from "@claudemesh/domain/trust/Revocation"
import type { BrokerFrame, Channel } from "@claudemesh/domain/wire/BrokerFrame"
import type { InviteState } from "@claudemesh/domain/wire/HttpApi"
import type { Target } from "@claudemesh/domain/routing/Target"
import { type Crypto, type Duration, Effect, Latch, Random, Result, type Stream, SubscriptionRef } from "effect"
import { clockNotice } from "./connection/BrokerClock.ts"
import { type BrokerLog, makeBrokerLog } from "./connection/BrokerLog.ts"
import { type ConnectionLoop, type ConnectionUse, makeConnectionLoop } from "./connection/ConnectionLoop.ts"
import { ClientStopped, type ConnectionState, type NotConnected } from "./connection/ConnectionState.ts"
import { type ConnectionLost, type Identity, wantsPresence } from "./connection/Handshake.ts"
import type { Reply, Request, RequestError, SettlingFrame } from "./connection/Requests.ts"
import { makeReceiving, type Receiving } from "./inbox/Receiving.ts"
import { type Membership, type PublicMembership, withoutSecrets } from "./keys/Membership.ts"
import { randomHex } from "./keys/RandomBytes.ts"
import type { BrokerUrl } from "./keys/BrokerUrl.ts"
import { Sodium } from "./keys/Sodium.ts"
import { endTimeoutMillis, outboxFlushMillis, reachTimeoutMillis, resealSpreadMillis } from "./Limits.ts"
import { adoptions } from "./outbox/Adoption.ts"
import { makeOutbox, type Outbox } from "./outbox/Outbox.ts"
import type { Unsent } from "./outbox/OutboxEntry.ts"
import { OutboxStore } from "./outbox/OutboxStore.ts"
import { makeSending, type Sending } from "./outbox/Sending.ts"
import { makeProblems, type Problems } from "./outbox/Problems.ts"
import { tooLate } from "./outbox/TooLate.ts"
import type { MemberView, PeerView } from "./roster/Roster.ts"
import { judgeInvites, type InviteView } from "./roster/Invites.ts"
import { type Directory, type ResolveError, type Resolved, resolveMember } from "./roster/ResolveMember.ts"
import { resolveTarget } from "./roster/ResolveTarget.ts"
import { makeRosterKeeper, type PresenceEvent, type RosterKeeper } from "./roster/RosterKeeper.ts"
import type { SummaryTooLong } from "./seal/SealProfile.ts"
import type { TooManyReaders } from "./seal/SealToMany.ts"
import { makeOwnSession, type OwnSession } from "./session/OwnSession.ts"
import { supervised } from "./connection/Supervised.ts"
import { type AuditWatch, makeAuditWatch } from "./trust/AuditWatch.ts"
import { KeepMove, movedTo, movedWords, placeOf } from "./trust/FollowMove.ts"
import type { MemberStanding } from "./trust/MemberStanding.ts"
import { makeTrustSync, type RevocationRefused, type TrustSync, type UnsignedRevocation } from "./trust/TrustSync.ts"

export type { Enqueued, EnqueueError, Receipt, SendError } from "./outbox/Sending.ts"

export interface BrokerClient
  extends
    Pick<Receiving, "inbox" | "lease" | "look" | "peek" | "pull" | "take" | "waits">,
    Pick<OwnSession, "joinChannel" | "leaveChannel" | "setStatus">,
    Problems,
    Sending {
  readonly membership: PublicMembership
  readonly state: Effect.Effect<ConnectionState>
  readonly states: SubscriptionRef.SubscriptionRef<ConnectionState>
  /** As it is on the wire: with an ending of its own where another process had this session. */
  readonly sessionId: Effect.Effect<SessionId>
  readonly awaitConnected: (within: Duration.Input) => Effect.Effect<void, NotConnected | ClientStopped>
  readonly outboxSize: Effect.Effect<number>
  /** While there is a connection: waits until what waits on this machine is sent, for a few seconds at most. */
  readonly flush: Effect.Effect<void>
  /** Above 0: this machine's clock is ahead of the broker's. Undefined before the first connection. */
  readonly clockSkewMillis: Effect.Effect<number | undefined>
  /** What the agent and the person must be told of that, where it is much. */
  readonly clockNotice: Effect.Effect<string | undefined>
  /** All members that are known here, and whom else the broker lists; what we hold of each. */
  readonly roster: Effect.Effect<ReadonlyArray<MemberView>, RequestError>
  /** The sessions that are there. A session that is a peer itself is told of them, and asks nobody. */
  readonly peers: Effect.Effect<ReadonlyArray<PeerView>, RequestError>
  /** As `peers`, and asked of the broker also where it tells what changes: whoever came just now is told a moment later. */
  readonly peersNow: Effect.Effect<ReadonlyArray<PeerView>, RequestError>
  /** Who joins, leaves and changes from now on, for a client whose connections ask to be told (`Identity.presence`). */
  readonly presence: Stream.Stream<PresenceEvent>
  /** Who is meant by a name, a key or its beginning: by what is certified, and never by what the broker says. */
  readonly resolve: (who: string) => Effect.Effect<Resolved, ResolveError | RequestError>
  /** By whom this machine knows, without asking anybody. */
  readonly directory: Effect.Effect<Directory>
  /** The same for anything that a message can be addressed to, by who is known where the broker does not answer soon. */
  readonly lookUp: (to: string) => Effect.Effect<Result.Result<Target, ResolveError>>
  /** What the broker lists of invites, and what is known here without it. */
  readonly judgeInvites: (listed: ReadonlyArray<InviteState>) => Effect.Effect<ReadonlyArray<InviteView>, RequestError>
  /** As its certificate says, or as the person of this machine calls it. */
  readonly nameOf: (key: PublicKey) => DisplayName | undefined
  /** As its certificate says. */
  readonly ownNameOf: (key: PublicKey) => DisplayName | undefined
  readonly rename: TrustSync["rename"]
  /** Whether its name alone does not say who it is: somebody else has or had one like it. */
  readonly hasNamesake: (key: PublicKey) => boolean
  /** Whether somebody on this machine compared its key by voice. */
  readonly isVerified: (key: PublicKey) => boolean
  /** Asks the broker for the proof where nothing is known of the key. */
  readonly standingOf: (key: PublicKey) => Effect.Effect<MemberStanding>
  /** What the broker did that an honest one does not, since the start. */
  readonly alarms: Effect.Effect<ReadonlyArray<string>>
  /** Where the mesh is now: another address than the membership's once this client has followed a move. */
  readonly brokerUrl: Effect.Effect<BrokerUrl>
  /** The mesh has moved since the start, and this client follows. */
  readonly moveNotice: Effect.Effect<string | undefined>
  /** Known here, and not shown when the broker was last asked: it hides them, or has lost them. They prove themselves. */
  readonly withheldRevocations: Effect.Effect<ReadonlyArray<Revocation>>
  /** The mesh's next revocation, to be signed. `kept`: all that came by the subject, of whom some may be left out. */
  readonly revocationOf: (
    subject: PublicKey,
    nowMillis: number,
  ) => Effect.Effect<UnsignedRevocation, RequestError | RevocationRefused>
  /** Of a revocation that the broker has taken. */
  readonly remember: (revocation: Revocation) => Effect.Effect<void, RevocationRefused>
  /** The safety number was compared, and is the same. */
  readonly confirmByVoice: (key: PublicKey) => Effect.Effect<void>
  /** Where the session runs, when that has changed. */
  readonly setProfile: (
    profile: NonNullable<Identity["profile"]>,
  ) => Effect.Effect<void, RequestError | SummaryTooLong | TooManyReaders>
  readonly setSummary: (summary: string) => Effect.Effect<void, RequestError | SummaryTooLong | TooManyReaders>
  readonly channels: Effect.Effect<ReadonlyArray<Channel>, RequestError>
  /** Of a message that this member sent. */
  readonly messageStatus: (messageId: MessageId) => Effect.Effect<Reply<"message_state">, RequestError>
  /** Of a message that was written on this machine for this mesh, and that the broker does not have, for all that is known. */
  readonly unsent: (messageId: MessageId) => Effect.Effect<Unsent | undefined>
  /** Ids of messages that were written on this machine for this mesh lately, by how they begin. */
  readonly sentIds: (begins: string) => Effect.Effect<ReadonlyArray<MessageId>>
  readonly ping: Effect.Effect<void, RequestError>
}

export interface BrokerClientOptions extends Identity {
  /** Numbers arrivals over all meshes of the process. */
  readonly nextArrival: () => number
}

const ended = { reason: "the client has ended", detail: "the client has ended", code: undefined }

/** Starts the client and returns at once. It ends with the scope. */
export const makeBrokerClient = Effect.fnUntraced(function* (options: BrokerClientOptions) {
  const { membership } = options
  const { meshId, pubkey, slug } = membership
  const context = yield* Effect.context<Sodium | Crypto.Crypto>()
  const log = makeBrokerLog(slug)
  const follows = yield* makeFollowing(membership)
  const loop = yield* makeConnectionLoop(options, (moved) => follows.follow(moved, trust))
  const trust: TrustSync = yield* makeTrustSync({
    membership,
    ask: (keys, after) => loop.ask((id): Request => ({ type: "get_trust", keys, after, id }), "trust"),
  })
  const isForAgent = options.maxInFlight !== 0 && options.transient !== true
  const audit = yield* makeAuditWatch({ membership, broker: follows.brokerUrl, isForAgent, alarm: trust.alarm })
  const roster = yield* makeRosterKeeper({ membership, loop, trust, isSubscribed: wantsPresence(options) })
  const session = makeOwnSession({
    identity: options,
    loop,
    trust,
    roster: bestOf(roster, trust),
    addsKeys: roster.isTold,
  })
  const newReaders = Latch.makeUnsafe()
  const of = { meshId, member: pubkey }
  const sender = yield* randomHex(8)
  const outboxStore = yield* OutboxStore
  const outbox = yield* makeOutbox({ of, slug, sender, tooLate: tooLate(loop.clock) })
  const sending = yield* makeSending({ membership, loop, trust, roster, outbox })
  const receiving = yield* makeReceiving({
    membership,
    takesMessages: options.maxInFlight !== 0,
    loop,
    trust,
    log,
    nextArrival: options.nextArrival,
    awaitStatus: session.awaitStatus,
  })
  const problems = yield* makeProblems({ of, sender, loop })
  const adopting = yield* adoptions({ of, slug, sender, outbox })

  const restore = session.restoreStatus.pipe(
    Effect.andThen(Effect.ignore(roster.current)),
    Effect.andThen(session.restore),
    Effect.provide(context),
  )
  /** All sessions of the mesh hear of a new member in the same moment. */
  const sealAgain = Effect.gen(function* () {
    while (true) {
      yield* newReaders.await
      yield* Effect.sleep(yield* Random.nextIntBetween(0, resealSpreadMillis))
      newReaders.closeUnsafe()
      yield* session.sealToNewReaders
    }
  }).pipe(Effect.provide(context))
  const use: ConnectionUse = {
    prepare: Effect.andThen(trust.load, receiving.open),
    begin: Effect.andThen(
      Effect.sync(() => {
        trust.connected()
        roster.connected()
      }),
      Effect.andThen(Effect.ignore(receiving.open), audit.recall),
    ),
    receive: handler({ audit, log, loop, outbox, receiving, roster, trust, newReaders }),
    during: Effect.gen(function* () {
      yield* Effect.forkScoped(supervised(slug, "restoring what this session said", restore))
      yield* Effect.forkScoped(supervised(slug, "sealing the profile to who joined", sealAgain))
      yield* Effect.forkScoped(supervised(slug, "keeping trust up to date", trust.keep))
      yield* Effect.forkScoped(supervised(slug, "taking over messages", adopting.keep))
      return yield* outbox.run({ send: (frame) => loop.send(frame), sessionId: loop.sessionId() })
    }),
    lost: () => {
      roster.lost()
      session.lost()
      receiving.lost()
    },
  }

  yield* Effect.addFinalizer(() =>
    Effect.andThen(
      loop.stop(ended),
      // Another process may hold the file: what is not given up here is taken over as what a killed process left.
      outbox
        .end(new ClientStopped({ reason: ended.reason, code: undefined }))
        .pipe(Effect.interruptible, Effect.timeoutOption(endTimeoutMillis)),
    ),
  )
  yield* Effect.forkScoped(supervised(slug, "the outbox", outbox.tend))
  yield* loop.run(use).pipe(
    Effect.andThen(
      Effect.suspend(() => {
        const state = SubscriptionRef.getUnsafe(loop.state)
        return state._tag === "Stopped"
          ? outbox.stop(new ClientStopped({ reason: state.reason, code: state.code }))
          : Effect.void
      }),
    ),
    Effect.forkScoped,
  )
  // Before the connection is given up: the session is done, and nothing of its member's waits for it to come back.
  yield* Effect.addFinalizer(() => loop.sayGoodbye)

  const client: BrokerClient = {
    membership: withoutSecrets(membership),
    ...sending,
    ...problems,
    inbox: receiving.inbox,
    waits: receiving.waits,
    pull: receiving.pull,
    look: receiving.look,
    lease: receiving.lease,
    peek: receiving.peek,
    take: receiving.take,
    setStatus: session.setStatus,
    setProfile: (profile) => Effect.provide(session.setProfile(profile), context),
    setSummary: (summary) => Effect.provide(session.setSummary(summary), context),
    joinChannel: session.joinChannel,
    leaveChannel: session.leaveChannel,
    state: SubscriptionRef.get(loop.state),
    states: loop.state,
    sessionId: Effect.sync(loop.sessionId),
    awaitConnected: loop.awaitConnected,
    outboxSize: Effect.sync(outbox.size),
    flush: Effect.suspend(() =>
      loop.live() === undefined
        ? Effect.void
        : // Interruptible also where its caller is ending: it is not to end later than this.
          Effect.andThen(adopting.look, outbox.calm).pipe(
            Effect.interruptible,
            Effect.timeoutOption(outboxFlushMillis),
            Effect.asVoid,
          ),
    ),
    clockSkewMillis: Effect.sync(() => loop.clock.skewMillis),
    clockNotice: Effect.sync(() => clockNotice(loop.clock.skewMillis)),
    roster: Effect.andThen(trust.recall, roster.members),
    peers: Effect.andThen(trust.recall, roster.peers),
    peersNow: Effect.andThen(trust.recall, roster.peersNow),
    presence: roster.presence,
    resolve: (who) =>
      trust.recall.pipe(
        Effect.andThen(roster.refresh),
        Effect.flatMap(() => Effect.fromResult(resolveMember(who, roster.directory()))),
      ),
    directory: Effect.andThen(trust.recall, Effect.sync(roster.directory)),
    lookUp: (to) =>
      trust.recall.pipe(
        Effect.andThen(Effect.ignore(loop.awaitConnected(reachTimeoutMillis))),
        Effect.andThen(Effect.timeoutOption(Effect.ignore(roster.current), reachTimeoutMillis)),
        Effect.andThen(
          Effect.suspend(() => {
            const found = resolveTarget(to, roster.directory())
            return Result.isFailure(found) && found.failure._tag === "UnknownTarget"
              ? Effect.as(Effect.timeoutOption(Effect.ignore(roster.refresh), reachTimeoutMillis), undefined)
              : Effect.succeed(found)
          }),
        ),
        Effect.map((found) => found ?? resolveTarget(to, roster.directory())),
      ),
    judgeInvites: (listed) =>
      trust.recall.pipe(
        Effect.andThen(trust.sync(listed.map(({ invite }) => invite.issuer))),
        Effect.map(() => judgeInvites(listed, trust.store)),
      ),
    nameOf: (key) => trust.store.nameOf(key),
    ownNameOf: (key) => trust.store.certificateOf(key)?.displayName,
    rename: trust.rename,
    hasNamesake: (key) => trust.store.hasNamesake(key),
    isVerified: (key) => {
      const standing = trust.store.standingOf(key)
      return standing._tag === "Certified" && standing.byVoiceAt !== undefined
    },
    standingOf: (key) => Effect.andThen(trust.recall, trust.standingOf(key)),
    alarms: Effect.sync(() => [...trust.alarms()]),
    brokerUrl: Effect.sync(follows.brokerUrl),
    moveNotice: Effect.sync(follows.notice),
    withheldRevocations: Effect.sync(trust.withheld),
    revocationOf: (subject, nowMillis) =>
      Effect.andThen(roster.refresh, trust.nextRevocation(subject, isoFromMillis(nowMillis))),
    remember: trust.remember,
    confirmByVoice: trust.confirmByVoice,
    channels: Effect.map(
      loop.request((id): Request => ({ type: "list_channels", id }), "channels"),
      ({ channels }) => channels,
    ),
    messageStatus: (messageId) =>
      loop.request((id): Request => ({ type: "message_status", messageId, id }), "message_state"),
    unsent: (messageId) =>
      Effect.map(
        Effect.orElseSucceed(outboxStore.unsent(messageId), () => undefined),
        (found) => {
          const of = found?._tag === "Waiting" ? found.entry : found?.problem
          return of?.meshId === meshId ? found : undefined
        },
      ),
    sentIds: (begins) =>
      Effect.map(
        Effect.orElseSucceed(outboxStore.sent(begins), () => []),
        (all) => all.flatMap((sent) => (sent.meshId === meshId ? [sent.messageId] : [])),
      ),
    ping: loop.ping,
  }
  return client
})

/** The best that can be had, but not while there is a revocation that we have not seen. */
const bestOf = (roster: RosterKeeper, trust: TrustSync) =>
  Effect.catch(roster.current, (error) =>
    roster.isKnown() && !trust.isBehind() ? Effect.succeed(roster.known()) : Effect.fail(error),
  )

/** What this client has followed to. The membership it began with is replaced by that of the file, once it is read again. */
const makeFollowing = Effect.fnUntraced(function* (membership: Membership) {
  const sodium = yield* Sodium
  const keep = yield* KeepMove
  let now = membership
  let notice: string | undefined
  const follow = Effect.fnUntraced(function* (moved: MeshMoved, { alarm }: Pick<TrustSync, "alarm">) {
    // One of the first clients joined, which knows nobody's word to follow.
    if (now.ownerPublicKey === undefined) return undefined
    const place = placeOf(moved, now, sodium)
    if (Result.isFailure(place)) {
      yield* alarm(`the broker says that the mesh has moved, and is not followed: ${place.failure}`)
      return undefined
    }
    if (place.success === undefined) return undefined
    const from = now.brokerUrl
    const { brokerUrl } = place.success
    now = movedTo(now, place.success)
    yield* Effect.catch(keep(place.success), ({ message }) =>
      alarm(`the mesh has moved to ${brokerUrl}, and that is not kept: ${message}`),
    )
    if (from === brokerUrl) return undefined
    notice = movedWords(now.slug, from, brokerUrl)
    yield* Effect.logInfo(notice)
    return brokerUrl
  })
  return { follow, brokerUrl: () => now.brokerUrl, notice: () => notice }
})

const handler =
  (parts: {
    readonly audit: AuditWatch
    readonly log: BrokerLog
    readonly outbox: Outbox
    readonly receiving: Receiving
    readonly roster: RosterKeeper
    readonly trust: TrustSync
    readonly loop: ConnectionLoop
    readonly newReaders: Latch.Latch
  }) =>
  (frame: BrokerFrame): Effect.Effect<void, ConnectionLost> => {
    const { audit, log, loop, newReaders, outbox, receiving, roster, trust } = parts
    const settle = (reply: SettlingFrame) => loop.live()?.requests.settle(reply) ?? false
    switch (frame.type) {
      case "push":
        return receiving.receive(frame)
      case "ack":
        outbox.settle(frame)
        return Effect.void
      case "error":
        return outbox.settle(frame) || settle(frame)
          ? Effect.void
          : log("the broker reports an error", { code: frame.code, explanation: frame.message })
      case "recalled":
        receiving.recalled(frame.messageIds)
        return Effect.void
      case "members":
        trust.announced(frame.revocations)
        roster.toldMembers(frame)
        settle(frame)
        return Effect.void
      case "trust_changed":
        trust.announced(frame.version)
        roster.maybeBehind()
        return Effect.void
      case "members_changed":
        roster.joined(frame.member)
        newReaders.openUnsafe()
        return Effect.void
      case "presence":
        return roster.changed(frame)
      case "peers":
        return Effect.andThen(
          roster.toldPeers(frame),
          Effect.sync(() => void settle(frame)),
        )
      case "leased":
      case "ok":
      case "message_state":
      case "channels":
      case "trust":
        settle(frame)
        return Effect.void
      case "pong":
        return Effect.andThen(
          audit.told(frame.audit),
          Effect.sync(() => void settle(frame)),
        )
      case "hello_ack":
        return audit.told(frame.audit)
      case "mesh_moved":
      case "challenge":
        return Effect.void
    }
  }
