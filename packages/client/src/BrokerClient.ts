/**
 * Our side of one joined mesh: one fiber that dials, greets, reads, and comes back after a loss (I21). It owns
 * the connection, the outbox, the inbox, the last known roster, and whom of it we believe. Callers ask and wait; none of them can hold
 * the reading up, and a mesh that is down is nobody else's business (I24). Texts leave and arrive sealed.
 */
import type { ClientMessageId, DisplayName, Label, MessageId, PublicKey } from "@claudemesh/domain/Ids"
import { ackBatchMax, messageBytesDefault } from "@claudemesh/domain/Limits"
import { isoFromMillis } from "@claudemesh/domain/IsoTime"
import type { Status } from "@claudemesh/domain/routing/Status"
import { formatTarget, type Target } from "@claudemesh/domain/routing/Target"
import { messageIdOf } from "@claudemesh/domain/trust/MessageIdentity"
import type { Profile } from "@claudemesh/domain/trust/Plaintext"
import type { Revocation } from "@claudemesh/domain/trust/Revocation"
import {
  type BrokerFrame,
  type Channel,
  decodeBrokerFrame,
  type Peer,
  type Push,
} from "@claudemesh/domain/wire/BrokerFrame"
import { encodeClientFrame } from "@claudemesh/domain/wire/ClientFrame"
import type { InviteState } from "@claudemesh/domain/wire/HttpApi"
import { Clock, Crypto, Data, Deferred, type Duration, Effect, Latch, Option, Queue, Result } from "effect"
import { makeBrokerLog } from "./connection/BrokerLog.ts"
import { type Connection, Dialer } from "./connection/Dialer.ts"
import { ConnectionLost, greet, type Identity, lost, lostBy } from "./connection/Handshake.ts"
import { type Ack, ClientStopped, makeOutbox, type OutboxFull, type SendRefused } from "./connection/Outbox.ts"
import { nextAttempt, spreadDelayMillis } from "./connection/ReconnectPolicy.ts"
import {
  NotConnected,
  type Reply,
  type ReplyType,
  type Request,
  type RequestError,
  Requests,
} from "./connection/Requests.ts"
import { judged, judgeMessages } from "./inbox/JudgeMessage.ts"
import { type HeldMessage, type InboxMessage, type Lease, PushBuffer } from "./inbox/PushBuffer.ts"
import { seenInMemory, SeenMessages } from "./inbox/SeenMessages.ts"
import { type PublicMembership, withoutSecrets } from "./keys/Membership.ts"
import { Sodium } from "./keys/Sodium.ts"
import { pingIntervalMillis } from "./Limits.ts"
import { judgeInvites, type InviteView } from "./roster/Invites.ts"
import { directoryOf, type ResolveError, type Resolved, resolveMember } from "./roster/ResolveMember.ts"
import { listOf, type MemberView, namedBy, type PeerView, type Roster, withPresence } from "./roster/Roster.ts"
import { openPush } from "./seal/OpenPush.ts"
import { composeSend, type NobodyCertified, type OutgoingMessage, verifiedMembers } from "./seal/OutgoingMessage.ts"
import type { MessageTooLarge } from "./seal/SealMessage.ts"
import { fitFacts, openProfile, sealProfile, type SummaryTooLong } from "./seal/SealProfile.ts"
import type { TooManyReaders } from "./seal/SealToMany.ts"
import type { MemberStanding } from "./trust/MemberStanding.ts"
import { makeTrustKeeper, type RevocationRefused, type UnsignedRevocation } from "./trust/TrustKeeper.ts"

export type ConnectionState = Data.TaggedEnum<{
  Connecting: { readonly attempt: number }
  Connected: { readonly sinceMillis: number; readonly maxMessageBytes: number }
  Waiting: { readonly retryAtMillis: number; readonly attempt: number; readonly lastError: string }
  /** For good: the broker closed with a terminal code. `reason` is its error code, where it gave one. */
  Stopped: { readonly reason: string; readonly detail: string; readonly code: number | undefined }
}>
export const ConnectionState = Data.taggedEnum<ConnectionState>()

