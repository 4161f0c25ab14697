/**
 * When all is well: in runs with small limits, that inboxes take no more than they may hold, and members send and ask no faster
 * than they may, while the others notice nothing.
 */
import { Effect } from "effect"
import type { Cluster } from "./Cluster.ts"
import type { AcceptedMessage } from "./History.ts"

/** Slow enough for the smallest rate of any run, also for a message to everyone. */
export const betweenSendsMillis = 600

export const checkLimits = Effect.fnUntraced(function* (cluster: Cluster) {
  if (cluster.tightBacklog) yield* checkBacklog(cluster)
  if (cluster.tightRate) {
    yield* checkRate(cluster)
    yield* checkFloods(cluster)
  }
})

/** Messages with such a text that the store took. */
const acceptedWith = ({ history }: Cluster, text: string): ReadonlyArray<AcceptedMessage> =>
  [...history.sent.values()].flatMap((sent) => {
    const accepted = history.accepted.get(sent.messageId)
    return sent.text.startsWith(text) && accepted !== undefined ? [accepted] : []
  })

const takenWith = (cluster: Cluster, text: string): number => acceptedWith(cluster, text).length

/** Nobody pulls what is low, so an inbox fills up, and takes no more than it may hold. */
const checkBacklog = Effect.fnUntraced(function* (cluster: Cluster) {
  const { alive, broken, chance, pass, rules, sessionOf } = cluster
  const sender = chance.pick(alive())
  const reader = chance.pick(alive().filter(({ seat }) => seat.membership.meshId === sender?.seat.membership.meshId))
  if (sender === undefined || reader === undefined) return
  const { id, key } = sessionOf(reader.agent.process)
  // What is under way does not count yet, and a sender that was refused sends again what it has, at once.
  const most = rules.limits.backlogMessagesMax + rules.limits.sendsUnderWayMax
  for (let count = 0; count < most + 3; count++) {
    const message = { to: `${key}/${id}`, priority: "low" as const, text: `fills the inbox ${count}` }
    yield* Effect.forkScoped(sender.agent.send(message))
    yield* pass(betweenSendsMillis)
  }
  const taken = takenWith(cluster, "fills the inbox")
  if (taken > most) broken(`an inbox that may take ${most} took ${taken}`)
})

const checkRate = Effect.fnUntraced(function* (cluster: Cluster) {
  const { alive, broken, chance, pass, rules } = cluster
  const { sendsBurst, sendsPerSecond } = rules.limits
  const sender = chance.pick(alive())
  if (sender === undefined) return
  for (let count = 0; count < sendsBurst + 3 * sendsPerSecond; count++) {
    // Each to another target: to one they go one after the other.
    const to = count % 2 === 0 ? sender.seat.membership.pubkey : `tag:rate-${count}`
    yield* Effect.forkScoped(sender.agent.send({ to, priority: "now", text: `too fast ${count}` }))
  }
  yield* pass(2_000)
  const taken = takenWith(cluster, "too fast")
  const most = sendsBurst + 2 * sendsPerSecond
  if (taken > most) broken(`a member sent ${taken} messages in two seconds, and may send ${most}`)
})

const floodMillis = 2_000

/** One member sends to everybody and asks what became of it, as fast as it can; another one sends a message beside it. */
const checkFloods = Effect.fnUntraced(function* (cluster: Cluster) {
  const { alive, broken, chance, history, pass, rules } = cluster
  const { asksBurst, asksPerSecond, sendsBurst, sendsPerSecond } = rules.limits
  const member = chance.pick(alive())
  if (member === undefined) return
  const { agent, seat } = member
  const other = chance.pick(
    alive().filter(
      (one) =>
        one.seat.membership.meshId === seat.membership.meshId && one.seat.membership.pubkey !== seat.membership.pubkey,
    ),
  )
  // What it has spent is there again: only the flood is counted.
  yield* pass((1_000 * sendsBurst) / sendsPerSecond + 30_000)
  const readsBefore = history.deliveryReportReads
  for (let count = 0; count < sendsBurst + 2 * sendsPerSecond; count++) {
    yield* Effect.forkScoped(
      agent.send({ to: count % 2 === 0 ? "*" : `tag:flood-${count}`, priority: "low", text: `floods all ${count}` }),
    )
  }
  const [asked] = history.accepted.keys()
  if (asked !== undefined) {
    const ask = agent.process.inside(Effect.ignore(agent.process.client.messageStatus(asked)))
    for (let count = 0; count < 2 * asksBurst; count++) yield* Effect.forkScoped(ask)
  }
  if (other !== undefined) {
    // To nobody: an inbox may be full.
    yield* Effect.forkScoped(other.agent.send({ to: "tag:beside-flood", priority: "low", text: "beside the flood" }))
  }
  yield* pass(floodMillis)
  const floods = acceptedWith(cluster, "floods all")
  const sizes = floods.map(({ recipients }) => Math.max(1, recipients.length))
  const deliveries = sizes.reduce((sum, size) => sum + size, 0)
  // The last one may have been taken with one token, and is paid off later.
  const most = sendsBurst + (floodMillis / 1_000) * sendsPerSecond + Math.max(1, ...sizes)
  if (deliveries > most) broken(`a member caused ${deliveries} deliveries in two seconds, and may cause ${most}`)
  const reads = history.deliveryReportReads - readsBefore
  const readsMost = asksBurst + (floodMillis / 1_000) * asksPerSecond
  if (reads > readsMost) broken(`a member had the store read ${reads} times in two seconds, and may ${readsMost}`)
  if (other !== undefined && takenWith(cluster, "beside the flood") === 0) {
    broken("a message beside a flood by another member was not taken within two seconds")
  }
  // What was refused is sent again until it is taken.
  yield* pass(60_000)
})
