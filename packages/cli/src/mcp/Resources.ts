/**
 * What a host may attach without a call of the model: who is there, and what waits. Reading the inbox here is a look at the
 * outside of the messages: from whom, how urgent, how long. Nothing is leased, shown or marked by it, and no text is in it,
 * because a host that attaches a resource never says whether its model got it.
 */
import type { BrokerClient } from "@claudemesh/client/BrokerClient"
import { type HeldMessage, oldestFirst } from "@claudemesh/client/inbox/Inbox"
import type { MeshManager } from "@claudemesh/client/MeshManager"
import { Effect, Option } from "effect"
import { shortKey } from "../Output.ts"
import { groupOf, saidAt } from "../Received.ts"
import { fitted } from "./Fit.ts"
import { bodyCharactersMax } from "./Limits.ts"
import { waitingWords, whatWaits } from "./Notices.ts"
import type { Reading } from "./Reading.ts"
import { noMesh, type ToolCall, type ToolResult } from "./Tool.ts"
import { listPeers } from "./tools/listPeers.ts"
import { quoted } from "./WrapUntrusted.ts"
import * as agentWords from "../words/agent.ts"

export const inboxUri = "claudemesh://inbox"
export const peersUri = "claudemesh://peers"

export const resources = [
  {
    uri: inboxUri,
    name: "inbox",
    title: agentWords.whatWaitsOnTheMesh,
    description: agentWords.fromWhomMessagesWaitWithoutTheirText,
    mimeType: "text/plain",
  },
  {
    uri: peersUri,
    name: "peers",
    title: agentWords.peopleOnTheMesh2,
    description: agentWords.whoIsThereAsListPeersSays,
    mimeType: "text/plain",
  },
]

/** Undefined: there is no such resource. */
export const resourceText = (
  uri: string,
  call: Effect.Effect<ToolCall, ToolResult>,
): Effect.Effect<string> | undefined => {
  if (uri === peersUri) return Effect.map(listPeers.call({}, call), ({ text }) => text)
  if (uri !== inboxUri) return undefined
  return call.pipe(
    Effect.flatMap(({ manager, reading }) => inboxText(manager, reading)),
    Effect.catch(({ text }) => Effect.succeed(text)),
  )
}

const inboxText = Effect.fnUntraced(function* ({ all }: Pick<MeshManager, "all">, reading: Pick<Reading, "waiting">) {
  if (all.length === 0) return noMesh
  const waiting = yield* whatWaits(all, reading)
  if (waiting.messages === 0) return "No messages wait."
  const here = yield* Effect.forEach(all, (client) => Effect.map(client.look, (messages) => linesOf(client, messages)))
  const held = reading.waiting().map((message) => lineOf(message, message.sender.name))
  const lines = [...held, ...here.flat()]
  const more = (count: number) => `and ${count} more`
  const unseen = waiting.messages - lines.length
  return [
    agentWords.checkMessagesReadsThemNothingWasTaken(waitingWords(waiting)),
    ...fitted(lines, bodyCharactersMax, more),
    ...(unseen > 0 ? [agentWords.ofThemAreStillAtTheBroker(unseen)] : []),
  ].join("\n")
})

const linesOf = (client: BrokerClient, messages: ReadonlyArray<HeldMessage>) =>
  oldestFirst(messages).map((message) => lineOf(message, client.nameOf(message.senderKey)))

const nameCharactersMax = 64

const lineOf = (message: HeldMessage, name: string | undefined): string => {
  const { content, priority, senderKey, slug } = message
  const group = Option.fromUndefinedOr(groupOf(message))
  const size = content._tag === "Opened" ? `${content.text.length} characters` : agentWords.itDoesNotOpen
  const to = Option.match(group, { onNone: () => "", onSome: (of) => ` to ${of}` })
  return `- ${slug}: from ${quoted(name ?? "unknown", nameCharactersMax)} (${shortKey(senderKey)})${to}, ${priority}, at ${saidAt(message)}, ${size}`
}
