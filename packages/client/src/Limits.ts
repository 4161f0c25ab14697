/** The client's bounds, each with its unit in its name. What both ends must know is in the domain's limits. */
import { inFlightMax } from "@claudemesh/domain/Limits"

/** Messages of a process that were sent and are not answered yet; the next one fails at once. */
export const outboxMax = 100
/** The same of a member, over all processes of this machine, and the characters of their sealed frames. */
export const outboxMemberMax = 500
export const outboxMemberCharactersMax = 33_554_432
/** How long a message may wait to be sent; then its sender is told that it was not. */
export const outboxMillis = 24 * 60 * 60_000
/** What is to be told of messages that were not sent; the oldest makes room. */
export const outboxProblemsMax = 100
/** Ids of sent messages that this machine knows again by their first characters. */
export const sentMessagesMax = 2_000
/** How often a process with messages in its outbox says that it lives. */
export const outboxBeatMillis = 5_000
/** How often a connected process looks for what others have left in theirs. */
export const outboxLookMillis = 10_000
/** How often it looks whether another one has sent what has to go before its own. */
export const outboxBehindMillis = 1_000
/** And how long another one may be silent until what it has left is sent. */
export const outboxSenderSilentMillis = 15_000
/** How long a command that is connected waits, before it ends, for what waits on this machine to be sent. */
export const outboxFlushMillis = 3_000
/** What could not be sent is told to the session that wrote it, and after this to any other of its member. */
export const problemToOthersMillis = 60_000
/** Whoever is about to tell it has this long, until it is told by another. */
export const problemClaimMillis = 10 * 60_000

/** Message ids of a mesh remembered as shown, so that none is shown twice. */
export const seenMessagesMax = 100_000
/** And for how long: a day longer than a copy of one can be shown. */
export const seenMillis = 32 * 24 * 60 * 60_000

/** Opened messages of a mesh that stay readable on this machine, unless `CLAUDEMESH_HISTORY` says another number. */
export const historyMessagesDefault = 200
/** And for how many days, unless `CLAUDEMESH_HISTORY_DAYS` says so. */
export const historyDaysDefault = 7
/** The largest that either may be set to. */
export const historyMessagesMax = 100_000
export const historyDaysMax = 3_650

/** Frames read from the socket and not yet handled: a full window, and room for replies and events. */
export const incomingFramesMax = 4 * inFlightMax

/** Characters of those frames together: a list of ten thousand sessions is a fourth of it. No broker fills our memory. */
export const incomingCharactersMax = 67_108_864

/** Of an answer over HTTP: a list of a thousand invites is a tenth of it. */
export const httpAnswerBytesMax = 8_388_608

export const dialTimeoutMillis = 10_000
export const challengeTimeoutMillis = 5_000
export const helloAckTimeoutMillis = 5_000
export const requestTimeoutMillis = 10_000
export const pingIntervalMillis = 30_000
/** Of a ping after a request that had no answer, on a connection over which nothing came meanwhile. */
export const probeTimeoutMillis = 3_000

/** Between two tries to connect, and to send what was refused for now: from the first delay doubling to the longest. */
export const retryFirstMillis = 1_000
export const retryMaxMillis = 30_000
/** A connection that has stood this long was good: the next retry begins at the first delay again. */
export const stableMillis = 60_000
/** A call dials at once instead of waiting for the next try, but not more often than this. */
export const dialEveryMillis = 1_000
/** How long a call waits for the connection that it dialled. */
export const reachTimeoutMillis = 3_000

/** A clock that is further from the broker's is named in every answer. */
export const clockSkewNoticeMillis = 60_000
/**
 * And beyond this nothing is sent: a receiver takes 5 minutes between the sender's time and the broker's, and a minute of that is
 * left for what the measuring of it is off.
 */
export const clockSkewRefusedMillis = 240_000
/** A clock that has moved by this more or less than the time that passed was set: its distance is measured again. */
export const clockSetMillis = 5_000

export const statusEverywhereTimeoutMillis = 5_000

/** Times that a message is refused, for what may pass, before its sender is told. An outage is outlasted. */
export const refusalsMax = 8
/** The same where the recipient's inbox is full: the sender is told while it waits. */
export const backlogRefusalsMax = 4

/** Members that one message or profile may be sealed to: the broker takes no more. */
export const sealedKeysMax = 500

/** Members of a mesh that are remembered; what is proved beyond is not believed. */
export const pinnedMembersMax = 10_000

/** Keys whose proof is asked for at once when a list of members is learned; the rest with the next one. */
export const unknownKeysMax = 1_000

/** Members whose word for a revocation is weighed at a time. */
export const trustGossipMax = 100

/** Sessions of a mesh that are told one by one; a broker that has more is asked when somebody wants to know. */
export const rosterSessionsMax = 50_000
/** Members or sessions that are asked for at once, and how many pages of them; what a broker has beyond is not known. */
export const listPageMax = 200
export const listPagesMax = 500
/** Who joined can read our profile after this at the latest: the sessions of a mesh do not all seal at once. */
export const resealSpreadMillis = 5_000

/** Names that a broker may suggest where it refuses a target. */
export const candidatesMax = 20

/** What is held against a broker: each once, and no more than these. */
export const alarmsMax = 100

/** The same, of a broker's record, as they are kept of each mesh. */
export const auditFindingsMax = 20

/** How long the agent waits for the proof of who sent a message; after that the sender is not verified. */
export const proofWaitMillis = 2_000

/** A message cannot wait for longer than 30 days at a broker, and may have been in an outbox for a day. */
export const copyMaxAgeMillis = 31 * 24 * 60 * 60_000

/** Base64 characters of a sealed profile that a broker takes. */
export const profileCharactersMax = 8_192

/** Another process writes `state.db`: how long SQLite waits, which nothing else in this process does meanwhile, and how
 * often and when it is asked again: 5 s in all. */
export const stateBusyMillis = 20
export const stateBusyRetries = 50
export const stateBusyRetryMillis = 80

/** A file that was written and not put in its place for this long was left by a process that died. */
export const secretFileTemporaryMillis = 60_000

/** Lines of the log that a broker can cause unasked, and in which time. */
export const brokerLogLinesMax = 5
export const brokerLogMillis = 60_000

export const httpTimeoutMillis = 10_000
/** Who waits longer than this for a broker is told so. */
export const waitNoticeMillis = 500
/** Between two requests to a broker that is starting. */
export const httpRetryMillis = 1_000

/** How long a new mesh's first invite is good: its members are certified in the same moment. */
export const firstInviteMillis = 60 * 60_000

/** Of an invite link. An admin's, with the longest names, is shorter than this. */
export const linkCharactersMax = 8_192
/** Of the text that a link is looked for in: a whole mail. */
export const linkTextBytesMax = 262_144

/** Of an exported identity: a few hundred meshes with their proofs. */
export const exportCharactersMax = 2_097_152
export const passphraseCharactersMin = 12

/** How long a mesh may take to lease what is to be shown; it delays no other mesh. */
export const leaseTimeoutMillis = 2_000

/** How long a client that ends may take to say so on the disk. */
export const endTimeoutMillis = 500

/** Messages of which it is kept when they came, where they are traced. Not many more are pushed before they are acked. */
export const tracedArrivalsMax = 1_000
