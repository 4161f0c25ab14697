/**
 * The cluster under test: the meshes and their members, the store, the network, the broker's incarnations, the machines and the seats
 * at them. It starts and ends them; what happens to them and when is decided by `FaultInjection.ts` and `Quiesce.ts`.
 */
import { brokerLimits } from "@claudemesh/broker/Limits"
import type { MeshRules } from "@claudemesh/broker/state/MeshState"
import { MessageStore } from "@claudemesh/broker/store/MessageStore"
import type { Ed25519 } from "@claudemesh/broker/trust/Ed25519"
import { type MeshId, type MessageId, SessionId } from "@claudemesh/domain/Ids"
import { Effect, type Layer } from "effect"
import { type Agent, startAgent } from "./Agent.ts"
import { type BrokerIncarnation, startBroker } from "./BrokerIncarnation.ts"
import type { Chance } from "./Chance.ts"
import { checkAccepted } from "./checkers/Accepted.ts"
import { Leases } from "./checkers/Leases.ts"
import type { ToldSession } from "./checkers/Told.ts"
import { Refusals } from "./checkers/Window.ts"
import type { ClientProcess } from "./ClientProcess.ts"
import { type Does, runCommand } from "./Command.ts"
import { History } from "./History.ts"
import { type HostFaults, noHostFaults } from "./Host.ts"
import type { Machine } from "./Machine.ts"
import { audience, makeSeats } from "./Meshes.ts"
import { Network } from "./Network.ts"
import type { Seat } from "./Seat.ts"
import { type Session, Sessions } from "./Sessions.ts"
import { withTtl } from "./ShortLife.ts"
import { noStoreFaults, type StoreFaults } from "./StoreUnderWatch.ts"
import type { VirtualTime } from "./VirtualTime.ts"

/** What was read or stored while a message was still good may be this much later: the store can be slow twice. */
const slowestMillis = 10_000
/** The broker's clock at the beginning: so that it can be set back. */
const beginMillis = 86_400_000
/** Between a change and the telling of it. */
const tellingMillisMax = 1_000
/** How long a connection may take to end when its socket has. */
const connectionEndsMillisMax = 100
/** How long after the broker's clock was set a machine's is right again, by that of its network. */
const clockFollowsMillisMax = 20_000

const limits = {
  ...brokerLimits,
  meshIdleMillis: 5_000,
  pageRowsMax: 4,
  pageRowsMin: 2,
  windowV1Max: 4,
  commitWritesMax: 8,
  commitRowsMax: 12,
  sendsUnderWayMax: 4,
  meshSendsUnderWayMax: 12,
  meshMailboxMax: 3,
  sessionLeaseMillis: 15_000,
  retentionIntervalMillis: 7_000,
  retentionRowsMax: 3,
  presenceUnreadBytesMax: 2_000,
  presenceBehindMax: 3,
  presenceChangesMax: 4,
  listPageMax: 2,
}

/** What may go wrong at the moment. */
export interface Faults {
  readonly store: StoreFaults
  readonly host: HostFaults
  /** A client's process is killed while it writes. */
  readonly diesAtWrite: number
}

export const noFaults: Faults = { store: noStoreFaults, host: noHostFaults, diesAtWrite: 0 }

export type Cluster = Effect.Success<ReturnType<typeof makeCluster>>

