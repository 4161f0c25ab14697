/**
 * The second part of a run: nothing fails any more, and everything has to come right by itself, within the times that
 * are promised. Then what the broker says of sessions, channels and groups is exact, and is held against the truth.
 */
import { Effect } from "effect"
import type { Priority } from "@claudemesh/domain/routing/Status"
import { SqlClient } from "effect/unstable/sql"
import type { AgentProcess } from "./AgentProcess.ts"
import { changeChannel } from "./Asking.ts"
import { checkAudit } from "./checkers/Audit.ts"
import { checkDelivery, isGroup } from "./checkers/Delivery.ts"
import { checkAudience, checkChannels, checkPeers } from "./checkers/Roster.ts"
import { inboxKey } from "./History.ts"
import { channelNames, type Slot, tagNames } from "./Slot.ts"
import { noFaults } from "./StoreUnderWatch.ts"
import type { World } from "./World.ts"

/** Longer than the slowest reconnect, with its handshake and a request that times out. */
const comeBackMillis = 60_000
const looksMax = 120
const pullRoundsMax = 120
/** Slow enough for the smallest rate of any run. */
const betweenSendsMillis = 600
/** Where inboxes are small, more than one of them holds at once. */
const directSends = ({ tightBacklog }: World): number => (tightBacklog ? 6 : 1)

export const peace = Effect.fnUntraced(function* (world: World) {
  const { alive, chance, history, network, note, pass, revive, rules } = world
  note("peace")
  world.setFaults(noFaults, 0)
  network.heal()
  yield* revive(true)
  for (let passed = 0; passed < comeBackMillis && !(yield* allConnected(world)); passed += 1_000) {
    yield* pass(1_000)
    yield* revive(true)
  }
  // Leases of sessions that ended, and of a broker that was away, are over; "working" ends by itself, dnd by hand.
  yield* pass(rules.limits.sessionLeaseMillis + world.backMillis() + 1_000)
  for (const { agent, slot } of alive()) {
    if (slot.mayBeInDnd) yield* Effect.forkScoped(Effect.ignore(agent.client.setStatus("idle")))
  }

  // Everything but `low` arrives by itself: nobody asks for it yet, they only look.
  for (let look = 0; look < looksMax && (yield* stillWaiting(world, ["now", "next"])) > 0; look++) {
    for (const { agent } of alive()) yield* Effect.forkScoped(agent.look)
    yield* pass(250)
  }
  const unasked = yield* stillWaiting(world, ["now", "next"])
  // A new broker knows what the last one knew. Not before: it would mend what the last one got wrong.
  if (chance.happens(0.5)) {
    yield* world.crashBroker
    yield* world.bringUp
    yield* pass(rules.limits.sessionLeaseMillis + 20_000)
  }
  yield* settleChannels(world)
  const all: ReadonlyArray<Priority> = ["now", "next", "low"]
  const open = Effect.map(stillWaiting(world, all), (waiting) => waiting > 0 || unanswered(world) > 0)
  for (let round = 0; round < pullRoundsMax && (yield* open); round++) yield* pullAll(world)

  if (world.tightBacklog) yield* checkBacklog(world)
  if (world.tightRate) yield* checkRate(world)
  for (let round = 0; round < pullRoundsMax && (yield* open); round++) yield* pullAll(world)
  yield* checkLists(world)
  yield* checkGroups(world)
  for (let round = 0; round < pullRoundsMax && (yield* open); round++) yield* pullAll(world)
  const waiting = yield* stillWaiting(world, all)

  const run = {
    history,
    latestMillis: world.latestMillis(),
    living: new Set(alive().map(({ agent }) => agent.number)),
    gone: world.gone(),
  }
  return [
    ...history.violations,
    ...checkDelivery(run),
    ...(yield* checkAudit(history)),
    ...world.refusals.always
      .filter((messageId) => history.accepted.has(messageId))
      .map((messageId) => `${messageId} was refused each time, and is stored`),
    ...(unasked > 0 ? [`${unasked} deliveries had to be asked for`] : []),
    ...(waiting > 0 ? [`${waiting} deliveries still wait when all is well`] : []),
  ]
})

const allConnected = (world: World) =>
  Effect.sync(() => world.alive().every(({ agent }) => agent.connectedSinceMillis() !== undefined))

const unanswered = ({ alive, history }: World): number => {
  const living = new Set(alive().map(({ agent }) => agent.number))
  return [...history.sent.values()].filter(({ outcome, process }) => outcome === undefined && living.has(process))
    .length
}

/** `low` comes when it is pulled, a window at a time. */
const pullAll = Effect.fnUntraced(function* ({ alive, pass }: World) {
  for (const { agent } of alive()) yield* Effect.forkScoped(Effect.ignore(agent.client.pull()))
  yield* pass(100)
  for (const { agent } of alive()) yield* Effect.forkScoped(agent.look)
  yield* pass(400)
})

/** An agent that does not know whether it is in a channel asks again, until it is told. */
const settleChannels = Effect.fnUntraced(function* (world: World) {
  const { alive, chance, pass } = world
  for (let round = 0; round < 20; round++) {
    const open = alive().flatMap(({ agent, slot }) =>
      channelNames.flatMap((name) => (slot.channels.get(name)?.state === "unknown" ? [{ agent, slot, name }] : [])),
    )
    if (open.length === 0) return
    for (const { agent, name, slot } of open) {
      yield* Effect.forkScoped(changeChannel(world, slot, agent, name, chance.happens(0.5)))
    }
    yield* pass(1_000)
  }
  world.broken("a channel can be neither joined nor left when all is well")
})

