/**
 * A mesh told step by step, without fibers: commands go to the real `decide`, and what it wants done is kept until
 * the scenario says that it happened. Time stands still but for `pass`.
 */
import { Base64, Nonce } from "@claudemesh/domain/Base64"
import { DisplayName, MemberId, MeshId, type MessageId, PresenceId, PublicKey, Signature } from "@claudemesh/domain/Ids"
import { ClientMessageId, Label, RequestId, SessionId, Slug } from "@claudemesh/domain/Ids"
import type { Priority, Status } from "@claudemesh/domain/routing/Status"
import { parseTarget } from "@claudemesh/domain/routing/Target"
import { messageIdOf } from "@claudemesh/domain/trust/MessageIdentity"
import type { BrokerFrame, Push } from "@claudemesh/domain/wire/BrokerFrame"
import type { Hello, Send, SetStatus } from "@claudemesh/domain/wire/ClientFrame"
import type { CloseCode } from "@claudemesh/domain/wire/CloseCode"
import { Exit, Option, Result } from "effect"
import { verifier } from "../../../domain/test/support/Trust.ts"
import { HelloProof } from "../../src/trust/HelloProof.ts"
import { contentHashOf } from "../../src/connection/SendIdentity.ts"
import { brokerLimits, type BrokerLimits } from "../../src/Limits.ts"
import { decide } from "../../src/mesh/decide.ts"
import {
  type Answer,
  type Attached,
  Command,
  CorrelationId,
  Completion,
  type Action,
  type MeshRequest,
} from "../../src/state/MeshCommand.ts"
import { loadState, type MeshRules, type MeshState, nextWakeMillis } from "../../src/state/MeshState.ts"
import type { SharedFrame } from "../../src/state/SharedFrame.ts"
import { PeerId } from "../../src/state/PeerId.ts"
import type { Sockets } from "../../src/state/Decision.ts"
import type { PeerHandle } from "../../src/mesh/Peers.ts"
import { takeOver } from "../../src/session/SessionLease.ts"
import type { Outcome } from "../../src/store/GroupCommit.ts"
import { type MemberRecord, type MeshRecord, type PageRequest, StoreError } from "../../src/store/MessageStore.ts"
import { ModelStore } from "./ModelStore.ts"

export const meshId = MeshId.make("mesh-1")
export const nonce = Nonce.make("A".repeat(32))

export const meshRecord: MeshRecord = {
  meshId,
  slug: Slug.make("team"),
  name: DisplayName.make("Team"),
  ownerPublicKey: PublicKey.make("f".repeat(64)),
  allowUnsealed: false,
}

const member = (name: string, digit: string): MemberRecord => ({
  memberId: MemberId.make(name),
  publicKey: PublicKey.make(digit.repeat(64)),
  displayName: DisplayName.make(name),
})
export const alice = member("alice", "a")
export const bob = member("bob", "b")
export const carol = member("carol", "c")

export const rulesWith = (limits: Partial<BrokerLimits> = {}): MeshRules => ({
  limits: { ...brokerLimits, ...limits },
  messageBytesMax: 65_536,
  workingTtlMillis: 60_000,
  hookFreshMillis: 30_000,
})

/** A proof made the way all are made; the signature is taken on trust, since none is what these tests are about. */
export const proofOf = (hello: Hello): HelloProof => {
  const context =
    "protocol" in hello
      ? { nonce: hello.nonce, nowMillis: 0, audiences: ["ws://broker"] }
      : { nonce: "", nowMillis: hello.timestamp, audiences: [] }
  return Result.getOrThrow(HelloProof.verify(hello, context, { verify: () => true }))
}

export interface HelloChoices {
  readonly session?: string
  readonly maxInFlight?: number
  readonly tags?: ReadonlyArray<string>
  readonly protocol?: 1 | 2
  /** Of a v1 hello: the same digit is the same hello. */
  readonly signature?: string
  readonly memberId?: string
  readonly instance?: string
  readonly transient?: true
  readonly presence?: true
  readonly displayName?: string
  /** Of a v1 hello. */
  readonly pid?: number
  readonly cwd?: string
}

