/**
 * The second part of a run: nothing fails any more, and everything has to come right by itself, within the times that
 * are promised. Then what the broker says of sessions, channels, groups and of what waits is exact, and is held against the truth.
 */
import type { MeshId } from "@claudemesh/domain/Ids"
import type { Priority } from "@claudemesh/domain/routing/Status"
import { Effect, Result } from "effect"
import type { Agent } from "./Agent.ts"
import { changeChannel } from "./Asking.ts"
import { checkAudit } from "./checkers/Audit.ts"
import { checkDelivery } from "./checkers/Delivery.ts"
import { checkOutboxes } from "./checkers/Outbox.ts"
import { checkAudience, checkChannels, checkPeers } from "./checkers/Roster.ts"
import { differences, wordsOf } from "./checkers/Told.ts"
import { type Asker, canBeHad, waitingAt } from "./checkers/Waiting.ts"
import { comparisonId, type Window } from "./checkers/Window.ts"
import { type Cluster, noFaults } from "./Cluster.ts"
import { checkGate, gatedStatuses } from "./StatusGate.ts"
import { inboxKey, isGroup } from "./History.ts"
import { betweenSendsMillis, checkLimits } from "./Limits.ts"
import { channelNames, tagNames } from "./Seat.ts"
import type { Session } from "./Sessions.ts"
import { checkUnread } from "./Unread.ts"

/** Longer than the slowest reconnect, with its handshake and a request that times out. */
const comeBackMillis = 60_000
/** Longer than anything stays stopped, and a command goes on. */
const wakeUpMillis = 180_000
const looksMax = 200
/** Of what a host does until its turn is over: it is prolonged by messages that wait. */
const restsMax = 100
const pullRoundsMax = 120
/** Where inboxes are small, more than one of them holds at once. */
const directSends = ({ tightBacklog }: Cluster): number => (tightBacklog ? 6 : 1)
/** What was sent is written down as done, and what could not be is told to any session. */
const settleMillis = 61_000

const allPriorities: ReadonlyArray<Priority> = ["now", "next", "low"]

export const quiesce = Effect.fnUntraced(function* (cluster: Cluster) {
  const { alive, chance, history, network, note, pass, revive, rules } = cluster
  note("nothing fails any more")
  cluster.setFaults(noFaults)
  yield* until(cluster, wakeUpMillis, () => isQuiet(cluster))
  network.heal()
  cluster.setAllClocks()
  yield* revive(true)
  yield* until(cluster, comeBackMillis, () => alive().every(({ agent }) => agent.process.isConnected()))
  for (let rest = 0; rest < restsMax && alive().filter(({ agent }) => agent.host.rest()).length > 0; rest++) {
    yield* pass(300)
  }
  // Leases of sessions that ended, and of a broker that was away, are over; "working" ends by itself, dnd by hand.
  yield* pass(rules.limits.sessionLeaseMillis + cluster.backMillis() + 1_000)
  for (const { agent } of alive()) {
    const { client, inside } = agent.process
    if (agent.mayBeInDnd || cluster.sessionOf(agent.process).mayBeInDnd)
      yield* Effect.forkScoped(inside(Effect.ignore(client.setStatus("idle"))))
  }

  // Everything but `low` arrives by itself: nobody asks for it yet, they only look.
  for (let look = 0; look < looksMax; look++) {
    const readers = yield* whoWaits(cluster, ["now", "next"])
    if (readers.length === 0) break
    for (const { agent } of readers) agent.host.look(false)
    yield* pass(300)
  }
  const unasked = yield* stillWaiting(cluster, ["now", "next"])
  // A new broker knows what the last one knew. Not before: it would mend what the last one got wrong.
  if (chance.happens(0.5)) {
    yield* cluster.crashBroker
    yield* cluster.bringUp
    yield* pass(rules.limits.sessionLeaseMillis + 20_000)
  }
  yield* settleChannels(cluster)
  yield* drain(cluster)
  yield* checkUnread(cluster)
  yield* drain(cluster)
  yield* checkLimits(cluster)
  yield* drain(cluster)
  yield* checkLists(cluster)
  yield* checkGroups(cluster)
  for (const status of gatedStatuses) {
    yield* checkGate(cluster, status)
    yield* drain(cluster)
  }
  yield* pass(settleMillis)
  // Whoever is there is told what is to be told.
  for (const { agent } of alive()) agent.host.look(true)
  yield* pass(1_000)
  const waiting = yield* stillWaiting(cluster, allPriorities)

  const gone = cluster.sessions.all
    .filter((session) => cluster.holderOf(session) === undefined)
    .map(({ id, member, mesh }) => inboxKey(mesh, member, id))
  const living = new Set(alive().map(({ agent }) => agent.process.number))
  return [
    ...history.violations,
    ...(alive().every(({ agent }) => agent.process.isConnected()) ? [] : ["a process cannot connect when all is well"]),
    ...checkDelivery({ history, latestMillis: cluster.latestMillis(), gone: new Set(gone) }),
    ...checkOutboxes({ history, living, ...(yield* left(cluster)) }),
    ...(yield* checkAudit(history)),
    ...cluster.refusals.always
      .filter((messageId) => history.accepted.has(messageId))
      .map((messageId) => `${messageId} was refused each time, and is stored`),
    ...(unasked > 0 ? [`${unasked} deliveries had to be asked for`] : []),
    ...(waiting > 0 ? [`${waiting} deliveries still wait when all is well`] : []),
  ]
})

