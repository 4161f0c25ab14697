/**
 * The broker's own bounds, each with its unit in its name. They are one value, so that a test can run the
 * production code with other numbers; operators set only what `Config.ts` reads.
 */
export interface BrokerLimits {
  /** Sockets open at once, greeted or not. One more is closed with 4013. */
  readonly connectionsMax: number
  /** How long a socket may take to say hello before it is closed with 4008. */
  readonly helloTimeoutMillis: number
  /** Frames received and not yet handled; beyond it the socket is not read. */
  readonly inboundFramesMax: number
  /** Bytes a socket may leave unread before it is dropped; what it had not acked is pending again. */
  readonly outboundBacklogBytesMax: number
  /** Sends of one connection accepted and not yet acked; beyond it its next frame waits. */
  readonly sendsUnderWayMax: number
  /** Commands waiting for one mesh; beyond it the connections that offer wait. */
  readonly meshMailboxMax: number
  /** How long a mesh without connections stays in memory. Longer than a v1 hello can be replayed. */
  readonly meshIdleMillis: number
  /** Sessions remembered for one mesh. */
  readonly sessionsPerMeshMax: number
  /** Members that one profile may be sealed to. */
  readonly sealedKeysMax: number
  /** Writes in one transaction. */
  readonly commitWritesMax: number
  /** Ciphertext characters in one transaction. */
  readonly commitCharactersMax: number
  /** Rows in one page of a backlog. */
  readonly pageRowsMax: number
  /** How long the database may take to answer a health check. */
  readonly healthTimeoutMillis: number
  /** How long a draining broker waits for what is under way. */
  readonly drainTimeoutMillis: number
  /** Bytes of an HTTP request's body. */
  readonly httpBodyBytesMax: number
  /** How long a message waits for its recipient, unless it asks for less. */
  readonly messageTtlMillis: number
}

export const brokerLimits: BrokerLimits = {
  connectionsMax: 10_000,
  helloTimeoutMillis: 5_000,
  inboundFramesMax: 256,
  outboundBacklogBytesMax: 4_194_304,
  sendsUnderWayMax: 64,
  meshMailboxMax: 1_024,
  meshIdleMillis: 180_000,
  sessionsPerMeshMax: 50_000,
  sealedKeysMax: 500,
  commitWritesMax: 256,
  commitCharactersMax: 1_048_576,
  pageRowsMax: 64,
  healthTimeoutMillis: 2_000,
  drainTimeoutMillis: 5_000,
  httpBodyBytesMax: 65_536,
  messageTtlMillis: 7 * 86_400_000,
}