export const helloOf = (who: MemberRecord, choices: HelloChoices = {}): Hello => {
  const common = {
    type: "hello" as const,
    meshId,
    memberId: MemberId.make(choices.memberId ?? who.memberId),
    pubkey: who.publicKey,
    sessionId: SessionId.make(choices.session ?? "s1"),
    signature: Signature.make((choices.signature ?? "0").padStart(128, "0")),
  }
  if (choices.protocol === 1) {
    return { ...common, pid: choices.pid ?? 1, cwd: choices.cwd ?? `/${choices.session}`, timestamp: 0 }
  }
  const { displayName, instance, maxInFlight, presence, transient } = choices
  const client = { name: "test", version: "1" }
  return {
    ...common,
    protocol: 2,
    nonce: "0".repeat(64),
    client,
    tags: (choices.tags ?? []).map((tag) => Label.make(tag)),
    ...(maxInFlight !== undefined && { maxInFlight }),
    ...(instance !== undefined && { instance: RequestId.make(instance) }),
    ...(transient && { transient }),
    ...(presence && { presence }),
    ...(displayName !== undefined && { displayName: DisplayName.make(displayName) }),
  }
}

export interface SendChoices {
  readonly id?: string
  readonly priority?: Priority
  readonly ciphertext?: string
  readonly ttlSeconds?: number
  readonly sealedKeys?: Send["sealedKeys"]
  readonly sessionId?: string
}

export const sendOf = (target: string, choices: SendChoices = {}): Send => ({
  type: "send",
  ...(choices.id !== undefined && { id: ClientMessageId.make(choices.id) }),
  targetSpec: Option.getOrThrow(parseTarget(target)),
  priority: choices.priority ?? "next",
  nonce,
  ciphertext: Base64.make(choices.ciphertext ?? "AAAA"),
  ...(choices.ttlSeconds !== undefined && { ttlSeconds: choices.ttlSeconds }),
  ...(choices.sealedKeys && { sealedKeys: choices.sealedKeys }),
  ...(choices.sessionId !== undefined && { sessionId: SessionId.make(choices.sessionId) }),
})

/** One end of a socket: what the broker told it. */
let peersMade = 0

export class Peer {
  readonly frames: Array<BrokerFrame> = []
  readonly shared: Array<SharedFrame> = []
  readonly closed: Array<CloseCode> = []
  readonly answers: Array<Attached> = []
  settled = 0
  heardAtMillis = 0
  /** What it has not read of what it was sent. */
  unreadBytes = 0
  /** False: what it is sent is not taken, as by a socket that has closed. */
  takes = true
  /** May be replaced, to look at each frame as it comes. */
  heard: (peer: Peer, frame: BrokerFrame) => void = () => {}
  readonly handle: PeerHandle = {
    id: PeerId.make(++peersMade),
    send: (frame) => {
      if (!this.takes) return false
      this.frames.push(frame)
      this.heard(this, frame)
      return true
    },
    tell: (shared) => {
      if (!this.takes) return false
      this.frames.push(shared.frame)
      this.shared.push(shared)
      this.heard(this, shared.frame)
      return true
    },
    unreadBytes: () => this.unreadBytes,
    close: (reason) => void this.closed.push(reason),
    heardAtMillis: () => this.heardAtMillis,
    settle: () => void (this.settled += 1),
  }

  constructor(
    readonly member: MemberRecord,
    readonly session: string,
  ) {}

  get id(): PeerId {
    return this.handle.id
  }

  of<Type extends BrokerFrame["type"]>(type: Type) {
    return this.frames.filter((frame): frame is Extract<BrokerFrame, { readonly type: Type }> => frame.type === type)
  }

  /** Ids of what it was pushed, in order. */
  get pushed(): ReadonlyArray<MessageId> {
    return this.of("push").map((push: Push) => push.messageId)
  }

  get last(): BrokerFrame | undefined {
    return this.frames.at(-1)
  }
}

type PendingWrite = Extract<Action, { readonly _tag: "Write" }>

export const storeFailure = (reason: StoreError["reason"]): Exit.Exit<never, StoreError> =>
  Exit.fail(new StoreError({ reason, cause: reason }))

/** Keys of a group message, as a client gives them. */
export const sealedTo = (...members: ReadonlyArray<MemberRecord>) =>
  members.map(({ publicKey }) => ({ pubkey: publicKey, key: Base64.make("AAAA") }))

export class MeshScenario {
  readonly store: ModelStore
  state: MeshState
  nowMillis = 1_000_000
  /** What is submitted to the group commit and not yet committed, in order. */
  writes: Array<PendingWrite> = []
  reads: Array<PageRequest> = []
  /** What comes back after a time, and when. */
  later: Array<{ readonly atMillis: number; readonly completion: Completion }> = []
  counts: Array<Extract<Action, { readonly _tag: "Count" | "CountWaiting" }>> = []
  readonly logged: Array<Extract<Action, { readonly _tag: "Log" }>> = []
  fenced = false
  private readonly peers = new Map<PeerId, Peer>()
  private readonly asking = new Map<CorrelationId, (answer: Answer) => void>()
  private asked = 0
  private readonly sockets: Sockets = {
    unreadBytes: (peer) => this.peers.get(peer)?.unreadBytes ?? 0,
    heardAtMillis: (peer) => this.peers.get(peer)?.heardAtMillis ?? 0,
  }
  private presences = 0

