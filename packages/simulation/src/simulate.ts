/**
 * One run: broker, clients and agents in one process under `TestClock`, the production code on the production store
 * (SQLite in memory), every choice from one seed. First everything goes wrong that can; then all is well again for
 * long enough; then what happened is held against what was promised.
 */
import { brokerLimits } from "@claudemesh/broker/Limits"
import type { MeshRules } from "@claudemesh/broker/mesh/MeshState"
import { MessageStore } from "@claudemesh/broker/store/MessageStore"
import { migrate } from "@claudemesh/broker/store/sql/Migrations"
import { sqliteFile } from "@claudemesh/broker/store/sql/Sqlite"
import { sqlMessageStore } from "@claudemesh/broker/store/sql/SqlMessageStore"
import { BrokerUrl } from "@claudemesh/client/http/BrokerUrl"
import { membershipIn, newMesh } from "@claudemesh/client/keys/CreateMesh"
import { Sodium } from "@claudemesh/client/keys/Sodium"
import { DisplayName, SessionId, Slug } from "@claudemesh/domain/Ids"
import { isoFromMillis } from "@claudemesh/domain/IsoTime"
import type { Priority, Status } from "@claudemesh/domain/routing/Status"
import { Clock, Effect, Layer, Random, References } from "effect"
import { SqlClient } from "effect/unstable/sql"
import { TestClock } from "effect/testing"
import { type AgentProcess, startAgent } from "./AgentProcess.ts"
import { type BrokerLife, noFaults, startBroker, type StoreFaults } from "./BrokerLife.ts"
import { Chance } from "./Chance.ts"
import { type Accepted, checkDelivery } from "./checkers/Delivery.ts"
import { History } from "./History.ts"
import { Network } from "./Network.ts"

export interface Report {
  readonly seed: number
  /** What went wrong; empty when all promises were kept. */
  readonly problems: ReadonlyArray<string>
  readonly history: ReadonlyArray<string>
  readonly sent: number
  readonly acked: number
  readonly shown: number
  readonly virtualMillis: number
}

const url = BrokerUrl.make("ws://127.0.0.1:7900/ws")
const audience = "ws://127.0.0.1:7900"
const people = ["alice", "bob", "carol"]
const sessionsOfEach = 2

const rules: MeshRules = {
  limits: { ...brokerLimits, meshIdleMillis: 5_000, pageRowsMax: 4, commitWritesMax: 8, sendsUnderWayMax: 4 },
  messageBytesMax: 65_536,
  workingTtlMillis: 10_000,
  hookFreshMillis: 5_000,
}

const faultyOdds: StoreFaults = {
  failsBefore: 0.02,
  failsAfter: 0.02,
  crashesBefore: 0.003,
  crashesAfter: 0.003,
  slow: 0.02,
}

const actions = [
  ["send", 60],
  ["look", 40],
  ["status", 8],
  ["pull", 6],
  ["cut", 4],
  ["deafClient", 1],
  ["deafServer", 1],
  ["slowLink", 2],
  ["crashAgent", 3],
  ["crashBroker", 2],
  ["wait", 10],
] as const

/** How much of a run is trouble, and how long the peace after it is: longer than the slowest reconnect. */
const steps = 150
const reconnectMillis = 60_000
const looks = 150
const pullRounds = 60

export const simulate = (seed: number): Effect.Effect<Report> =>
  Effect.suspend(() => {
    const chance = new Chance(seed)
    return run(seed, chance).pipe(
      Effect.scoped,
      Effect.provide(
        sqlMessageStore.pipe(
          Layer.provideMerge(Layer.effectDiscard(migrate)),
          Layer.provideMerge(sqliteFile(":memory:")),
          Layer.provideMerge(Sodium.layer),
          Layer.provideMerge(chance.crypto),
        ),
      ),
      Effect.provide(TestClock.layer()),
      Random.withSeed(seed),
      Effect.provideService(References.MinimumLogLevel, "None"),
      Effect.orDie,
    )
  })

