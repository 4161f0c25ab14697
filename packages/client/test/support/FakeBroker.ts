/**
 * A broker in memory behind the dialer's port, which answers like a real one and can be told to answer otherwise,
 * to say nothing, to close, or to be down. It keeps every frame it was sent, by connection.
 */
import { DisplayName, MemberId, MeshId, PresenceId, type PublicKey, SessionId, Slug } from "@claudemesh/domain/Ids"
import { isoFromMillis, IsoTime } from "@claudemesh/domain/IsoTime"
import { messageBytesDefault, trustRevocationsMax } from "@claudemesh/domain/Limits"
import { messageIdOf } from "@claudemesh/domain/trust/MessageIdentity"
import {
  type AuditHead,
  type BrokerFrame,
  type Channel,
  encodeBrokerFrame,
  type Member,
  type Peer,
  type Push,
  type Trust,
} from "@claudemesh/domain/wire/BrokerFrame"
import { type ClientFrame, decodeClientFrame, type HelloV2, type Send } from "@claudemesh/domain/wire/ClientFrame"
import { Clock, Crypto, Effect, Layer, Queue, Result } from "effect"
import { ConnectionClosed, Dialer, DialFailed } from "../../src/connection/Dialer.ts"
import { type KeyPair, Sodium } from "../../src/keys/Sodium.ts"
import type { Membership } from "../../src/keys/Membership.ts"
import { BrokerUrl } from "../../src/keys/BrokerUrl.ts"

/** Bytes that look random and are the same in every run. */
export const cryptoTest = (seed = 1) =>
  Layer.sync(Crypto.Crypto, () => {
    let s = seed
    const byte = () => {
      s ^= s << 13
      s ^= s >>> 17
      s ^= s << 5
      return s & 255
    }
    return Crypto.make({
      randomBytes: (size) => Uint8Array.from({ length: size }, byte),
      digest: (_algorithm, data) => Effect.succeed(data),
    })
  })

export const testLayer = Layer.merge(Sodium.layer, cryptoTest())

/** Lets every fiber that can run do so. */
export const settle = Effect.repeat(Effect.yieldNow, { times: 100 })

export const at = IsoTime.make("2026-11-24T07:59:58.670Z")

export interface Person extends KeyPair {
  readonly name: DisplayName
  readonly memberId: MemberId
  readonly sessionId: SessionId
}

export const person = (name: string) =>
  Effect.map(
    Effect.map(Sodium, ({ keyPairFromSeed }) => keyPairFromSeed(new Uint8Array(32).fill(name.charCodeAt(0)))),
    (keys): Person => ({
      ...keys,
      name: DisplayName.make(name),
      memberId: MemberId.make(`member-${name}`),
      sessionId: SessionId.make(`session-${name}`),
    }),
  )

export const membershipOf = (who: Person, slug = "team"): Membership => ({
  meshId: MeshId.make(`mesh-${slug}`),
  memberId: who.memberId,
  slug: Slug.make(slug),
  name: DisplayName.make("The Team"),
  displayName: who.name,
  pubkey: who.publicKey,
  secretKey: who.secretKey,
  brokerUrl: BrokerUrl.make(`wss://${slug}.example.com/ws`),
  joinedAt: at,
})

export const memberOf = (who: Person, protocol?: 1 | 2): Member => ({
  memberId: who.memberId,
  pubkey: who.publicKey,
  displayName: who.name,
  ...(protocol && { protocol }),
})

export const peerOf = (who: Person, changes: Partial<Peer> = {}): Peer => ({
  pubkey: who.publicKey,
  memberId: who.memberId,
  displayName: who.name,
  sessionId: who.sessionId,
  attached: true,
  status: "idle",
  protocol: 2,
  ...changes,
})

export interface FakeConnection {
  readonly dialledAtMillis: number
  readonly sent: Array<ClientFrame>
  readonly say: (frame: BrokerFrame) => void
  readonly close: (code: number, reason?: string) => void
  closed: boolean
}