export type EnqueueError =
  | ResolveError
  | NobodyCertified
  | TooManyReaders
  | MessageTooLarge
  | OutboxFull
  | ClientStopped
  | RequestError
export type SendError = EnqueueError | SendRefused

/** What the broker did with a message. */
export interface Receipt {
  readonly id: ClientMessageId
  readonly messageId: MessageId
  readonly duplicate: boolean
  /** One for each inbox that it went to: of a group, none where nobody is there. */
  readonly recipients: NonNullable<Ack["recipients"]>
  /** Members of the group who do not get it: no key of theirs was known to be sealed to, or their client is of v1. */
  readonly unsealed: ReadonlyArray<PublicKey>
}

export interface Enqueued {
  readonly id: ClientMessageId
  readonly messageId: MessageId
  readonly target: Target
  /** Waiting may be given up; the message stays in the outbox and may still be delivered. */
  readonly ack: Effect.Effect<Receipt, SendRefused | ClientStopped>
}

export interface BrokerClient {
  readonly membership: PublicMembership
  readonly inbox: PushBuffer
  readonly state: Effect.Effect<ConnectionState>
  readonly awaitConnected: (within: Duration.Input) => Effect.Effect<void, NotConnected | ClientStopped>
  readonly enqueue: (message: OutgoingMessage) => Effect.Effect<Enqueued, EnqueueError>
  /** Enqueues and waits for the ack, however long that takes. */
  readonly send: (message: OutgoingMessage) => Effect.Effect<Receipt, SendError>
  readonly outboxSize: Effect.Effect<number>
  /** Judges what waits, and takes it. */
  readonly take: (max?: number) => Effect.Effect<Lease>
  readonly judge: (messages: ReadonlyArray<HeldMessage>) => Effect.Effect<ReadonlyArray<InboxMessage>>
  /** All members that are known here, and whom else the broker lists; what we hold of each. */
  readonly roster: Effect.Effect<ReadonlyArray<MemberView>, RequestError>
  readonly peers: Effect.Effect<ReadonlyArray<PeerView>, RequestError>
  /** Who is meant by a name, a key or its beginning: by what is certified, and never by what the broker says. */
  readonly resolve: (who: string) => Effect.Effect<Resolved, ResolveError | RequestError>
  /** What the broker lists of invites, and what is known here without it. */
  readonly judgeInvites: (listed: ReadonlyArray<InviteState>) => Effect.Effect<ReadonlyArray<InviteView>, RequestError>
  /** As its certificate says. */
  readonly nameOf: (key: PublicKey) => DisplayName | undefined
  /** Asks the broker for the proof where nothing is known of the key. */
  readonly standingOf: (key: PublicKey) => Effect.Effect<MemberStanding>
  /** What the broker did that an honest one does not, since the start. */
  readonly alarms: Effect.Effect<ReadonlyArray<string>>
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
  /** The broker remembers it, too; joined again after each reconnect, unless it was refused. */
  readonly joinChannel: (channel: Label) => Effect.Effect<void, RequestError>
  readonly leaveChannel: (channel: Label) => Effect.Effect<void, RequestError>
  readonly channels: Effect.Effect<ReadonlyArray<Channel>, RequestError>
  /** Remembered, and set again after each reconnect, also when this fails. */
  readonly setStatus: (status: Status) => Effect.Effect<void, RequestError>
  readonly setSummary: (summary: string) => Effect.Effect<void, RequestError | SummaryTooLong | TooManyReaders>
  /** Asks for what waits, whatever the gate says. It is in the inbox on return; the result is how many still wait. */
  readonly pull: (max?: number) => Effect.Effect<number, RequestError>
  /** Of a message that this member sent. */
  readonly messageStatus: (messageId: MessageId) => Effect.Effect<Reply<"message_state">, RequestError>
  readonly ping: Effect.Effect<void, RequestError>
}