const run = Effect.fnUntraced(function* (seed: number, chance: Chance) {
  const clock = yield* Clock.Clock
  const history = new History()
  const note = (what: string) => history.note(clock.currentTimeMillisUnsafe(), what)
  let storeFaults: StoreFaults = noFaults
  let diesBeforeAck = 0
  const diedBeforeAck = new Set<number>()

  const store = yield* MessageStore
  const memberships = yield* makeMesh(store)

  let broker: BrokerLife | undefined
  let crashed: BrokerLife | undefined
  const network = new Network(chance, (socket) => {
    if (broker === undefined) return false
    broker.accept(socket)
    return true
  })
  const services = yield* Layer.build(network.dialer)

  const bringUp = Effect.gen(function* () {
    if (broker !== undefined) return
    note("broker starts")
    const started: BrokerLife = yield* startBroker({
      store,
      rules,
      chance,
      history,
      faults: () => storeFaults,
      audiences: [audience],
      onCrash: () => {
        if (broker === started) {
          note("broker crashes in its store")
          crashed = broker
          broker = undefined
          for (const link of network.links) link.cut()
        }
      },
    })
    broker = started
  })

  const crashBroker = Effect.gen(function* () {
    const dying = broker
    if (dying === undefined) return
    note("broker crashes")
    broker = undefined
    for (const link of network.links) link.cut()
    yield* Effect.forkScoped(dying.crash)
  })

  const reap = Effect.gen(function* () {
    if (crashed === undefined) return
    const dying = crashed
    crashed = undefined
    yield* Effect.forkScoped(dying.crash)
  })

  let processes = 0
  const slots = memberships.flatMap((membership) =>
    Array.from({ length: sessionsOfEach }, (_, index) => ({
      membership,
      sessionId: SessionId.make(`s${index + 1}`),
      agent: undefined as AgentProcess | undefined,
    })),
  )
  type Slot = (typeof slots)[number]

  const startSlot = Effect.fnUntraced(function* (slot: Slot) {
    const number = ++processes
    slot.agent = yield* startAgent({
      number,
      membership: slot.membership,
      sessionId: slot.sessionId,
      chance,
      history,
      faults: () => ({ diesBeforeAck }),
    }).pipe(Effect.provide(services))
  })

  const settle = Effect.fnUntraced(function* (millis: number, stepMillis = 10) {
    for (let turn = 0; turn < 20; turn++) yield* Effect.yieldNow
    // In small steps, so that what a step sets free happens before the next one.
    for (let passed = 0; passed < millis; passed += stepMillis) {
      yield* TestClock.adjust(stepMillis)
      for (let turn = 0; turn < 8; turn++) yield* Effect.yieldNow
      yield* reap
    }
  })

  const alive = () => slots.flatMap(({ agent }) => (agent?.isAlive() === true ? [agent] : []))

  const someTarget = () => {
    const slot = chance.pick(slots)
    if (slot === undefined) return ""
    return chance.happens(0.3) ? `${slot.membership.pubkey}/${slot.sessionId}` : slot.membership.pubkey
  }

  let texts = 0
  const inDnd = new Set<string>()
  const act = Effect.fnUntraced(function* () {
    const agent = chance.pick(alive())
    const link = chance.pick([...network.links])
    switch (chance.weighted(actions)) {
      case "send": {
        if (agent === undefined) return
        const priority = chance.pick<Priority>(["now", "next", "next", "low"]) ?? "next"
        for (let burst = chance.between(1, 4); burst > 0; burst--) {
          yield* Effect.forkScoped(agent.send(someTarget(), priority, `text ${++texts}`))
        }
        return
      }
      case "look":
        return yield* agent?.look ?? Effect.void
      case "status": {
        if (agent === undefined) return
        const status = chance.pick<Status>(["idle", "working", "working", "dnd"]) ?? "idle"
        if (status === "dnd") inDnd.add(nameOf(agent))
        else inDnd.delete(nameOf(agent))
        yield* Effect.forkScoped(Effect.ignore(agent.client.setStatus(status)))
        return
      }
      case "pull":
        if (agent !== undefined) yield* Effect.forkScoped(Effect.ignore(agent.client.pull(chance.between(1, 20))))
        return
      case "cut":
        note("a link is cut")
        return link?.cut()
      case "deafClient":
        if (link !== undefined) link.deafClient = true
        return
      case "deafServer":
        if (link !== undefined) link.deafServer = true
        return
      case "slowLink":
        if (link !== undefined) link.latencyMillis = chance.between(500, 4_000)
        return
      case "crashAgent":
        return yield* agent?.crash ?? Effect.void
      case "crashBroker":
        return yield* crashBroker
      case "wait":
        return yield* settle(chance.between(100, 3_000))
    }
  })

  const revive = Effect.fnUntraced(function* (always: boolean) {
    for (const slot of slots) {
      if (slot.agent !== undefined && !slot.agent.isAlive()) {
        diedBeforeAck.add(slot.agent.number)
        slot.agent = undefined
      }
      if (slot.agent === undefined && (always || chance.happens(0.3))) yield* startSlot(slot)
    }
    if (broker === undefined && (always || chance.happens(0.3))) yield* bringUp
  })

  yield* bringUp
  for (const slot of slots) if (chance.happens(0.7)) yield* startSlot(slot)
  yield* settle(200)
  storeFaults = faultyOdds
  diesBeforeAck = 0.05
  for (let step = 0; step < steps; step++) {
    yield* act()
    yield* settle(chance.between(0, 60))
    if (step % 5 === 0) yield* revive(false)
  }

  note("peace")
  storeFaults = noFaults
  diesBeforeAck = 0
  network.heal()
  yield* revive(true)
  // Everything but `low` arrives by itself: nobody asks for it yet, they only look.
  for (let passed = 0; passed < reconnectMillis; passed += 5_000) {
    yield* settle(5_000, 100)
    yield* revive(true)
  }
  // Only dnd has to be ended by hand, also in a session whose process died in it: `working` ends by itself.
  for (const agent of alive()) {
    if (inDnd.has(nameOf(agent))) yield* Effect.forkScoped(Effect.ignore(agent.client.setStatus("idle")))
  }
  for (let look = 0; look < looks && (yield* stillWaiting(["now", "next"])) > 0; look++) {
    for (const agent of alive()) yield* agent.look
    yield* settle(200, 50)
  }
  const unasked = yield* stillWaiting(["now", "next"])

  // `low` comes when it is pulled, a window at a time.
  for (let round = 0; round < pullRounds && (yield* stillWaiting(["now", "next", "low"])) > 0; round++) {
    for (const agent of alive()) {
      yield* Effect.forkScoped(Effect.ignore(agent.client.pull()))
      yield* settle(30)
      yield* agent.look
    }
    yield* settle(1_000, 100)
  }

  const accepted = yield* auditLog
  const waiting = yield* stillWaiting(["now", "next", "low"])
  const living = new Set(alive().map(({ number }) => number))
  const problems = [
    ...history.violations,
    ...checkDelivery(history, accepted, diedBeforeAck, living),
    ...(unasked > 0 ? [`${unasked} deliveries had to be asked for`] : []),
    ...(waiting > 0 ? [`${waiting} deliveries still wait when all is well`] : []),
  ]
  for (const agent of alive()) yield* agent.crash
  if (broker !== undefined) yield* Effect.forkScoped(broker.crash)
  yield* settle(10)
  const report: Report = {
    seed,
    problems,
    history: history.lines,
    sent: history.sent.size,
    acked: [...history.sent.values()].filter(({ outcome }) => outcome === "acked").length,
    shown: history.handOvers.length,
    virtualMillis: clock.currentTimeMillisUnsafe(),
  }
  return report
})

const nameOf = ({ membership, sessionId }: AgentProcess): string => `${membership.pubkey}/${sessionId}`

const makeMesh = Effect.fnUntraced(function* (store: typeof MessageStore.Service) {
  const mesh = yield* newMesh({
    slug: Slug.make("sim"),
    name: DisplayName.make("sim"),
    members: people.map((name) => DisplayName.make(name)),
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
    request.members,
    0,
  )
  return mesh.members.map((member) => membershipIn(mesh, member, url, isoFromMillis(0)))
})

const auditLog = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  return yield* sql<Accepted>`SELECT message_id AS "messageId", seq FROM mesh.audit_log WHERE event = 'message_accepted'`
})

const stillWaiting = Effect.fnUntraced(function* (priorities: ReadonlyArray<Priority>) {
  const sql = yield* SqlClient.SqlClient
  const [row] = yield* sql<{ readonly waiting: number }>`SELECT count(*) AS waiting FROM mesh.delivery
    WHERE consumed_at IS NULL AND ${sql.in("priority", priorities)}`
  return row?.waiting ?? 0
})