  constructor(
    readonly rules: MeshRules = rulesWith(),
    members: ReadonlyArray<MemberRecord> = [alice, bob, carol],
    mesh: MeshRecord = meshRecord,
  ) {
    this.store = new ModelStore(mesh, members)
    this.state = loadState(this.store.snapshot(), rules, verifier).state
  }

  do(input: Command | Completion): ReadonlyArray<Action> {
    const actions = decide(this.state, input, this.nowMillis, this.sockets)
    this.perform(actions)
    return actions
  }

  private perform(actions: ReadonlyArray<Action>): void {
    for (const effect of actions) {
      switch (effect._tag) {
        case "Send":
          this.peers.get(effect.peer)?.handle.send(effect.frame)
          break
        case "Tell":
          this.peers.get(effect.peer)?.handle.tell(effect.frame)
          break
        case "Close":
          this.peers.get(effect.peer)?.handle.close(effect.reason)
          break
        case "HandOver":
          if (this.peers.get(effect.peer)?.handle.send(effect.frame) === true) {
            this.writes.push({ _tag: "Write", write: effect.write, next: effect.next })
          } else this.do(effect.otherwise)
          break
        case "Settle": {
          const peer = this.peers.get(effect.peer)
          if (peer !== undefined) peer.settled += 1
          break
        }
        case "Reply":
          this.asking.get(effect.to)?.(effect.answer)
          this.asking.delete(effect.to)
          break
        case "Write":
          this.writes.push(effect)
          break
        case "ReadPage":
          this.reads.push(effect.request)
          break
        case "Count":
        case "CountWaiting":
          this.counts.push(effect)
          break
        case "ReadDeliveryReport": {
          const deliveryReport = Option.fromUndefinedOr(this.store.deliveryReportOf(effect.messageId))
          this.do({ ...effect.next, deliveryReport: Exit.succeed(deliveryReport) })
          break
        }
        case "Later":
          this.later.push({ atMillis: this.nowMillis + effect.millis, completion: effect.completion })
          break
        case "Log":
          this.logged.push(effect)
          break
        case "Fenced":
          this.fenced = true
          break
      }
    }
  }

  /** Says hello; the attachment is not committed yet. */
  arrive(who: MemberRecord, choices: HelloChoices = {}, heard: Peer["heard"] = () => {}): Peer {
    const peer = new Peer(who, choices.session ?? "s1")
    peer.heard = heard
    return this.authenticate(peer, choices)
  }

  /** Says hello on a connection that was made before. */
  authenticate(peer: Peer, choices: HelloChoices = {}): Peer {
    const who = peer.member
    this.peers.set(peer.id, peer)
    peer.heardAtMillis = this.nowMillis
    this.presences += 1
    const presenceId = PresenceId.make(`presence-${this.presences}`)
    const replyTo = this.awaitAnswer((answer) => {
      if (answer._tag === "Attach") peer.answers.push(answer.outcome)
    })
    this.do(Command.Attach({ proof: proofOf(helloOf(who, choices)), peer: peer.id, presenceId, replyTo }))
    return peer
  }

  /** Says hello, and everything under way comes to its end. */
  attach(who: MemberRecord, choices: HelloChoices = {}): Peer {
    const peer = this.arrive(who, choices)
    this.settle()
    return peer
  }

  detach(peer: Peer, saidGoodbye = false): void {
    this.do(Command.Detach({ peer: peer.id, saidGoodbye }))
  }

  /** Sends; the commit is not known yet. */
  send(from: Peer, target: string, choices: SendChoices = {}): MessageId {
    const frame = sendOf(target, choices)
    const messageId = messageIdOf(meshId, from.member.publicKey, frame.id ?? `none-${this.state.lastSeq}`)
    this.do(Command.Send({ peer: from.id, frame, messageId, contentHash: contentHashOf(frame) }))
    return messageId
  }

  request(peer: Peer, frame: MeshRequest): void {
    peer.heardAtMillis = this.nowMillis
    this.do(Command.Request({ peer: peer.id, frame }))
  }

  ack(peer: Peer, ...messageIds: ReadonlyArray<MessageId>): void {
    this.request(peer, { type: "client_ack", messageIds })
  }

  lease(peer: Peer, id: string, ...messageIds: ReadonlyArray<MessageId>): void {
    this.request(peer, { type: "lease", id: RequestId.make(id), messageIds })
  }