export interface BrokerClientOptions extends Identity {
  /** Numbers arrivals over all meshes of the process. */
  readonly nextArrival: () => number
}

/** The close code that says so. */
const goodbye = 1000

interface Live {
  readonly connection: Connection
  readonly requests: Requests
}

/** Starts the client and returns at once. It ends with the scope. */
export const makeBrokerClient = Effect.fnUntraced(function* (options: BrokerClientOptions) {
  const { membership, profile: facts, sessionId, sessionName } = options
  const { meshId, pubkey, slug } = membership
  const dialer = yield* Dialer
  const sodium = yield* Sodium
  const context = yield* Effect.context<Sodium | Crypto.Crypto>()
  const self = { ...membership, sessionId }
  const outbox = yield* makeOutbox
  const settled = Latch.makeUnsafe()
  const log = makeBrokerLog(slug)

  let state: ConnectionState = ConnectionState.Connecting({ attempt: 1 })
  let live: Live | undefined
  let roster: Roster | undefined
  let maxMessageBytes = messageBytesDefault
  let status: Status | undefined
  let summary: string | undefined
  const wantedChannels = new Set<Label>()

  const forItself = seenInMemory(sessionId, yield* Clock.currentTimeMillis)
  // Who only sends and asks takes no messages, and need not know which were shown.
  const seen = yield* options.maxInFlight === 0
    ? Effect.succeed(Result.succeed(forItself))
    : Effect.result((yield* SeenMessages).open(meshId, sessionId))
  const inbox = new PushBuffer(
    Result.getOrElse(seen, () => forItself),
    (messageIds) => {
      // Without a connection the ack is lost; the broker then pushes again, and the buffer acks again.
      for (let from = 0; from < messageIds.length; from += ackBatchMax) {
        const batch = messageIds.slice(from, from + ackBatchMax)
        live?.connection.send(encodeClientFrame({ type: "client_ack", messageIds: batch }))
      }
    },
  )

  const enter = (next: ConnectionState) => {
    state = next
    if (next._tag === "Connected" || next._tag === "Stopped") settled.openUnsafe()
    else settled.closeUnsafe()
  }

  const whyNotConnected = (): string => {
    if (state._tag === "Waiting") return state.lastError
    return state._tag === "Stopped" ? state.reason : "still connecting"
  }

  const request = <Type extends ReplyType>(make: Parameters<Requests["request"]>[0], reply: Type) =>
    Effect.suspend((): Effect.Effect<Reply<Type>, RequestError> =>
      live === undefined
        ? Effect.fail(new NotConnected({ reason: whyNotConnected() }))
        : live.requests.request(make, reply),
    )

  const keeper = yield* makeTrustKeeper({
    membership,
    ask: (keys, after) => request((id): Request => ({ type: "get_trust", keys, after, id }), "trust"),
  })
  const { book } = keeper
  const problem = keeper.problem ?? (Result.isFailure(seen) ? seen.failure.message : undefined)

  const listMembers = request((id): Request => ({ type: "list_members", id }), "members")
  const listPeers = request((id): Request => ({ type: "list_peers", id }), "peers")
  /**
   * It counts as known once everybody in it is: proved, or found without a proof. What goes to a group is else sealed to
   * fewer than it could be.
   */
  const refreshRoster = Effect.all([listMembers, listPeers], { concurrency: 2 }).pipe(
    Effect.tap(([{ members }, { peers }]) =>
      keeper.sync([...members.map(({ pubkey }) => pubkey), ...peers.map(({ pubkey }) => pubkey)]),
    ),
    Effect.map(([{ members }, { peers }]): Roster => (roster = { members, peers })),
  )
  /** Without the broker, as it was last said; but not while there is a revocation that we have not seen. */
  const bestRoster = Effect.catch(refreshRoster, (error) =>
    roster === undefined || keeper.isBehind() ? Effect.fail(error) : Effect.succeed(roster),
  )
  const profileOf = ({ profile, ...peer }: Peer): Profile | undefined =>
    Option.getOrUndefined(openProfile({ ...peer, ...(profile && { profile }) }, membership, sodium))
  const peerView = (peer: Peer): PeerView => {
    const named = namedBy(book, peer)
    return { ...peer, ...named, profile: named.standing._tag === "Verified" ? profileOf(peer) : undefined }
  }
  const directory = (known: Roster) =>
    directoryOf(book, known, ({ pubkey, sessionId }) => {
      const peer = known.peers.find((other) => other.pubkey === pubkey && other.sessionId === sessionId)
      return peer === undefined ? undefined : profileOf(peer)?.name
    })
  const ping = Effect.asVoid(request((id): Request => ({ type: "ping", id }), "pong"))
  const sendStatus = (status: Status) =>
    Effect.asVoid(request((id): Request => ({ type: "set_status", status, id }), "ok"))
  const ownFacts = { ...fitFacts(facts ?? {}), ...(sessionName && { name: sessionName }) }
  const sendProfile = Effect.fnUntraced(function* () {
    const readers = verifiedMembers(yield* bestRoster, book)
    const sealed = yield* sealProfile({ summary: summary ?? "", ...ownFacts }, self, readers)
    yield* request((id): Request => ({ type: "set_profile", id, ...sealed }), "ok")
  }, Effect.provide(context))
  /** A session that only sends and asks is no peer: nobody could read it. */
  const hasProfile = () => summary !== undefined || (Object.keys(ownFacts).length > 0 && options.maxInFlight !== 0)

  const joinChannel = (channel: Label) =>
    Effect.asVoid(request((id): Request => ({ type: "join_channel", channel, id }), "ok"))

  const receive = Effect.fnUntraced(function* (push: Push) {
    const content = openPush(push, self, sodium)
    if (content._tag === "Opened" && content.revocations !== undefined) {
      keeper.heard(push.senderPubkey, content.revocations)
    }
    const offered = inbox.offer({
      messageId: push.messageId,
      meshId,
      slug,
      senderKey: push.senderPubkey,
      senderSessionId: push.senderSessionId,
      priority: push.priority,
      targetSpec: push.targetSpec,
      replyTo: push.replyTo,
      createdAt: push.createdAt,
      redelivered: push.redelivered ?? false,
      arrival: options.nextArrival(),
      content,
    })
    if (offered !== "full") return
    yield* log("the broker pushed more than its window; the message stays with it", { messageId: push.messageId })
  })

  const handle = (frame: BrokerFrame, requests: Requests): Effect.Effect<void> => {
    switch (frame.type) {
      case "push":
        return receive(frame)
      case "ack":
        outbox.settle(frame)
        return Effect.void
      case "error":
        return outbox.settle(frame) || requests.settle(frame)
          ? Effect.void
          : log("the broker reports an error", { code: frame.code, explanation: frame.message })
      case "members":
        keeper.announced(frame.revocations)
        requests.settle(frame)
        return Effect.void
      case "trust_changed":
        keeper.announced(frame.version)
        return Effect.void
      case "presence":
        if (roster !== undefined) roster = withPresence(roster, frame)
        return Effect.void
      case "ok":
      case "pong":
      case "peers":
      case "message_state":
      case "channels":
      case "trust":
        requests.settle(frame)
        return Effect.void
      case "challenge":
      case "hello_ack":
      case "leased":
      case "recalled":
      case "members_changed":
        return Effect.void
    }
  }

  const read = ({ connection, requests }: Live): Effect.Effect<never, ConnectionLost> =>
    Effect.gen(function* () {
      while (true) {
        for (const text of yield* Queue.takeAll(connection.incoming)) {
          const frame = decodeBrokerFrame(text)
          if (Option.isSome(frame)) yield* handle(frame.value, requests)
        }
      }
    }).pipe(Effect.mapError((closed) => lostBy(closed)))

  const keepAlive: Effect.Effect<never, ConnectionLost> = Effect.sleep(pingIntervalMillis).pipe(
    Effect.andThen(ping),
    Effect.forever,
    Effect.mapError((error) => lost("no answer to a ping", error.message)),
  )

  const restored = <E extends { readonly message: string }>(what: string, step: Effect.Effect<unknown, E>) =>
    Effect.catch(step, (error) => Effect.logDebug("not restored", { slug, what, error: error.message }))

  /** The broker may have forgotten us, and the roster may be another one. */
  const restore = Effect.gen(function* () {
    yield* restored("roster", refreshRoster)
    if (status !== undefined) yield* restored("status", sendStatus(status))
    if (hasProfile()) yield* restored("profile", sendProfile())
    for (const channel of wantedChannels) yield* restored(`#${channel}`, joinChannel(channel))
  })

  const connect = Effect.gen(function* () {
    const connection = yield* dialer
      .dial(membership.brokerUrl)
      .pipe(Effect.mapError((error) => lost(error.reason, error.message)))
    const { limits } = yield* greet(connection, options)
    const requests = new Requests(connection.send)
    yield* Effect.addFinalizer(() =>
      Effect.sync(() => {
        live = undefined
        requests.lost()
        inbox.connectionLost(`${pubkey}/${sessionId}`)
      }),
    )
    live = { connection, requests }
    keeper.connected()
    maxMessageBytes = limits.maxMessageBytes
    enter(ConnectionState.Connected({ sinceMillis: yield* Clock.currentTimeMillis, maxMessageBytes }))
    yield* Effect.forkScoped(keeper.keep)
    yield* Effect.forkScoped(restore)
    return yield* Effect.raceFirst(Effect.raceFirst(read(live), outbox.run(connection.send)), keepAlive)
  }).pipe(
    Effect.scoped,
    Effect.catchDefect((defect) =>
      Effect.andThen(
        Effect.logError("a connection failed", { slug }, defect),
        Effect.fail(lost("internal", "the client failed while it handled a frame")),
      ),
    ),
    Effect.flip,
  )

  const stop = ({ code, detail, reason }: Pick<ConnectionLost, "code" | "detail" | "reason">) =>
    Effect.suspend(() => {
      if (state._tag !== "Stopped") enter(ConnectionState.Stopped({ reason, detail, code }))
      return outbox.stop(new ClientStopped({ reason, code }))
    })

  const run = Effect.gen(function* () {
    if (problem !== undefined) return yield* stop({ reason: problem, detail: problem, code: undefined })
    let attempt = 0
    while (true) {
      enter(ConnectionState.Connecting({ attempt: attempt + 1 }))
      const end = yield* connect
      if (end.terminal) return yield* stop(end)
      const nowMillis = yield* Clock.currentTimeMillis
      attempt = nextAttempt(attempt, state._tag === "Connected" ? nowMillis - state.sinceMillis : 0)
      const delay = yield* spreadDelayMillis(attempt)
      enter(ConnectionState.Waiting({ retryAtMillis: nowMillis + delay, attempt, lastError: end.detail }))
      yield* Effect.sleep(delay)
    }
  })

  const enqueue = Effect.fn("BrokerClient.enqueue")(function* (message: OutgoingMessage) {
    if (state._tag === "Stopped") return yield* new ClientStopped({ reason: state.reason, code: state.code })
    const known = yield* bestRoster
    const { frame, id, target } = yield* composeSend(message, self, {
      roster: known,
      directory: directory(known),
      book,
      maxMessageBytes,
    })
    const answer = yield* outbox.offer({ id, text: frame, targetSpec: formatTarget(target) })
    const ack = Effect.map(Deferred.await(answer), (acked): Receipt => ({
      id,
      messageId: acked.messageId,
      duplicate: acked.duplicate ?? false,
      recipients: acked.recipients ?? [],
      unsealed: acked.unsealed ?? [],
    }))
    return { id, messageId: messageIdOf(meshId, pubkey, id), target, ack } satisfies Enqueued
  }, Effect.provide(context))

  yield* Effect.addFinalizer(() =>
    stop({ reason: "the client has ended", detail: "the client has ended", code: undefined }),
  )
  yield* Effect.forkScoped(Effect.provide(run, context))
  // Before the connection is given up: the session is done, and nothing of its member's waits for it to come back.
  yield* Effect.addFinalizer(() => Effect.sync(() => live?.connection.close(goodbye, "")))

  const judge = (messages: ReadonlyArray<HeldMessage>) => judgeMessages(messages, keeper, membership.certificate)

  const client: BrokerClient = {
    membership: withoutSecrets(membership),
    inbox,
    state: Effect.sync(() => state),
    awaitConnected: (within) =>
      settled.await.pipe(
        Effect.andThen(
          Effect.suspend(() =>
            state._tag === "Stopped"
              ? Effect.fail(new ClientStopped({ reason: state.reason, code: state.code }))
              : Effect.void,
          ),
        ),
        Effect.timeoutOrElse({
          duration: within,
          orElse: () => Effect.suspend(() => Effect.fail(new NotConnected({ reason: whyNotConnected() }))),
        }),
      ),
    enqueue,
    send: (message) => Effect.flatMap(enqueue(message), ({ ack }) => ack),
    outboxSize: outbox.size,
    take: (max) => Effect.andThen(inbox.seenElsewhere, judged(inbox.take(max), judge)),
    judge,
    roster: Effect.map(refreshRoster, (known) => listOf(book, known)),
    resolve: (who) => Effect.flatMap(refreshRoster, (known) => Effect.fromResult(resolveMember(who, directory(known)))),
    judgeInvites: (listed) =>
      Effect.map(keeper.sync(listed.map(({ invite }) => invite.issuer)), () => judgeInvites(listed, book)),
    peers: listPeers.pipe(
      Effect.tap(({ peers }) => keeper.sync(peers.map(({ pubkey }) => pubkey))),
      Effect.map(({ peers }) => peers.map(peerView)),
    ),
    nameOf: (key) => book.certificateOf(key)?.displayName,
    standingOf: keeper.standingOf,
    alarms: Effect.sync(() => [...keeper.alarms()]),
    withheldRevocations: Effect.sync(keeper.withheld),
    revocationOf: (subject, nowMillis) =>
      Effect.andThen(refreshRoster, keeper.nextRevocation(subject, isoFromMillis(nowMillis))),
    remember: keeper.remember,
    confirmByVoice: keeper.confirmByVoice,
    joinChannel: (channel) =>
      Effect.suspend(() => {
        wantedChannels.add(channel)
        return Effect.tapError(joinChannel(channel), (error) =>
          Effect.sync(() => {
            if (error._tag === "RequestRefused") wantedChannels.delete(channel)
          }),
        )
      }),
    leaveChannel: (channel) =>
      Effect.suspend(() => {
        wantedChannels.delete(channel)
        return Effect.asVoid(request((id): Request => ({ type: "leave_channel", channel, id }), "ok"))
      }),
    channels: Effect.map(
      request((id): Request => ({ type: "list_channels", id }), "channels"),
      ({ channels }) => channels,
    ),
    setStatus: (next) =>
      Effect.suspend(() => {
        status = next
        return sendStatus(next)
      }),
    setSummary: (next) =>
      Effect.suspend(() => {
        summary = next
        return sendProfile()
      }),
    pull: (max) =>
      Effect.map(
        request((id): Request => ({ type: "pull", id, ...(max !== undefined && { max }) }), "ok"),
        ({ remaining }) => remaining ?? 0,
      ),
    messageStatus: (messageId) =>
      request((id): Request => ({ type: "message_status", messageId, id }), "message_state"),
    ping,
  }
  return client
})
