/**
 * The broker's own bounds, each with its unit in its name. They are one value, so that a test can run the
 * production code with other numbers; operators set only what `Config.ts` reads.
 */
import { membersPerMeshMax } from "@claudemesh/domain/Limits"

export interface BrokerLimits {
  /** Sockets open at once, authenticated or not. One more is closed with 4013. */
  readonly connectionsMax: number
  /** How long a socket may take to say hello before it is closed with 4008. */
  readonly helloTimeoutMillis: number
  /** Frames received and not yet handled; beyond it the socket is not read. */
  readonly inboundFramesMax: number
  /** The same in characters. One frame is always taken. */
  readonly inboundCharactersMax: number
  /** In each turn of the event loop so long is spent on frames where they come in, and so long on those that wait. */
  readonly waitingFramesMillis: number
  /** Bytes a socket may leave unread before it is dropped; what it had not acked is pending again. */
  readonly outboundBacklogBytesMax: number
  /** Of what a socket is sent in one turn, so much is held back for its end; then it is written. */
  readonly outboundTurnCharactersMax: number
  /** Sends and leases of one connection that are not yet answered; beyond it its next frame waits. */
  readonly sendsUnderWayMax: number
  /** The same of a mesh, shared out among the connections that have some. Each may have one. */
  readonly meshSendsUnderWayMax: number
  /** Deliveries of a mesh that are being stored; beyond it each connection may have one send under way. */
  readonly meshDeliveriesUnderWayMax: number
  /** Commands waiting for one mesh; beyond it the connections that offer wait. */
  readonly meshMailboxMax: number
  /** How long a mesh without connections stays in memory. Longer than a v1 hello can be replayed. */
  readonly meshIdleMillis: number
  /** Sessions remembered for one mesh. */
  readonly sessionsPerMeshMax: number
  /** Sessions remembered for one member: beyond it the one that is away longest makes room. */
  readonly sessionsPerMemberMax: number
  /** Sessions of one member that are attached or expected back, also those that are not remembered. */
  readonly liveSessionsPerMemberMax: number
  /** How long a connection is silent before another process may take its session id. */
  readonly instanceSilentMillis: number
  /** A frame up to so many times as long as the longest is answered; the socket is closed over a longer one. */
  readonly oversizedFrameFactor: number
  /** How long a lost v2 connection's session is expected back, and is live all the while. */
  readonly sessionLeaseMillis: number
  /** Changes of the roster within so long are told together. */
  readonly presenceWindowMillis: number
  /** Sessions in one list of them, for who does not ask in pages: the one that each member used last, then the second of each. */
  readonly peersListedMax: number
  /** Sessions, or members, in one page. */
  readonly listPageMax: number
  /** Changes that one `presence` tells; more are told by several. */
  readonly presenceChangesMax: number
  /** A connection that has more unread than this is told later, and what changes meanwhile is merged. */
  readonly presenceUnreadBytesMax: number
  /** And so often it is looked whether it has read. */
  readonly presenceRetryMillis: number
  /** Sessions whose changes are remembered for it; beyond it the whole list is sent. */
  readonly presenceBehindMax: number
  /** Characters of profiles in one list, and in what is told at once: much less than a socket may leave unread. */
  readonly profileCharactersAtOnceMax: number
  /** Another profile of a session is told once in so long. */
  readonly profileToldEveryMillis: number
  /** How long a hook's report waits for its session's hello, and how many of a mesh do. Who has most makes room. */
  readonly earlyReportMillis: number
  readonly earlyReportsMax: number
  /** Channels one session may be in. */
  readonly channelsPerSessionMax: number
  /** Channels in one list: those of the session that asks first, then those with the most members. */
  readonly channelsListedMax: number
  /** Messages waiting in one inbox, in flight or not. */
  readonly backlogMessagesMax: number
  /** Ciphertext characters waiting in one inbox. */
  readonly backlogCharactersMax: number
  /** Deliveries of what one member sends, in any of its sessions: so many a second for ever, and so many at once. */
  readonly sendsPerSecond: number
  readonly sendsBurst: number
  /** Characters of ciphertexts and sealed keys of one member that are being stored; a send beyond it is refused. */
  readonly sendCharactersUnderWayMax: number
  /** Lists, pulls, leases and questions of one member: so many a second for ever, and so many at once. */
  readonly asksPerSecond: number
  readonly asksBurst: number
  /** Entries of an answer, or what a pull looks through, and messages of a lease, that cost as much as one more. */
  readonly entriesPerAsk: number
  readonly leasesPerAsk: number
  /** Channels that one member joins and leaves, in any of its sessions, and those that are not written yet. */
  readonly channelChangesPerSecond: number
  readonly channelChangesBurst: number
  readonly channelChangesUnderWayMax: number
  /** Frames of one connection, of any kind; beyond it is flooding, and closed with 4029. */
  readonly framesPerSecond: number
  readonly framesBurst: number
  /** Frames that a socket may say until its hello is proved, and one more a second. */
  readonly framesBeforeHelloMax: number
  /** Frames of one member, on all its sockets: what is above is handled later, and they are not read meanwhile. */
  readonly memberFramesPerSecond: number
  readonly memberFramesBurst: number
  /** So many characters of a frame count as one more. */
  readonly charactersPerFrame: number
  /** Members that one profile or message may be sealed to. */
  readonly sealedKeysMax: number
  /** Writes in one transaction. */
  readonly commitWritesMax: number
  /** Rows of messages and deliveries in one transaction, unless a single write has more. */
  readonly commitRowsMax: number
  /** Ciphertext and sealed-key characters in one transaction. */
  readonly commitCharactersMax: number
  /** Projections of one mesh that wait for the database, such as acks and sessions; half of them where somebody waits for the answer. */
  readonly projectionsQueuedMax: number
  /** Rows in one page of a backlog. */
  readonly pageRowsMax: number
  /** So many places of a large window are waited for before a page is read into them, but for what is urgent. */
  readonly pageRowsMin: number
  /** Window of a first client. */
  readonly windowV1Max: number
  /** How long one call of the store may take before its caller is told that it is not known what became of it. */
  readonly storeCallMillis: number
  /** The same for loading a mesh, which counts all that waits in it. */
  readonly storeLoadMillis: number
  /** How long the database may take to answer a health check. */
  readonly healthTimeoutMillis: number
  /** How old the answer of a health check may be: however often it is asked, the database is asked once in that time. */
  readonly healthProbeMillis: number
  /** A draining broker closes so many sockets at once, and more where half of its time would not do. */
  readonly drainBatchSockets: number
  readonly drainBatchMillis: number
  /** How long a draining broker waits for what is under way. */
  readonly drainTimeoutMillis: number
  /** How long it then waits for what is to be written and that nobody waits for. */
  readonly commitDrainMillis: number
  /** Bytes of an HTTP request's body. */
  readonly httpBodyBytesMax: number
  /** The same for `POST /meshes`, which brings the certificates of as many members as a mesh may have. */
  readonly meshBodyBytesMax: number
  /** How long the body of an HTTP request may take to arrive. */
  readonly httpRequestTimeoutMillis: number
  /** How often it is looked whether the certificate has changed. */
  readonly tlsCheckMillis: number
  /** Lines in the log on HTTP requests that were refused. */
  readonly refusalLinesPerSecond: number
  readonly refusalLinesBurst: number
  /** Nonces of signed requests that are remembered, each for as long as its request could be sent again. */
  readonly requestNoncesMax: number
  /** Of those, what one key may take, and one address. A key that keeps to its rate for the two minutes has more than that to say. */
  readonly requestNoncesPerKeyMax: number
  readonly requestNoncesPerAddressMax: number
  /** Sockets open at once from one address. One more is closed with 4013. */
  readonly socketsPerAddressMax: number
  /** Sockets opened from one address: so many a second for ever, and so many at once. */
  readonly socketsPerAddressPerSecond: number
  readonly socketsPerAddressBurst: number
  /** Hellos that one key has signed. */
  readonly hellosPerKeyPerSecond: number
  readonly hellosPerKeyBurst: number
  /** Requests that change something, or ask for invites: from one address, and signed by one key. */
  readonly requestsPerAddressPerSecond: number
  readonly requestsPerAddressBurst: number
  /** All other requests of an address: of health, and to paths that there are not. */
  readonly otherRequestsPerAddressPerSecond: number
  readonly otherRequestsPerAddressBurst: number
  readonly requestsPerKeyPerSecond: number
  readonly requestsPerKeyBurst: number
  /** Reports of hooks: from one address, and signed by one key. */
  readonly hooksPerAddressPerSecond: number
  readonly hooksPerAddressBurst: number
  readonly hooksPerKeyPerSecond: number
  readonly hooksPerKeyBurst: number
  /** Addresses or keys whose rate is remembered, for each of the rates. The one that was quiet longest makes room. */
  readonly rateKeysMax: number
  /** How long a message waits for its recipient, unless it asks for less. */
  readonly messageTtlMillis: number
  /** How long after its expiry at the latest a message's row is kept, for who resends it or asks what became of it. */
  readonly messageRowMillis: number
  /** How long a session that is away is remembered, with its channels. */
  readonly sessionRetentionMillis: number
  readonly auditRetentionMillis: number
  /** Between two signatures under the last block of each mesh's audit. */
  readonly auditCheckpointMillis: number
  /** How old the signed head of an audit is at most before it is read and signed anew for who asks. */
  readonly auditHeadMillis: number
  /** Between two entries of the audit on what a mesh's members were refused. */
  readonly auditRefusalsMillis: number
  /** How long an expired invite that nobody used is listed. */
  readonly inviteRetentionMillis: number
  /** Members of one mesh: no more than a message can be sealed to. */
  readonly membersPerMeshMax: number
  /** Invites of one mesh that somebody may still join by. */
  readonly invitesPerMeshMax: number
  /** Between two sweeps of what is to be kept no longer. */
  readonly retentionIntervalMillis: number
  /** Rows of each kind that one step of a sweep removes. */
  readonly retentionRowsMax: number
}