const until = Effect.fnUntraced(function* (cluster: Cluster, millis: number, isSo: () => boolean) {
  for (let passed = 0; passed < millis && !isSo(); passed += 1_000) {
    yield* cluster.pass(1_000)
    yield* cluster.revive(true)
  }
})

/** Nothing runs that ends by itself, be it because its host has left, no machine sleeps, and neither a process nor its host is stopped. */
const isQuiet = ({ alive, awake, commandsRunning, machines }: Cluster): boolean =>
  commandsRunning().length === 0 &&
  machines.every(({ gate }) => gate.isOpen) &&
  awake().length === alive().length &&
  alive().every(({ agent: { host } }) => !host.isStopped() && !host.hasLeft())

const unanswered = ({ alive, history }: Cluster): number => {
  const living = new Set(alive().map(({ agent }) => agent.process.number))
  return [...history.sent.values()].filter(
    ({ awaited, outcome, process }) => outcome === undefined && awaited && living.has(process),
  ).length
}

/** On the disks of the machines: what waits to be sent, and what is to be told. */
const left = Effect.fnUntraced(function* ({ machines, seats }: Cluster) {
  const waiting = yield* Effect.forEach(machines, ({ outbox }) => outbox.list)
  const untold = yield* Effect.forEach(seats, ({ machine, membership: { meshId, pubkey } }) =>
    machine.outbox.problems({ meshId, member: pubkey }),
  )
  return {
    waiting: new Set(waiting.flat().map(({ messageId }) => messageId)),
    untold: new Set(untold.flat().map(({ messageId }) => messageId)),
  }
})

/** Until nothing waits that somebody can have: `low` comes when it is pulled, a window at a time. */
const drain = Effect.fnUntraced(function* (cluster: Cluster) {
  for (let round = 0; round < pullRoundsMax; round++) {
    const readers = yield* whoWaits(cluster, allPriorities)
    if (readers.length === 0 && unanswered(cluster) === 0) return
    for (const { agent } of readers) agent.host.look(true)
    yield* cluster.pass(400)
  }
})

/** An agent that does not know whether it is in a channel asks again, until it is told. */
const settleChannels = Effect.fnUntraced(function* (cluster: Cluster) {
  const { alive, chance, pass } = cluster
  for (let round = 0; round < 20; round++) {
    const open = alive().flatMap(({ agent }) =>
      channelNames.flatMap((name) =>
        cluster.sessionOf(agent.process).channels.get(name)?.state === "unknown" ? [{ agent, name }] : [],
      ),
    )
    if (open.length === 0) return
    for (const { agent, name } of open) {
      yield* Effect.forkScoped(changeChannel(cluster, agent, name, chance.happens(0.5)))
    }
    yield* pass(1_000)
  }
  cluster.broken("a channel can be neither joined nor left when all is well")
})

const liveIn = ({ alive, sessionOf }: Cluster, mesh: MeshId): ReadonlyArray<Session> =>
  alive()
    .map(({ agent }) => sessionOf(agent.process))
    .filter((session) => session.mesh === mesh)

export const meshesOf = (cluster: Cluster): ReadonlyArray<MeshId> => [
  ...new Set(cluster.seats.map(({ membership }) => membership.meshId)),
]

const checkLists = Effect.fnUntraced(function* (cluster: Cluster) {
  const { alive, broken, pass, sessionOf } = cluster
  for (const { agent } of alive()) {
    const { client, inside, membership } = agent.process
    const all = liveIn(cluster, membership.meshId)
    yield* Effect.forkScoped(
      Effect.map(inside(Effect.result(Effect.all([client.peers, client.channels]))), (lists) => {
        if (Result.isFailure(lists)) return broken(`a list was refused when all is well: ${lists.failure.message}`)
        const [peers, channels] = lists.success
        checkPeers(peers, all).forEach(broken)
        checkChannels(channels, sessionOf(agent.process), all, channelNames).forEach(broken)
      }),
    )
  }
  yield* pass(2_000)
  yield* checkTold(cluster)
})

