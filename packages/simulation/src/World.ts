/**
 * Everything that is there in a run: the meshes and their members, the store, the network, the broker's lives and the
 * agents' places. It starts and ends them; what happens to them and when is decided by `trouble` and `peace`.
 */
import { brokerLimits } from "@claudemesh/broker/Limits"
import type { MeshRules } from "@claudemesh/broker/mesh/MeshState"
import { MessageStore } from "@claudemesh/broker/store/MessageStore"
import type { Ed25519 } from "@claudemesh/broker/trust/Ed25519"
import { BrokerUrl } from "@claudemesh/client/keys/BrokerUrl"
import { membershipIn, newMemberKeys, newMesh } from "@claudemesh/client/invite/NewMesh"
import type { Membership } from "@claudemesh/client/keys/Membership"
import { DisplayName, type Label, type MessageId, SessionId, Slug } from "@claudemesh/domain/Ids"
import { Effect, type Layer } from "effect"
import { type AgentProcess, startAgent } from "./AgentProcess.ts"
import { type BrokerLife, startBroker } from "./BrokerLife.ts"
import type { Chance } from "./Chance.ts"
import { checkAccepted, type PastSession } from "./checkers/Accepted.ts"
import { Refusals } from "./checkers/Window.ts"
import { History, inboxKey } from "./History.ts"
import { Network } from "./Network.ts"
import { withTtl } from "./ShortLife.ts"
import { channelNames, type Slot, tagNames } from "./Slot.ts"
import { noFaults, type StoreFaults } from "./StoreUnderWatch.ts"
import type { VirtualTime } from "./VirtualTime.ts"

const url = BrokerUrl.make("ws://127.0.0.1:7900/ws")
const audience = "ws://127.0.0.1:7900"

/** What was read or stored while a message was still good may be this much later: the store can be slow twice. */
const slowestMillis = 10_000

/** The people, and who of them is in which mesh: with the same keys and session ids in both. */
const people = ["alice", "bob", "carol"].map((name) => DisplayName.make(name))
const meshes = [
  { slug: Slug.make("first"), members: [0, 1, 2], sessionsOfEach: 2 },
  { slug: Slug.make("second"), members: [0, 1], sessionsOfEach: 1 },
]

const limits = {
  ...brokerLimits,
  meshIdleMillis: 5_000,
  pageRowsMax: 4,
  commitWritesMax: 8,
  commitRowsMax: 12,
  sendsUnderWayMax: 4,
  sessionLeaseMillis: 15_000,
  janitorIntervalMillis: 7_000,
  janitorRowsMax: 3,
}

export type World = Effect.Success<ReturnType<typeof makeWorld>>

