/** What agents do besides sending and reading, with what they are told held against what they know. */
import type { Label, MessageId } from "@claudemesh/domain/Ids"
import { Effect } from "effect"
import type { AgentProcess } from "./AgentProcess.ts"
import { inboxKey } from "./History.ts"
import type { Slot } from "./Slot.ts"
import type { World } from "./World.ts"

/** Joins or leaves; true once that is confirmed. Until then it is not known whether it is in. */
export const changeChannel = Effect.fnUntraced(function* (
  world: World,
  slot: Slot,
  agent: AgentProcess,
  name: Label,
  join: boolean,
) {
  if (slot.changing) return false
  const { channels } = slot
  slot.changing = true
  const set = (state: "in" | "out" | "unknown") => channels.set(name, { state, sinceMillis: world.time.nowMillis })
  if (channels.get(name)?.state !== (join ? "in" : "out")) set("unknown")
  const request = join ? agent.client.joinChannel(name) : agent.client.leaveChannel(name)
  const confirmed = yield* Effect.isSuccess(request)
  if (slot.agent !== agent) return false
  slot.changing = false
  if (confirmed && channels.get(name)?.state === "unknown") set(join ? "in" : "out")
  if (confirmed) agent.note(`is ${join ? "in" : "out of"} #${name}`)
  else if (!confirmed) set("unknown")
  return confirmed
})

/** Asks what became of a message, and holds the answer against what the store had taken before it was asked. */
export const askStatus = Effect.fnUntraced(function* (world: World, agent: AgentProcess, messageId: MessageId) {
  const { broken, history } = world
  const asked = history.accepted.get(messageId)
  const consumedBefore = new Set(history.consumed.keys())
  const sender = history.sent.get(messageId)
  if (sender === undefined) return
  const wasOver = asked !== undefined && asked.expiresAtMillis <= world.brokerMillis()
  const isOurs = sender.mesh === agent.membership.meshId && sender.from === agent.membership.pubkey
  const answer = yield* Effect.result(agent.client.messageStatus(messageId))
  if (answer._tag === "Failure") {
    const unknown = answer.failure._tag === "RequestRefused" && answer.failure.code === "unknown_message"
    if (unknown && isOurs && asked !== undefined)
      broken(`${messageId} was accepted, and its sender is told that it is unknown`)
    return
  }
  const { recipients, state } = answer.success
  agent.note(`is told that ${messageId.slice(0, 8)} is ${state}`)
  if (!isOurs) return broken(`${agent.membership.displayName} was told what became of another's ${messageId}`)
  const accepted = history.accepted.get(messageId)
  if (accepted === undefined) return broken(`${messageId} is ${state}, and was never accepted`)
  for (const { pubkey, sessionId, state } of recipients) {
    const member = world.slots.find(({ membership }) => membership.pubkey === pubkey)?.membership.memberId ?? ""
    const where = `${inboxKey(accepted.mesh, member, sessionId)} ${accepted.seq}`
    if (state !== "consumed" && consumedBefore.has(where))
      broken(`${messageId} is ${state} at ${where}, and was consumed`)
    if (state === "consumed" && !history.consumed.has(where))
      broken(`${messageId} is consumed at ${where}, and was not`)
    if (state === "pending" && wasOver && accepted.expiresAtMillis <= world.brokerMillis())
      broken(`${messageId} is pending at ${where}, and has expired`)
    if (state === "expired" && accepted.expiresAtMillis > world.latestMillis())
      broken(`${messageId} is expired at ${where}, before its time`)
  }
  const over = state === "expired" && recipients.every((one) => one.state === "expired")
  if (over && accepted.expiresAtMillis <= world.brokerMillis()) world.reportedExpired.add(messageId)
})