const dayMillis = 86_400_000

export const brokerLimits: BrokerLimits = {
  connectionsMax: 10_000,
  helloTimeoutMillis: 5_000,
  inboundFramesMax: 256,
  inboundCharactersMax: 1_048_576,
  waitingFramesMillis: 10,
  outboundBacklogBytesMax: 4_194_304,
  outboundTurnCharactersMax: 65_536,
  sendsUnderWayMax: 64,
  meshSendsUnderWayMax: 512,
  meshDeliveriesUnderWayMax: 4_096,
  meshMailboxMax: 1_024,
  meshIdleMillis: 180_000,
  sessionsPerMeshMax: 50_000,
  sessionsPerMemberMax: 200,
  liveSessionsPerMemberMax: 1_000,
  instanceSilentMillis: 45_000,
  oversizedFrameFactor: 4,
  sessionLeaseMillis: 90_000,
  presenceWindowMillis: 200,
  peersListedMax: 5_000,
  listPageMax: 500,
  presenceChangesMax: 256,
  presenceUnreadBytesMax: 65_536,
  presenceRetryMillis: 1_000,
  presenceBehindMax: 256,
  profileCharactersAtOnceMax: 1_572_864,
  profileToldEveryMillis: 2_000,
  earlyReportMillis: 10_000,
  earlyReportsMax: 256,
  channelsPerSessionMax: 64,
  channelsListedMax: 5_000,
  backlogMessagesMax: 10_000,
  backlogCharactersMax: 67_108_864,
  sendsPerSecond: 500,
  sendsBurst: 2_000,
  sendCharactersUnderWayMax: 33_554_432,
  asksPerSecond: 100,
  asksBurst: 2_000,
  entriesPerAsk: 250,
  leasesPerAsk: 25,
  channelChangesPerSecond: 20,
  channelChangesBurst: 500,
  channelChangesUnderWayMax: 500,
  framesPerSecond: 2_000,
  framesBurst: 10_000,
  framesBeforeHelloMax: 16,
  memberFramesPerSecond: 4_000,
  memberFramesBurst: 12_000,
  charactersPerFrame: 4_096,
  sealedKeysMax: 500,
  commitWritesMax: 256,
  commitRowsMax: 2_048,
  commitCharactersMax: 1_048_576,
  projectionsQueuedMax: 65_536,
  pageRowsMax: 256,
  pageRowsMin: 64,
  windowV1Max: 64,
  storeCallMillis: 5_000,
  storeLoadMillis: 30_000,
  healthTimeoutMillis: 2_000,
  healthProbeMillis: 2_000,
  drainBatchSockets: 100,
  drainBatchMillis: 100,
  drainTimeoutMillis: 5_000,
  commitDrainMillis: 3_000,
  httpBodyBytesMax: 65_536,
  meshBodyBytesMax: 524_288,
  httpRequestTimeoutMillis: 10_000,
  tlsCheckMillis: 10_000,
  refusalLinesPerSecond: 1,
  refusalLinesBurst: 60,
  requestNoncesMax: 50_000,
  requestNoncesPerKeyMax: 200,
  requestNoncesPerAddressMax: 2_000,
  socketsPerAddressMax: 2_000,
  socketsPerAddressPerSecond: 50,
  socketsPerAddressBurst: 2_000,
  hellosPerKeyPerSecond: 50,
  hellosPerKeyBurst: 2_000,
  requestsPerAddressPerSecond: 20,
  requestsPerAddressBurst: 100,
  otherRequestsPerAddressPerSecond: 50,
  otherRequestsPerAddressBurst: 500,
  requestsPerKeyPerSecond: 5,
  requestsPerKeyBurst: 50,
  hooksPerAddressPerSecond: 100,
  hooksPerAddressBurst: 500,
  hooksPerKeyPerSecond: 20,
  hooksPerKeyBurst: 200,
  rateKeysMax: 10_000,
  messageTtlMillis: 7 * dayMillis,
  messageRowMillis: 8 * dayMillis,
  sessionRetentionMillis: 30 * dayMillis,
  auditRetentionMillis: 365 * dayMillis,
  auditCheckpointMillis: 3_600_000,
  auditHeadMillis: 60_000,
  auditRefusalsMillis: 300_000,
  inviteRetentionMillis: 30 * dayMillis,
  membersPerMeshMax,
  invitesPerMeshMax: 1_000,
  retentionIntervalMillis: 60_000,
  retentionRowsMax: 500,
}

/** A message's row outlives the message by a day. */
export const withMessageTtl = (limits: BrokerLimits, days: number): BrokerLimits => ({
  ...limits,
  messageTtlMillis: days * dayMillis,
  messageRowMillis: (days + 1) * dayMillis,
})