/** What each client knows without asking is what its connection was told, and that is what the broker answers when it is asked. */
const checkTold = Effect.fnUntraced(function* (cluster: Cluster) {
  const { alive, broken, network, pass, rules } = cluster
  for (const [index, { agent }] of alive().entries()) {
    const { client, inside } = agent.process
    const ends = [client.setStatus("working"), client.setStatus("dnd", { forSeconds: 5 })][index % 3]
    if (ends !== undefined) yield* Effect.forkScoped(inside(Effect.ignore(ends)))
  }
  yield* pass(rules.workingTtlMillis + 2_000)
  for (const { agent } of alive()) {
    const { client, inside, membership, number, session } = agent.process
    const { memberId: member, meshId: mesh } = membership
    const isOurs = ({ authenticated: who }: Window) =>
      who?.mesh === mesh && who.member === member && who.session === session()
    const window = cluster.windows().find(isOurs)
    if (window?.told.isTold !== true) {
      broken(`${membership.displayName}/${session()} is told nothing of who is there`)
      continue
    }
    for (const peer of window.told.peers) if (peer.status !== "idle") broken(`${wordsOf(peer)} has not ended by itself`)
    yield* Effect.forkScoped(
      Effect.map(inside(Effect.result(client.peers)), (peers) => {
        if (Result.isFailure(peers)) return broken(`nobody says who is there: ${peers.failure.message}`)
        differences("what a client knows", window.told.peers, peers.success).forEach(broken)
      }),
    )
    network.inject(number, `{"type":"list_peers","id":"${comparisonId}"}`)
  }
  yield* pass(2_000)
})

/** One message to every group of every mesh: it must reach exactly who is in it. And some to one member. */
const checkGroups = Effect.fnUntraced(function* (cluster: Cluster) {
  const { alive, broken, chance, history, pass, sessionOf } = cluster
  const groups = ["*", ...channelNames.map((name) => `#${name}`), ...tagNames.map((name) => `tag:${name}`)]
  const senders = new Map<MeshId, Agent>()
  let texts = 0
  for (const mesh of meshesOf(cluster)) {
    const sender = chance.pick(alive().filter(({ seat }) => seat.membership.meshId === mesh))?.agent
    if (sender === undefined) continue
    senders.set(mesh, sender)
    const someone = chance.pick(liveIn(cluster, mesh))?.key ?? "*"
    for (const to of [...groups, ...Array.from({ length: directSends(cluster) }, () => someone)]) {
      texts += 1
      yield* Effect.forkScoped(sender.send({ to, priority: "next", text: `quiet ${texts}` }))
      yield* pass(betweenSendsMillis)
      if (cluster.tightBacklog || texts % 3 === 0) for (const { agent } of alive()) agent.host.look(false)
    }
  }
  yield* pass(2_000)
  yield* drain(cluster)
  for (const sent of history.sent.values()) {
    const sender = senders.get(sent.mesh)
    if (!sent.text.startsWith("quiet ") || sender === undefined) continue
    const accepted = history.accepted.get(sent.messageId)
    if (sent.outcome !== "acked" || accepted === undefined) broken(`${sent.messageId} was not acked when all is well`)
    else if (isGroup(accepted.target))
      checkAudience(accepted, sessionOf(sender.process), liveIn(cluster, sent.mesh)).forEach(broken)
  }
})

/** Deliveries that somebody could have. */
const waitingIn = (cluster: Cluster, priorities: ReadonlyArray<string>) =>
  Effect.map(waitingAt(cluster.brokerMillis()), (waiting) => {
    const held = new Set(cluster.alive().map(({ agent }) => keyOf(cluster.sessionOf(agent.process))))
    return waiting.filter(
      (one) => priorities.includes(one.priority) && canBeHad(one, (asker) => !held.has(keyOf(asker))),
    )
  })

const keyOf = ({ id, member, mesh }: Asker): string => inboxKey(mesh, member, id)

const stillWaiting = (cluster: Cluster, priorities: ReadonlyArray<string>) =>
  Effect.map(waitingIn(cluster, priorities), ({ length }) => length)

/** Agents of members for whom something waits. */
const whoWaits = (cluster: Cluster, priorities: ReadonlyArray<string>) =>
  Effect.map(waitingIn(cluster, priorities), (waiting) => {
    const members = new Set(waiting.map(({ member, mesh }) => `${mesh} ${member}`))
    return cluster
      .alive()
      .filter(({ seat: { membership } }) => members.has(`${membership.meshId} ${membership.memberId}`))
  })