export const makeWorld = Effect.fnUntraced(function* (
  time: VirtualTime,
  chance: Chance,
  ed25519: Layer.Layer<Ed25519>,
) {
  const history = new History()
  const refusals = new Refusals()
  const store = yield* MessageStore
  const note = (what: string) => history.note(time.nowMillis, what)
  const broken = (what: string) => history.broken(time.nowMillis, what)

  const tightBacklog = chance.happens(0.25)
  const tightRate = chance.happens(0.25)
  const rules: MeshRules = {
    limits: {
      ...limits,
      ...(tightBacklog && { backlogMessagesMax: 5 }),
      ...(tightRate && { sendsPerSecond: 2, sendsBurst: 4 }),
    },
    messageBytesMax: 65_536,
    workingTtlMillis: 10_000,
    hookFreshMillis: 5_000,
  }

  const memberships = yield* makeMeshes(store)
  const slots = memberships.flatMap(({ membership, sessionsOfEach }) =>
    Array.from({ length: sessionsOfEach }, (_, place): Slot => {
      const tags: Array<Label> = tagNames.filter(() => chance.happens(0.5))
      const sessionId = SessionId.make(`s${place + 1}`)
      const channels = new Map()
      return {
        membership,
        place,
        tags,
        sessionId,
        agent: undefined,
        channels,
        changing: false,
        mayBeInDnd: false,
        sessions: 1,
      }
    }),
  )

  let broker: BrokerLife | undefined
  /** A life that ended from inside, whose fibers are still to be ended. */
  let dying: BrokerLife | undefined
  // So that it can be set back.
  let offsetMillis = 86_400_000
  let latestMillis = 0
  let backMillis = 0
  let processes = 0
  let storeFaults: StoreFaults = noFaults
  let diesBeforeAck = 0
  const past: Array<PastSession> = []
  /** Reported as expired to their sender, so nobody may be given them any more. */
  const reportedExpired = new Set<MessageId>()

  /** By (mesh, key, session): connections of this life of the broker, and when the last one was lost. */
  const attached = new Map<string, number>()
  const cutOff = new Map<string, number>()
  let jumpedAtMillis = 0

  const brokerMillis = () => time.nowMillis + offsetMillis
  const clock = time.clock(() => offsetMillis)
  /** It lost its connection to this life of the broker so short a time ago that it counts as live. */
  const isExpectedBack = ({ membership, sessionId }: Slot): number | undefined => {
    const id = inboxKey(membership.meshId, membership.pubkey, sessionId)
    const sinceMillis = cutOff.get(id)
    return (attached.get(id) ?? 0) === 0 &&
      sinceMillis !== undefined &&
      sinceMillis > jumpedAtMillis &&
      time.nowMillis < sinceMillis + rules.limits.sessionLeaseMillis - 1_000
      ? sinceMillis
      : undefined
  }
  const forgetConnections = () => {
    attached.clear()
    cutOff.clear()
  }
  const meshOfSlot = ({ membership }: Slot) => membership.meshId

  const network = new Network(
    chance,
    (socket) => {
      if (broker === undefined) return false
      broker.accept(socket)
      return true
    },
    withTtl,
  )

  const bringUp = Effect.gen(function* () {
    if (broker !== undefined) return
    note("broker starts")
    const started: BrokerLife = yield* startBroker({
      store,
      ed25519,
      rules,
      clock,
      chance,
      history,
      refusals,
      faults: () => storeFaults,
      audiences: [audience],
      broken,
      onAccepted: (accepted) =>
        checkAccepted(accepted, {
          sent: history.sent.get(accepted.messageId),
          slots: slots.filter((slot) => meshOfSlot(slot) === accepted.mesh),
          past: past.filter(({ mesh }) => mesh === accepted.mesh),
          isSound: (agent) => network.isSound(agent),
          isExpectedBack: (slot) => isExpectedBack(slot),
          mayBeFull: tightBacklog,
        }).forEach(broken),
      onAttached: ({ key, mesh, session }) => {
        const id = inboxKey(mesh, key, session)
        attached.set(id, (attached.get(id) ?? 0) + 1)
      },
      onDetached: ({ key, mesh, session }, saidGoodbye) => {
        const id = inboxKey(mesh, key, session)
        attached.set(id, (attached.get(id) ?? 0) - 1)
        if (saidGoodbye) cutOff.delete(id)
        else cutOff.set(id, time.nowMillis)
      },
      onPushed: (messageId) => {
        const expiresAtMillis = history.accepted.get(messageId)?.expiresAtMillis ?? Number.POSITIVE_INFINITY
        const lateMillis = Math.min(brokerMillis() - expiresAtMillis, time.nowMillis - jumpedAtMillis)
        if (lateMillis > slowestMillis) broken(`${messageId} was pushed when it had expired for long`)
        if (reportedExpired.has(messageId)) broken(`${messageId} was pushed after it was reported as expired`)
      },
      onCrash: () => {
        if (broker !== started) return
        note("broker crashes in its store")
        dying = broker
        broker = undefined
        forgetConnections()
        for (const link of network.links) link.cut()
      },
    })
    broker = started
  })

  const crashBroker = Effect.gen(function* () {
    if (broker === undefined) return
    note("broker crashes")
    dying = broker
    broker = undefined
    forgetConnections()
    for (const link of network.links) link.cut()
    yield* reap
  })

  const reap = Effect.gen(function* () {
    if (dying === undefined) return
    const ended = dying
    dying = undefined
    yield* Effect.forkScoped(ended.crash)
  })

  /** Lets time pass. */
  const pass = (millis: number) => Effect.andThen(time.pass(millis), reap)

  const jump = (millis: number) => {
    note(`the broker's clock jumps by ${millis / 1000} s`)
    latestMillis = Math.max(latestMillis, brokerMillis())
    offsetMillis += millis
    jumpedAtMillis = time.nowMillis
    if (millis < 0) {
      backMillis -= millis
      // What was over may be to come again.
      reportedExpired.clear()
    }
  }

  const startSlot = Effect.fnUntraced(function* (slot: Slot) {
    slot.agent = yield* startAgent({
      number: ++processes,
      membership: slot.membership,
      sessionId: slot.sessionId,
      tags: slot.tags,
      network,
      chance,
      history,
      faults: () => ({ diesBeforeAck }),
      wallClock: clock,
    })
    slot.changing = false
  })

  /** The session is never seen again; another one begins in its place. */
  const retire = Effect.fnUntraced(function* (slot: Slot, properly: boolean) {
    const { agent, membership, sessionId } = slot
    if (agent === undefined) return
    yield* properly ? agent.end : agent.crash
    agent.note("is gone for good")
    past.push({
      mesh: membership.meshId,
      member: membership.memberId,
      session: sessionId,
      channels: channelNames.filter((name) => (slot.channels.get(name)?.state ?? "out") !== "out"),
    })
    slot.agent = undefined
    slot.sessions += 1
    slot.sessionId = SessionId.make(`s${slot.place + 1}.${slot.sessions}`)
    slot.channels = new Map()
    slot.mayBeInDnd = false
  })

  const revive = Effect.fnUntraced(function* (always: boolean) {
    for (const slot of slots) {
      if (slot.agent?.isAlive() === false) slot.agent = undefined
      if (slot.agent === undefined && (always || chance.happens(0.3))) yield* startSlot(slot)
    }
    if (broker === undefined && (always || chance.happens(0.3))) yield* bringUp
  })

  const alive = (): ReadonlyArray<{ readonly slot: Slot; readonly agent: AgentProcess }> =>
    slots.flatMap((slot) => (slot.agent?.isAlive() === true ? [{ slot, agent: slot.agent }] : []))

  return {
    time,
    chance,
    history,
    refusals,
    rules,
    slots,
    past,
    network,
    note,
    broken,
    alive,
    brokerMillis,
    bringUp,
    crashBroker,
    pass,
    jump,
    startSlot,
    retire,
    revive,
    reportedExpired,
    tightBacklog,
    tightRate,
    /** The latest that the broker's clock ever showed. */
    latestMillis: () => Math.max(latestMillis, brokerMillis()),
    /** How much longer than they say leases may last, because the clock went back. */
    backMillis: () => backMillis,
    gone: () => new Set(past.map(({ member, mesh, session }) => inboxKey(mesh, member, session))),
    setFaults: (store: StoreFaults, dies: number) => {
      storeFaults = store
      diesBeforeAck = dies
    },
    stop: Effect.gen(function* () {
      for (const { agent } of alive()) yield* agent.crash
      if (broker !== undefined) yield* broker.crash
      yield* time.pass(10)
    }),
  }
})

const makeMeshes = Effect.fnUntraced(function* (store: typeof MessageStore.Service) {
  const all: Array<{ readonly membership: Membership; readonly sessionsOfEach: number }> = []
  // A person has the same keys in both meshes.
  const keys = yield* Effect.forEach(people, newMemberKeys)
  for (const { members, sessionsOfEach, slug } of meshes) {
    const mesh = yield* newMesh({
      slug,
      name: DisplayName.make(slug),
      brokerUrl: url,
      members: members.flatMap((index) => keys[index] ?? []),
      role: "member",
      allowV1: false,
    })
    const { owner, request } = mesh
    yield* store.createMesh(
      {
        meshId: request.meshId,
        slug: request.slug,
        name: request.name,
        ownerPublicKey: owner.publicKey,
        allowUnsealed: false,
      },
      request.invite,
      mesh.members.map(({ certificate, displayName, memberId, publicKey }) => ({
        memberId,
        publicKey,
        displayName,
        certificate,
      })),
      0,
    )
    for (const member of mesh.members) {
      all.push({ membership: membershipIn(mesh, member), sessionsOfEach })
    }
  }
  return all
})