/** True when it has dealt with the frame, and the usual answer is not wanted. */
type Override = (frame: ClientFrame, connection: FakeConnection) => boolean

export class FakeBroker {
  /** How far its clock is from the one of the test. */
  clockOffsetMillis = 0
  #nowMillis: () => number = () => 0
  readonly connections: Array<FakeConnection> = []
  /** "hangs": dialling neither succeeds nor fails. "mute": the socket opens, and no challenge comes. */
  mode: "up" | "down" | "hangs" | "mute" = "up"
  override: Override = () => false
  #members: ReadonlyArray<Member> = []
  peers: ReadonlyArray<Peer> = []
  /** Of the roster. Undefined: it is a broker that tells no changes. */
  rosterVersion: number | undefined
  channels: ReadonlyArray<Channel> = []
  /** All that it has, and hides or shows as it is told. */
  trust: Pick<Trust, "certificates" | "invites" | "revocations"> = { certificates: [], invites: [], revocations: [] }
  /** How many revocations it says that there are, where that is not how many it has. */
  version: number | undefined
  /** The head of its audit, in `hello_ack` and in each pong. */
  audit: AuditHead | undefined
  maxMessageBytes = messageBytesDefault
  #nonces = 0

  get latest(): FakeConnection {
    const connection = this.connections.at(-1)
    if (connection === undefined) throw new Error("nobody has dialled")
    return connection
  }

  sent<Type extends ClientFrame["type"]>(type: Type): Array<Extract<ClientFrame, { readonly type: Type }>> {
    return this.connections.flatMap(({ sent }) => sent.filter((frame) => isType(frame, type)))
  }

  get hellos(): Array<HelloV2> {
    return this.sent("hello").filter((hello) => "protocol" in hello)
  }

  get sends(): Array<Send> {
    return this.sent("send")
  }

  readonly dial = (url: string) =>
    Effect.gen({ self: this }, function* () {
      const clock = yield* Clock.Clock
      this.#nowMillis = () => clock.currentTimeMillisUnsafe() + this.clockOffsetMillis
      const dialledAtMillis = clock.currentTimeMillisUnsafe()
      if (this.mode === "hangs") return yield* Effect.never
      const incoming = yield* Queue.unbounded<string, ConnectionClosed>()
      const end = (code: number, reason: string) => {
        connection.closed = true
        Effect.runSync(Queue.fail(incoming, new ConnectionClosed({ code, reason })))
      }
      const connection: FakeConnection = {
        dialledAtMillis,
        sent: [],
        closed: false,
        say: (frame) => {
          Queue.offerUnsafe(incoming, encodeBrokerFrame(frame))
        },
        close: (code, reason = "") => end(code, reason),
      }
      this.connections.push(connection)
      if (this.mode === "down") return yield* new DialFailed({ url, reason: "refused" })
      yield* Effect.addFinalizer(() => Effect.sync(() => end(1000, "")))
      if (this.mode === "up") {
        this.#nonces += 1
        const nonce = this.#nonces.toString(16).padStart(64, "0")
        connection.say({ type: "challenge", nonce, protocols: [1, 2], brokerTime: this.time })
      }
      const send = (text: string) => {
        if (connection.closed) return false
        const frame = Result.getOrThrow(decodeClientFrame(text))
        connection.sent.push(frame)
        if (!this.override(frame, connection)) this.#answer(frame, connection)
        return true
      }
      return { incoming, send, close: end }
    })

  get members(): ReadonlyArray<Member> {
    return this.#members
  }

  /** Everybody is told that there is somebody else. */
  set members(members: ReadonlyArray<Member>) {
    this.#members = members
    for (const { closed, say } of this.connections) if (!closed) say({ type: "members_changed" })
  }

  get time(): IsoTime {
    return isoFromMillis(this.#nowMillis())
  }

  get #version(): number {
    return this.version ?? this.trust.revocations.length
  }