  release(peer: Peer, ...messageIds: ReadonlyArray<MessageId>): void {
    this.request(peer, { type: "release", messageIds })
  }

  status(peer: Peer, status: Status, more: Omit<SetStatus, "type" | "status"> = {}): void {
    this.request(peer, { type: "set_status", status, ...more })
  }

  pull(peer: Peer, id: string, max?: number): void {
    this.request(peer, { type: "pull", id: RequestId.make(id), ...(max !== undefined && { max }) })
  }

  /** Joins a channel, and everything under way comes to its end. */
  join(peer: Peer, channel: string): void {
    this.request(peer, { type: "join_channel", channel: Label.make(channel), id: RequestId.make(`join-${channel}`) })
    this.settle()
  }

  leave(peer: Peer, channel: string): void {
    this.request(peer, { type: "leave_channel", channel: Label.make(channel), id: RequestId.make(`leave-${channel}`) })
    this.settle()
  }

  /** The next write is committed, or ends as told. */
  commitOne(outcome?: Outcome): void {
    const next = this.writes.shift()
    if (next === undefined) throw new Error("nothing is being written")
    this.end(next, outcome ?? Exit.succeed(this.store.apply(next.write)))
  }

  /** What became of a write comes back, where somebody wants to know. */
  end({ next }: PendingWrite, outcome: Outcome): void {
    if (next !== undefined) this.do({ ...next, outcome })
  }

  /** Each answer comes once. */
  awaitAnswer(answered: (answer: Answer) => void): CorrelationId {
    const replyTo = CorrelationId.make(++this.asked)
    this.asking.set(replyTo, answered)
    return replyTo
  }

  readOne(rows?: Extract<Completion, { readonly _tag: "PageRead" }>["rows"]): void {
    const request = this.reads.shift()
    if (request === undefined) throw new Error("nothing is being read")
    this.do(Completion.PageRead({ request, rows: rows ?? Exit.succeed(this.store.page(request)) }))
  }

  countOne(): void {
    const count = this.counts.shift()
    if (count === undefined) throw new Error("nothing is being counted")
    if (count._tag === "Count") {
      this.do({ ...count.next, backlog: Exit.succeed(this.store.backlog(count.inboxes, this.nowMillis)) })
    } else {
      const { except, inboxes, next } = count
      this.do({ ...next, counts: Exit.succeed(this.store.countWaiting(inboxes, except, this.nowMillis)) })
    }
  }

  commit(): void {
    while (this.writes.length > 0) this.commitOne()
  }

  /** Everything under way comes to its end, and what follows from it. */
  settle(): void {
    while (this.writes.length + this.reads.length + this.counts.length > 0) {
      if (this.writes.length > 0) this.commitOne()
      else if (this.reads.length > 0) this.readOne()
      else this.countOne()
    }
  }

  /** Time passes; the mesh is woken if it asked to be. */
  pass(millis: number): void {
    this.nowMillis += millis
    const due = this.later.filter(({ atMillis }) => atMillis <= this.nowMillis)
    this.later = this.later.filter(({ atMillis }) => atMillis > this.nowMillis)
    for (const { completion } of due) this.do(completion)
    const wakeAtMillis = nextWakeMillis(this.state)
    if (wakeAtMillis !== undefined && wakeAtMillis <= this.nowMillis) this.do(Completion.Tick())
  }

  /** The owner dies and another begins from the store; what was in the group commit is written. */
  restart(): void {
    for (const { write } of this.writes) this.store.apply(write)
    this.writes = []
    this.reads = []
    this.counts = []
    this.later = []
    const loaded = loadState(this.store.snapshot(), this.rules, verifier)
    this.state = loaded.state
    this.perform(takeOver(loaded, this.nowMillis, this.sockets))
  }

  /** What memory holds for messages: empty when everything was consumed. */
  get remembered() {
    const inboxes = [...this.state.members.values()].flatMap((one) => [
      one.inbox,
      ...[...one.sessions.values()].map((session) => session.inbox),
    ])
    const connections = [...this.state.connections.values()]
    return {
      outstanding: inboxes.reduce((sum, inbox) => sum + inbox.pushed.length, 0),
      clearing: inboxes.reduce((sum, inbox) => sum + inbox.clearing, 0),
      inFlight: connections.reduce((sum, one) => sum + one.window.size, 0),
      inFlightCharacters: connections.reduce((sum, one) => sum + one.window.characters, 0),
    }
  }
}

export const nothingRemembered = { outstanding: 0, clearing: 0, inFlight: 0, inFlightCharacters: 0 }