export const makeCluster = Effect.fnUntraced(function* (
  time: VirtualTime,
  chance: Chance,
  ed25519: Layer.Layer<Ed25519>,
) {
  const history = new History()
  const refusals = new Refusals()
  const sessions = new Sessions()
  const store = yield* MessageStore
  const note = (what: string) => history.note(time.nowMillis, what)
  const broken = (what: string) => history.broken(time.nowMillis, what)
  const leases = new Leases(history, broken)

  const tightBacklog = chance.happens(0.25)
  const tightRate = chance.happens(0.25)
  const rules: MeshRules = {
    limits: {
      ...limits,
      ...(tightBacklog && { backlogMessagesMax: 5 }),
      ...(tightRate && { sendsPerSecond: 10, sendsBurst: 8, asksPerSecond: 20, asksBurst: 100 }),
    },
    messageBytesMax: 65_536,
    workingTtlMillis: 10_000,
    hookFreshMillis: 5_000,
  }
  const { machines, seats } = yield* makeSeats({ store, time, chance, offsetMillis: beginMillis })

  let broker: BrokerIncarnation | undefined
  /** Incarnations that ended from inside, whose fibers are still to be ended. */
  let dying: ReadonlyArray<BrokerIncarnation> = []
  let offsetMillis = beginMillis
  let latestMillis = 0
  let backMillis = 0
  let jumpedAtMillis = 0
  let processes = 0
  let commands = 0
  let faults = noFaults
  /** Machines whose clock is still as the broker's was. */
  let clocksBehind: ReadonlyArray<{ readonly machine: Machine; readonly atMillis: number }> = []
  /** Reported as expired to their sender, so nobody may be given them any more. */
  const reportedExpired = new Set<MessageId>()
  const commandsRunning = new Set<ClientProcess>()
  /** Sessions for which hooks report. */
  const hooked = new Set<string>()

  const brokerMillis = () => time.nowMillis + offsetMillis
  const clock = time.clock(() => offsetMillis)

  const alive = (): ReadonlyArray<{ readonly seat: Seat; readonly agent: Agent }> =>
    seats.flatMap((seat) => (seat.agent?.process.isAlive() === true ? [{ seat, agent: seat.agent }] : []))

  /** Those whose process runs just now. */
  const awake = () => alive().filter(({ agent }) => agent.process.isAwake())

  const sessionOf = ({ membership, session }: ClientProcess): Session => {
    const { memberId: member, meshId: mesh, pubkey: key } = membership
    return sessions.of({ mesh, member, key, id: session() })
  }

  /** Of two processes that had one session each believes it has it still, until the one that comes second is told. */
  const holdersOf = (session: Session): ReadonlyArray<Agent> =>
    alive().flatMap(({ agent }) => (sessionOf(agent.process) === session ? [agent] : []))

  const holderOf = (session: Session): Agent | undefined => holdersOf(session)[0]

  /** It lost its connection to this incarnation of the broker so short a time ago that it counts as live. */
  const isExpectedBack = ({ attached, cutOffSinceMillis: since }: Session): number | undefined =>
    attached === 0 &&
    since !== undefined &&
    since > jumpedAtMillis &&
    time.nowMillis < since + rules.limits.sessionLeaseMillis - 1_000
      ? since
      : undefined

  const network = new Network(
    chance,
    time,
    (socket) => {
      if (broker === undefined) return false
      broker.accept(socket)
      return true
    },
    withTtl,
  )

  /** Since when it is certainly attached, with a connection that works. */
  const isSoundSince = (session: Session): number | undefined => {
    const holder = holderOf(session)?.process
    return holder?.isConnected() === true && network.isSound(holder.number) ? session.attachedSinceMillis : undefined
  }

  /** Whoever was lost a moment ago comes back, or does not: nobody is to hear of it before its lease is over. */
  const checkLeft = (mesh: MeshId, { member, session: id }: ToldSession) => {
    const session = sessions.find(mesh, member, id)
    if (session === undefined || session.isTransient) return
    const { attached, attachedSinceMillis = 0, lostAtMillis } = session
    const isThere = attached > 0 && time.nowMillis - attachedSinceMillis > tellingMillisMax
    const isExpected =
      lostAtMillis !== undefined &&
      lostAtMillis > jumpedAtMillis &&
      time.nowMillis < lostAtMillis + rules.limits.sessionLeaseMillis - 1_000
    if (isThere || isExpected)
      broken(`${member}/${id} was said to have left, and ${isThere ? "is there" : "is expected back"}`)
  }

  const brokerIsDown = () => {
    broker = undefined
    sessions.brokerCrashed(time.nowMillis)
    for (const link of network.links) link.cut()
  }

  const bringUp = Effect.gen(function* () {
    if (broker !== undefined) return
    note("broker starts")
    const started: BrokerIncarnation = yield* startBroker({
      store,
      ed25519,
      rules,
      clock,
      runMillis: () => time.nowMillis,
      chance,
      history,
      refusals,
      leases,
      faults: () => faults.store,
      audiences: [audience],
      broken,
      onAccepted: (accepted) =>
        checkAccepted(accepted, {
          sent: history.sent.get(accepted.messageId),
          sessions: sessions.all.filter(({ mesh }) => mesh === accepted.mesh),
          isSoundSince,
          isExpectedBack,
          mayBeFull: tightBacklog,
        }).forEach(broken),
      onAttached: ({ isTransient, session: id, tags, ...member }) => {
        const session = sessions.of({ ...member, id })
        const holders = holdersOf(session)
        for (const { process } of holders) if (process.sessionId !== id) process.note(`is ${id} now`)
        sessions.attached(session, { isTransient, tags }, time.nowMillis)
        // Its client joins them again, and nobody is told whether it could.
        for (const name of holders.flatMap(({ wanted }) => [...wanted])) {
          if (session.channels.get(name)?.state !== "in")
            session.channels.set(name, { state: "unknown", sinceMillis: time.nowMillis })
        }
      },
      onLeft: checkLeft,
      hooked,
      onDetached: ({ session: id, ...member }, saidGoodbye) =>
        sessions.detached(sessions.of({ ...member, id }), saidGoodbye, time.nowMillis),
      onPushed: (messageId) => {
        const expiresAtMillis = history.accepted.get(messageId)?.expiresAtMillis ?? Number.POSITIVE_INFINITY
        const lateMillis = Math.min(brokerMillis() - expiresAtMillis, time.nowMillis - jumpedAtMillis)
        if (lateMillis > slowestMillis) broken(`${messageId} was pushed when it had expired for long`)
        if (reportedExpired.has(messageId)) broken(`${messageId} was pushed after it was reported as expired`)
      },
      onCrash: () => {
        if (broker !== started) return
        note("broker crashes in its store")
        dying = [...dying, started]
        brokerIsDown()
      },
    })
    broker = started
  })

  const reap = Effect.suspend(() => {
    const ended = dying
    dying = []
    return Effect.forEach(ended, ({ end }) => Effect.forkScoped(end), { discard: true })
  })

  const crashBroker = Effect.suspend(() => {
    if (broker === undefined) return Effect.void
    note("broker crashes")
    broker.kill()
    dying = [...dying, broker]
    brokerIsDown()
    return reap
  })

  const setClocks = () => {
    const due = clocksBehind.filter(({ atMillis }) => atMillis <= time.nowMillis)
    clocksBehind = clocksBehind.filter((one) => !due.includes(one))
    for (const { machine } of due) machine.offsetMillis = offsetMillis + chance.between(-2_000, 2_000)
  }

  /** Whatever a connection waits for, it ends with its socket. */
  const checkConnections = () => {
    const outliving = broker?.outlivingSockets(time.nowMillis - connectionEndsMillisMax) ?? 0
    if (outliving > 0) broken(`${outliving} connections of the broker are still there, and their sockets have closed`)
  }

  const afterwards = Effect.sync(() => {
    setClocks()
    checkConnections()
  })

  /** Lets time pass. */
  const pass = (millis: number) => Effect.andThen(time.pass(millis), Effect.andThen(afterwards, reap))

  const jump = (millis: number) => {
    note(`the broker's clock jumps by ${millis / 1000} s`)
    latestMillis = Math.max(latestMillis, brokerMillis())
    offsetMillis += millis
    jumpedAtMillis = time.nowMillis
    clocksBehind = machines.map((machine) => ({
      machine,
      atMillis: time.nowMillis + chance.between(0, clockFollowsMillisMax),
    }))
    if (millis < 0) {
      backMillis -= millis
      // What was over may be to come again.
      reportedExpired.clear()
    }
  }

  const processOptions = () => ({
    number: ++processes,
    time,
    network,
    chance,
    history,
    diesAtWrite: () => faults.diesAtWrite,
  })

  const startSeat = Effect.fnUntraced(function* (seat: Seat) {
    const { machine, membership, tags } = seat
    const sessionId = seat.sessionId()
    seat.agent = yield* startAgent({
      ...processOptions(),
      machine,
      membership,
      sessionId,
      tags,
      hostFaults: () => faults.host,
    })
  })

  /** One command of the seat's member, on its machine: it runs and ends by itself. */
  const command = ({ machine, membership }: Pick<Seat, "machine" | "membership">, does: Does) => {
    commands += 1
    return runCommand({
      ...processOptions(),
      machine,
      membership,
      sessionId: SessionId.make(`command-${commands}`),
      does,
      started: (process) => commandsRunning.add(process),
    }).pipe(
      Effect.catchDefect((defect) =>
        Effect.as(
          Effect.sync(() => broken(`a command failed: ${String(defect)}`)),
          undefined,
        ),
      ),
    )
  }

  const revive = Effect.fnUntraced(function* (always: boolean) {
    for (const seat of seats) {
      if (seat.agent?.process.isAlive() === false) seat.agent = undefined
      if (seat.agent !== undefined || seat.isTwin || !seat.machine.gate.isOpen) continue
      if (always || chance.happens(0.3)) yield* startSeat(seat)
    }
    if (broker === undefined && (always || chance.happens(0.3))) yield* bringUp
  })

  return {
    time,
    chance,
    history,
    refusals,
    rules,
    sessions,
    machines,
    seats,
    network,
    note,
    broken,
    alive,
    awake,
    sessionOf,
    holderOf,
    brokerMillis,
    bringUp,
    crashBroker,
    pass,
    jump,
    startSeat,
    command,
    revive,
    reportedExpired,
    tightBacklog,
    tightRate,
    /** What the broker's connections have. */
    windows: () => [...(broker?.windows ?? [])].filter(({ isClosed }) => !isClosed),
    /** The latest that the broker's clock ever showed. */
    latestMillis: () => Math.max(latestMillis, brokerMillis()),
    /** How much longer than they say leases may last, because the clock went back. */
    backMillis: () => backMillis,
    setFaults: (next: Faults) => {
      faults = next
    },
    /** All clocks of machines are right. */
    setAllClocks: () => {
      clocksBehind = machines.map((machine) => ({ machine, atMillis: 0 }))
      setClocks()
    },
    commandsRunning: () => [...commandsRunning].filter((process) => process.isAlive()),
    stop: Effect.gen(function* () {
      for (const { agent } of alive()) yield* agent.host.crash
      for (const process of commandsRunning) yield* process.crash
      if (broker !== undefined) yield* broker.end
      yield* time.pass(10)
    }),
  }
})
