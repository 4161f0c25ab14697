/** What agents do besides sending and reading, with what they are told held against what they know. */
import type { Label, MessageId } from "@claudemesh/domain/Ids"
import { Effect } from "effect"
import type { Agent } from "./Agent.ts"
import type { Cluster } from "./Cluster.ts"
import { inboxKey } from "./History.ts"

/** Joins or leaves; true once that is confirmed. Until then it is not known whether the session is in. */
export const changeChannel = Effect.fnUntraced(function* (cluster: Cluster, agent: Agent, name: Label, join: boolean) {
  if (agent.changing) return false
  const { process } = agent
  const { channels } = cluster.sessionOf(process)
  agent.changing = true
  const set = (state: "in" | "out" | "unknown") => channels.set(name, { state, sinceMillis: cluster.time.nowMillis })
  if (channels.get(name)?.state !== (join ? "in" : "out")) set("unknown")
  const request = join ? process.client.joinChannel(name) : process.client.leaveChannel(name)
  if (join) agent.wanted.add(name)
  else agent.wanted.delete(name)
  const confirmed = yield* process.inside(Effect.isSuccess(request))
  agent.changing = false
  if (!process.isAlive()) return false
  const isSame = cluster.sessionOf(process).channels === channels
  if (confirmed && isSame && channels.get(name)?.state === "unknown") set(join ? "in" : "out")
  if (confirmed) process.note(`is ${join ? "in" : "out of"} #${name}`)
  else set("unknown")
  return confirmed && isSame
})

/** Asks what became of a message, and holds the answer against what the store had taken before it was asked. */
export const askStatus = Effect.fnUntraced(function* (cluster: Cluster, agent: Agent, messageId: MessageId) {
  const { broken, history } = cluster
  const asked = history.accepted.get(messageId)
  const consumedBefore = new Set(history.consumed.keys())
  const sender = history.sent.get(messageId)
  if (sender === undefined) return
  const wasOver = asked !== undefined && asked.expiresAtMillis <= cluster.brokerMillis()
  const { client, inside, membership, note } = agent.process
  const isOurs = sender.mesh === membership.meshId && sender.from === membership.pubkey
  const answer = yield* inside(Effect.result(client.messageStatus(messageId)))
  if (answer._tag === "Failure") {
    const unknown = answer.failure._tag === "RequestRefused" && answer.failure.code === "unknown_message"
    if (unknown && isOurs && asked !== undefined)
      broken(`${messageId} was accepted, and its sender is told that it is unknown`)
    return
  }
  const { recipients, state } = answer.success
  note(`is told that ${messageId.slice(0, 8)} is ${state}`)
  if (!isOurs) return broken(`${membership.displayName} was told what became of another's ${messageId}`)
  const accepted = history.accepted.get(messageId)
  if (accepted === undefined) return broken(`${messageId} is ${state}, and was never accepted`)
  for (const { pubkey, sessionId, state } of recipients) {
    const member = cluster.seats.find(({ membership }) => membership.pubkey === pubkey)?.membership.memberId ?? ""
    const where = `${inboxKey(accepted.mesh, member, sessionId)} ${accepted.seq}`
    if (state !== "consumed" && consumedBefore.has(where))
      broken(`${messageId} is ${state} at ${where}, and was consumed`)
    if (state === "consumed" && !history.consumed.has(where))
      broken(`${messageId} is consumed at ${where}, and was not`)
    if (state === "pending" && wasOver && accepted.expiresAtMillis <= cluster.brokerMillis())
      broken(`${messageId} is pending at ${where}, and has expired`)
    if (state === "expired" && accepted.expiresAtMillis > cluster.latestMillis())
      broken(`${messageId} is expired at ${where}, before its time`)
  }
  const over = state === "expired" && recipients.every((one) => one.state === "expired")
  if (over && accepted.expiresAtMillis <= cluster.brokerMillis()) cluster.reportedExpired.add(messageId)
})
