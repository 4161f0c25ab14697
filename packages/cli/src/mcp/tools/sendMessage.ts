/** `send_message`: to a person, one of their sessions or a group, and what became of it. */
import type { BrokerClient, Enqueued, Receipt } from "@claudemesh/client/BrokerClient"
import { MessageId } from "@claudemesh/domain/Ids"
import { Priority } from "@claudemesh/domain/routing/Status"
import type { OutgoingMessage } from "@claudemesh/client/seal/OutgoingMessage"
import { Effect, Option, Schema } from "effect"
import { directWords, groupWords, outcomeOf } from "../../Outcome.ts"
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
    "is held while they are busy, or waits until they connect; of a group, for each of them, and who was left out.",
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
        description: "now: at once, also when they are busy. next (default): when they are idle. low: when they look.",
      }),
    ),
    reply_to: Schema.optionalKey(MessageId.annotate({ description: "The id of the message this answers." })),
  }),
  run: ({ message, priority = "next", reply_to, target }, { hostGone, manager }) =>
    Effect.gen(function* () {
      const { client, to } = yield* manager.route(target)
      const outgoing = { to, text: message, priority, ...(reply_to !== undefined && { replyTo: reply_to }) }
      const { enqueued, receipt } = yield* answered(client, outgoing, hostGone)
      const id = `Message id ${enqueued.messageId}, mesh ${client.membership.slug}.`
      return Option.isSome(receipt) ? accepted(client, enqueued, receipt.value, id) : yield* waiting(client, id)
    }).pipe(Effect.catch((error) => Effect.succeed(failure(error.message)))),
})

/**
 * If the call is cancelled meanwhile, and the message has not left this machine, it is not sent. If the host goes it waits on
 * this machine, and the answer says so.
 */
const answered = (client: BrokerClient, message: OutgoingMessage, hostGone: Effect.Effect<void>) =>
  Effect.uninterruptibleMask((restore) =>
    Effect.flatMap(restore(client.enqueue(message)), (enqueued) =>
      restore(
        Effect.raceFirst(
          Effect.timeoutOption(enqueued.ack, ackWaitMillis),
          Effect.as(hostGone, Option.none<Receipt>()),
        ),
      ).pipe(
        Effect.onInterrupt(() => Effect.ignore(enqueued.cancel)),
        Effect.map((receipt) => ({ enqueued, receipt })),
      ),
    ),
  )

const accepted = (client: BrokerClient, enqueued: Enqueued, receipt: Receipt, id: string): ToolResult => {
  const outcome = outcomeOf(client, enqueued, receipt)
  const [only] = outcome.recipients
  const words = outcome.group || only === undefined ? groupWords(outcome, enqueued.target) : directWords(only)
  return { text: harmless(`${words} ${id}`), ...(!outcome.group && only?.state === "full" && { isError: true }) }
}

const waiting = Effect.fnUntraced(function* (client: BrokerClient, id: string) {
  const others = (yield* client.outboxSize) - 1
  const beside = others <= 0 ? "" : `, with ${others} ${others === 1 ? "other" : "others"}`
  return {
    text:
      `Not accepted yet: the broker has not answered. The message waits on this machine${beside}, and is sent when the ` +
      `broker is reached again, also when this session has ended. You are told if it is refused. ${id}`,
  } satisfies ToolResult
})
