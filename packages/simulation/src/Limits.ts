/** When all is well: in runs with small limits, that inboxes take no more than they may hold, and members send no faster than they may. */
import { Effect } from "effect"
import type { Cluster } from "./Cluster.ts"

/** Slow enough for the smallest rate of any run. */
export const betweenSendsMillis = 600

export const checkLimits = Effect.fnUntraced(function* (cluster: Cluster) {
  if (cluster.tightBacklog) yield* checkBacklog(cluster)
  if (cluster.tightRate) yield* checkRate(cluster)
})

/** Messages with such a text that the store took. */
const takenWith = ({ history }: Cluster, text: string): number =>
  [...history.sent.values()].filter((sent) => sent.text.startsWith(text) && history.accepted.has(sent.messageId)).length

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
  for (let count = 0; count < sendsBurst + 4 * sendsPerSecond; count++) {
    // Each to another target: to one they go one after the other.
    const to = count % 2 === 0 ? sender.seat.membership.pubkey : `tag:rate-${count}`
    yield* Effect.forkScoped(sender.agent.send({ to, priority: "now", text: `too fast ${count}` }))
  }
  yield* pass(2_000)
  const taken = takenWith(cluster, "too fast")
  const most = sendsBurst + 2 * sendsPerSecond
  if (taken > most) broken(`a member sent ${taken} messages in two seconds, and may send ${most}`)
})
