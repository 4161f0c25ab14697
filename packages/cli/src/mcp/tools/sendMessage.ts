/** `send_message`: to a person, one of their sessions or a group, and what became of it. */
import type { BrokerClient, Enqueued, Receipt } from "@claudemesh/client/BrokerClient"
import { MessageId } from "@claudemesh/domain/Ids"
import { Priority } from "@claudemesh/domain/routing/Status"
import { formatTarget } from "@claudemesh/domain/routing/Target"
import { Effect, Option, Schema } from "effect"
import { groupWords, outcomeOf } from "../../Outcome.ts"
import { failure, tool, type ToolResult } from "../Tool.ts"
import { harmless } from "../WrapUntrusted.ts"

/** How long a tool call waits for the broker's ack before it says that the message waits here. */
const ackWaitMillis = 10_000

export const sendMessage = tool({
  name: "send_message",
  title: "Send a message to people on the mesh",
  description:
    "Send an end-to-end encrypted message to another person's coding agent on a claudemesh mesh, on this or another machine, " +
    "or to a group of them. Not for your own subagents or sessions of this program. The answer says whether it was delivered, " +
    "is held because they are busy, or is queued because they are away; of a group, for each who got it, and who was left out.",
  readOnly: false,
  input: Schema.Struct({
    target: Schema.String.annotate({
      description:
        "Who: a display name from list_peers, a public key, or key/session. Or a group: * (everyone), #channel (who joined it), " +
        "tag:label (sessions with that tag). Write mesh-slug:target when several meshes are joined, as in my-team:#builds.",
    }),
    message: Schema.NonEmptyString.annotate({ description: "The text." }),
    priority: Schema.optionalKey(
      Priority.annotate({
        description: "now: interrupts, also when busy. next (default): when they are idle. low: when they look.",
      }),
    ),
    reply_to: Schema.optionalKey(MessageId.annotate({ description: "The id of the message this answers." })),
  }),
  run: ({ message, priority = "next", reply_to, target }, manager) =>
    Effect.gen(function* () {
      const { client, to } = yield* manager.route(target)
      const enqueued = yield* client.enqueue({
        to,
        text: message,
        priority,
        ...(reply_to !== undefined && { replyTo: reply_to }),
      })
      const receipt = yield* Effect.timeoutOption(enqueued.ack, ackWaitMillis)
      const common = {
        mesh: client.membership.slug,
        target: formatTarget(enqueued.target),
        messageId: enqueued.messageId,
      }
      return Option.isSome(receipt)
        ? accepted(client, to, enqueued, receipt.value, common)
        : yield* waiting(client, to, common)
    }).pipe(
      // A message for which candidates are known says them in its text, too.
      Effect.catch((error) =>
        Effect.succeed(failure(error.message, "candidates" in error ? { candidates: error.candidates } : {})),
      ),
    ),
})

type Common = Readonly<Record<"mesh" | "target" | "messageId", string>>

const meanings = {
  delivered: "delivered: it was pushed to their session",
  held: "held: they are busy, and get it as soon as they are idle",
  queued: "queued: it waits in their inbox until one of their sessions takes it",
  full: "not taken: their inbox is full",
} as const

const accepted = (
  client: BrokerClient,
  to: string,
  enqueued: Enqueued,
  receipt: Receipt,
  common: Common,
): ToolResult => {
  const { duplicate, recipients } = receipt
  const outcome = outcomeOf(client, enqueued, receipt)
  if (outcome.group) {
    const { group: _, ...data } = outcome
    return {
      text: harmless(
        `Message to ${to} on ${common.mesh}: ${groupWords(outcome, enqueued.target)} (id ${common.messageId}).`,
      ),
      structured: { ...common, ...data, duplicate },
    }
  }
  const state = recipients[0]?.state ?? "queued"
  return {
    text: `Message to ${to} on ${common.mesh} ${meanings[state]} (id ${common.messageId}).`,
    structured: { ...common, state, recipients, duplicate },
  }
}

const waiting = Effect.fnUntraced(function* (client: BrokerClient, to: string, common: Common) {
  const outbox = yield* client.outboxSize
  return {
    text:
      `Message to ${to} on ${common.mesh} is not accepted yet: the broker has not answered. It waits here, with ${outbox - 1} ` +
      "others, and is sent by itself when the connection is back, as long as this session lives.",
    structured: { ...common, state: "waiting", outbox },
  } satisfies ToolResult
})