  /** Whoever invited or revoked is part of every answer. */
  #isAskedFor(key: PublicKey, keys: ReadonlyArray<PublicKey>): boolean {
    const { invites, revocations } = this.trust
    return (
      keys.includes(key) || invites.some(({ issuer }) => issuer === key) || revocations.some(({ by }) => by === key)
    )
  }

  #answer(frame: ClientFrame, { say }: FakeConnection): void {
    switch (frame.type) {
      case "hello":
        return say({
          type: "hello_ack",
          presenceId: PresenceId.make("p-1"),
          memberDisplayName: DisplayName.make("Alice"),
          protocol: 2,
          sessionId: frame.sessionId,
          resumed: false,
          brokerTime: this.time,
          limits: {
            maxMessageBytes: this.maxMessageBytes,
            maxInFlight: frame.type === "hello" && "protocol" in frame ? (frame.maxInFlight ?? 500) : 0,
          },
          ...(this.audit && { audit: this.audit }),
        })
      case "send":
        return say(ackOf(this.hellos[0]?.meshId, this.hellos[0]?.pubkey, frame))
      case "list_members":
        return say({ type: "members", id: frame.id, members: this.members, revocations: this.#version })
      case "get_trust":
        return say({
          type: "trust",
          id: frame.id,
          certificates: this.trust.certificates.filter(({ publicKey }) => this.#isAskedFor(publicKey, frame.keys)),
          invites: this.trust.invites,
          revocations: this.trust.revocations.slice(frame.after, frame.after + trustRevocationsMax),
          version: this.#version,
        })
      case "list_peers":
        return say({
          type: "peers",
          id: frame.id,
          ...(this.rosterVersion !== undefined && { version: this.rosterVersion }),
          peers: this.peers,
        })
      case "list_channels":
        return say({ type: "channels", id: frame.id, channels: this.channels })
      case "ping":
        return say({ type: "pong", id: frame.id, brokerTime: this.time, ...(this.audit && { audit: this.audit }) })
      case "lease":
        return say({ type: "leased", id: frame.id, messageIds: frame.messageIds })
      case "pull":
        return say({ type: "ok", id: frame.id, remaining: 0 })
      case "set_status":
      case "set_profile":
      case "join_channel":
      case "leave_channel":
        return say({ type: "ok", id: frame.id ?? "" })
      default:
        return undefined
    }
  }
}

const isType = <Type extends ClientFrame["type"]>(
  frame: ClientFrame,
  type: Type,
): frame is Extract<ClientFrame, { readonly type: Type }> & ClientFrame => frame.type === type

export const ackOf = (meshId: MeshId | undefined, sender: PublicKey | undefined, { id }: Send): BrokerFrame => {
  if (meshId === undefined || sender === undefined || id === undefined) throw new Error("a send before the hello")
  return {
    type: "ack",
    id,
    messageId: messageIdOf(meshId, sender, id),
    queued: true,
    duplicate: false,
    recipients: [],
    unsealed: [],
  }
}

/** A dialer that finds each broker under its URL. */
export const dialerFor = (brokers: Readonly<Record<string, FakeBroker>>) =>
  Layer.succeed(
    Dialer,
    Dialer.of({
      dial: (url) => brokers[url]?.dial(url) ?? Effect.fail(new DialFailed({ url, reason: "no such host" })),
    }),
  )

/** What the broker pushes of a message that was sent to it. */
export const pushOf = (
  send: Send,
  from: Person,
  meshId: MeshId,
  targetSpec: string,
  changes: Partial<Push> = {},
): Push => ({
  type: "push",
  messageId: messageIdOf(meshId, from.publicKey, send.id ?? ""),
  meshId,
  senderPubkey: from.publicKey,
  priority: send.priority,
  nonce: send.nonce,
  ciphertext: send.ciphertext,
  createdAt: at,
  senderSessionId: from.sessionId,
  senderName: from.name,
  targetSpec,
  redelivered: false,
  ...changes,
})
