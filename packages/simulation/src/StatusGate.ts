/**
 * When all is well: a status keeps a message back for as long as it stands, and what waits then goes out without being asked for,
 * whether the status ends by itself, at its time, or by hand. Nothing else happens meanwhile that could help it out.
 */
import { Effect } from "effect"
import type { Agent } from "./Agent.ts"
import type { Cluster } from "./Cluster.ts"

/** Longer than a message takes from here to there, and less than a status stands. */
const arriveMillis = 1_500
const dndSeconds = 8
/** A hook's word stands for a while, and the turn that it is of goes on. */
const turnMillisMax = 30_000

export const gatedStatuses = ["working", "dnd for a while", "dnd"] as const
type Kind = (typeof gatedStatuses)[number]

/** Somebody of it writes to somebody else. All that came before is read: else there may be no room in the window. */
export const checkGate = Effect.fnUntraced(function* (cluster: Cluster, kind: Kind) {
  const { alive, chance } = cluster
  const reader = chance.pick(alive())
  const sender = chance.pick(
    alive().filter(
      (one) => one.agent !== reader?.agent && one.seat.membership.meshId === reader?.seat.membership.meshId,
    ),
  )
  if (reader !== undefined && sender !== undefined) yield* keepsBack(cluster, kind, reader.agent, sender.agent)
})

const keepsBack = Effect.fnUntraced(function* (cluster: Cluster, kind: Kind, reader: Agent, sender: Agent) {
  const { broken, history, pass, rules, sessionOf } = cluster
  const { client, inside } = reader.process
  const say = (effect: Effect.Effect<void, unknown>) =>
    Effect.andThen(Effect.forkScoped(inside(Effect.ignore(effect))), pass(arriveMillis))
  const { id, key, member, mesh } = sessionOf(reader.process)
  const text = `at the gate of ${kind}`
  // Whatever its hooks had said is over.
  yield* pass(rules.hookFreshMillis)
  yield* say(
    kind === "working"
      ? client.setStatus("working")
      : client.setStatus("dnd", kind === "dnd" ? {} : { forSeconds: dndSeconds }),
  )
  yield* Effect.forkScoped(sender.send({ to: `${key}/${id}`, priority: "next", text }))
  yield* pass(arriveMillis)
  const sent = [...history.sent.values()].find((one) => one.text === text)
  const isPushed = () =>
    history.pushes.some((push) => push.messageId === sent?.messageId && push.member === member && push.session === id)
  const accepted = sent && history.accepted.get(sent.messageId)
  if (accepted === undefined) return broken(`${text}: it was not taken`)
  if (isPushed()) broken(`${text}: it was pushed at once`)
  if (kind === "dnd") yield* say(client.setStatus("idle"))
  else yield* pass(Math.max(rules.workingTtlMillis, dndSeconds * 1_000))
  // Its host may be in the middle of a turn, of which its hooks tell.
  for (let waited = 0; waited < turnMillisMax && !isPushed(); waited += 1_000) yield* pass(1_000)
  // What a hook handed over is confirmed by what its host does next, and holds a place in the window until then.
  const isFree = cluster
    .windows()
    .some(
      ({ authenticated, unacked }) =>
        authenticated?.mesh === mesh && authenticated.key === key && authenticated.session === id && unacked.size === 0,
    )
  // Some messages are good for seconds only.
  if (!isPushed() && isFree && accepted.expiresAtMillis > cluster.brokerMillis())
    broken(`${text}: it still waits when that is over`)
})
