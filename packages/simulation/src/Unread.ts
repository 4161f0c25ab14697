/**
 * When all is well, and nobody looks: messages lie unread in the buffers of agents, some are just being shown, some are for one session
 * alone. Then somebody of the member asks. What the broker says of the rest is the truth, and a command gets everything that
 * nobody is being shown.
 */
import { SessionId } from "@claudemesh/domain/Ids"
import { Effect, Result } from "effect"
import { checkWaiting, waitingAt } from "./checkers/Waiting.ts"
import type { Cluster } from "./Cluster.ts"
import { betweenSendsMillis } from "./Limits.ts"

/** Longer than time takes to confirm what was shown before. */
const confirmedMillis = 30_000

export const checkUnread = Effect.fnUntraced(function* (cluster: Cluster) {
  const { alive, chance, history, pass, sessionOf, tightBacklog } = cluster
  yield* pass(confirmedMillis)
  const reader = chance.pick(alive())
  if (reader === undefined) return
  const { meshId, memberId, pubkey } = reader.seat.membership
  const inMesh = alive().filter(({ seat }) => seat.membership.meshId === meshId)
  const ofMember = inMesh.filter(({ seat }) => seat.membership.memberId === memberId)
  const session = sessionOf(reader.agent.process)
  const targets = [pubkey, pubkey, `${pubkey}/${session.id}`, "*", pubkey]
  for (const [index, to] of targets.slice(0, tightBacklog ? 3 : targets.length).entries()) {
    const sender = chance.pick(inMesh)
    const priority = chance.pick(["now", "next", "next", "low"] as const) ?? "next"
    if (sender !== undefined) yield* Effect.forkScoped(sender.agent.send({ to, priority, text: `unread ${index}` }))
    yield* pass(betweenSendsMillis)
  }
  yield* pass(1_000)
  // What ends meanwhile may be counted, or not.
  const isShort = [...history.sent.values()].some(({ text, ttlMillis }) => text.startsWith("unread ") && ttlMillis)
  if (isShort) return
  if (chance.happens(0.5)) {
    reader.agent.host.look(false)
    yield* pass(400)
  }
  for (const { agent } of ofMember) yield* checkOne(cluster, agent.process)
  if (chance.happens(0.3)) return
  yield* checkCommand(cluster, reader.seat)
})

const checkOne = Effect.fnUntraced(function* (cluster: Cluster, process: Parameters<Cluster["sessionOf"]>[0]) {
  const { broken, pass, sessionOf } = cluster
  let answer:
    | Result.Result<Effect.Success<ReturnType<typeof process.client.pull>>, { readonly message: string }>
    | undefined
  yield* Effect.forkScoped(
    Effect.map(process.inside(Effect.result(process.client.pull(1))), (result) => {
      answer = result
    }),
  )
  yield* pass(300)
  if (answer === undefined || Result.isFailure(answer)) return broken("a pull was refused when all is well")
  const waiting = yield* waitingAt(cluster.brokerMillis())
  checkWaiting(sessionOf(process), answer.success, waiting, cluster.windows()).forEach(broken)
})

/** A command gets everything that nobody is being shown, and is told of the rest. */
const checkCommand = Effect.fnUntraced(function* (cluster: Cluster, seat: Parameters<Cluster["command"]>[0]) {
  const { broken, pass } = cluster
  const { memberId: member, meshId: mesh } = seat.membership
  const always = { readsMax: Number.POSITIVE_INFINITY, diesAfter: Number.POSITIVE_INFINITY }
  let said: Effect.Success<ReturnType<Cluster["command"]>>
  yield* Effect.forkScoped(
    Effect.map(cluster.command(seat, { _tag: "Inbox", ...always }), (waits) => {
      said = waits
    }),
  )
  yield* pass(5_000)
  if (said === undefined) return broken("a command got no answer when all is well")
  const waiting = yield* waitingAt(cluster.brokerMillis())
  checkWaiting(
    { mesh, member, id: SessionId.make("command") },
    { remaining: said.atBroker, elsewhere: said.elsewhere },
    waiting,
    cluster.windows(),
  ).forEach(broken)
  if (said.atBroker > 0) broken(`a command left ${said.atBroker} messages that it could have had`)
})