const slotsOf = (world: World, mesh: string): ReadonlyArray<Slot> =>
  world.slots.filter(({ membership }) => membership.meshId === mesh)

const meshesOf = (world: World): ReadonlyArray<string> => [
  ...new Set(world.slots.map(({ membership }) => membership.meshId)),
]

const checkLists = Effect.fnUntraced(function* (world: World) {
  const { alive, broken, pass } = world
  for (const { agent, slot } of alive()) {
    const all = slotsOf(world, slot.membership.meshId)
    yield* Effect.forkScoped(
      Effect.matchEffect(Effect.all([agent.client.peers, agent.client.channels]), {
        onFailure: ({ message }) => Effect.sync(() => broken(`a list was refused when all is well: ${message}`)),
        onSuccess: ([peers, channels]) =>
          Effect.sync(() => {
            checkPeers(peers, all).forEach(broken)
            checkChannels(channels, slot, all, channelNames).forEach(broken)
          }),
      }),
    )
  }
  yield* pass(2_000)
})

/** One message to every group of every mesh: it must reach exactly who is in it. And some to one member. */
const checkGroups = Effect.fnUntraced(function* (world: World) {
  const { alive, broken, chance, history, pass } = world
  const targets = ["*", ...channelNames.map((name) => `#${name}`), ...tagNames.map((name) => `tag:${name}`)]
  const senders = new Map<string, { readonly slot: Slot; readonly agent: AgentProcess }>()
  for (const mesh of meshesOf(world)) {
    const sender = chance.pick(alive().filter(({ slot }) => slot.membership.meshId === mesh))
    if (sender === undefined) continue
    senders.set(mesh, sender)
    const someone = chance.pick(slotsOf(world, mesh))?.membership.pubkey ?? "*"
    for (const target of [...targets, ...Array.from({ length: directSends(world) }, () => someone)]) {
      yield* sender.agent.send(target, "next", `peace ${target}`).pipe(Effect.forkScoped)
      yield* pass(betweenSendsMillis)
      for (const { agent } of alive()) yield* Effect.forkScoped(agent.look)
    }
  }
  yield* pass(2_000)
  for (const sent of history.sent.values()) {
    const sender = senders.get(sent.mesh)
    if (!sent.text.startsWith("peace ") || sender === undefined) continue
    const accepted = history.accepted.get(sent.messageId)
    if (sent.outcome !== "acked" || accepted === undefined) broken(`${sent.messageId} was not acked when all is well`)
    else if (isGroup(accepted.target)) checkAudience(accepted, sender.slot, slotsOf(world, sent.mesh)).forEach(broken)
  }
})

/** Messages with this text that the store took. */
const takenWith = ({ history }: World, text: string): number =>
  [...history.sent.values()].filter((sent) => sent.text === text && history.accepted.has(sent.messageId)).length

/** Nobody pulls what is low, so an inbox fills up, and takes no more than it may hold. */
const checkBacklog = Effect.fnUntraced(function* (world: World) {
  const { alive, broken, chance, pass, rules } = world
  const sender = chance.pick(alive())
  const to = chance.pick(slotsOf(world, sender?.slot.membership.meshId ?? ""))
  if (sender === undefined || to === undefined) return
  // What is under way does not count yet, and a sender that was refused sends again what it has, at once.
  const most = rules.limits.backlogMessagesMax + rules.limits.sendsUnderWayMax
  for (let count = 0; count < most + 3; count++) {
    yield* Effect.forkScoped(sender.agent.send(`${to.membership.pubkey}/${to.sessionId}`, "low", "fills the inbox"))
    yield* pass(betweenSendsMillis)
  }
  const taken = takenWith(world, "fills the inbox")
  if (taken > most) broken(`an inbox that may take ${most} took ${taken}`)
})

const checkRate = Effect.fnUntraced(function* (world: World) {
  const { alive, broken, chance, pass, rules } = world
  const { sendsBurst, sendsPerSecond } = rules.limits
  const sender = chance.pick(alive())
  if (sender === undefined) return
  for (let count = 0; count < sendsBurst + 4 * sendsPerSecond; count++) {
    yield* Effect.forkScoped(sender.agent.send(sender.slot.membership.pubkey, "now", "too fast"))
  }
  yield* pass(2_000)
  const taken = takenWith(world, "too fast")
  const most = sendsBurst + 2 * sendsPerSecond
  if (taken > most) broken(`a member sent ${taken} messages in two seconds, and may send ${most}`)
})

interface Waiting {
  readonly meshId: string
  readonly memberId: string
  readonly sessionId: string
  readonly target: string
  readonly expiresAt: number
}

/** Deliveries that somebody could have: not those for a session alone that will never be there again. */
const stillWaiting = Effect.fnUntraced(function* (world: World, priorities: ReadonlyArray<Priority>) {
  const sql = yield* SqlClient.SqlClient
  const rows = yield* sql<Waiting>`SELECT d.mesh_id AS "meshId", d.member_id AS "memberId", d.session_id AS "sessionId",
    m.target_spec AS target, m.expires_at AS "expiresAt"
    FROM mesh.delivery d JOIN mesh.message m ON m.mesh_id = d.mesh_id AND m.seq = d.seq
    WHERE d.consumed_at IS NULL AND ${sql.in("d.priority", priorities)}`
  const gone = world.gone()
  return rows.filter(
    ({ expiresAt, memberId, meshId, sessionId, target }) =>
      expiresAt > world.brokerMillis() &&
      !(gone.has(inboxKey(meshId, memberId, sessionId)) && /^[0-9a-f]{64}/.test(target)),
  ).length
})
