/**
 * `send_message`: to a person, one of their sessions or a group, and what became of it. It may wait until the message was
 * shown, or for the reply to it, which is then leased, wrapped and confirmed like any other message.
 */
import type { BrokerClient, Enqueued, Receipt } from "@claudemesh/client/BrokerClient"
import { Priority } from "@claudemesh/domain/routing/Status"
import type { OutgoingMessage } from "@claudemesh/client/seal/OutgoingMessage"
import { Clock, Effect, Option, Schema } from "effect"
import { outcomeWords } from "../../Outcome.ts"
import { awaitDeliveryReport, isReplyTo, type Waited, type WaitFor } from "../AwaitDeliveryReport.ts"
import { inboxesOf } from "../Inboxes.ts"
import { waitSecondsDefault, waitSecondsMax } from "../Limits.ts"
import { separator } from "../Reading.ts"
import { type Addressed, addressed } from "../ReplyTarget.ts"
import { failure, tool, type ToolCall, type ToolResult } from "../Tool.ts"
import { deliveryReportWords } from "./messageStatus.ts"
import { betweenTags, harmless } from "../WrapUntrusted.ts"
import * as toolWords from "../../words/tools.ts"

/** How long a tool call waits for the broker's ack before it says that the message waits here. */
const ackWaitMillis = 10_000

/** Replies that one wait gives: a group may give many. */
const repliesMax = 20

export const sendMessage = tool({
  name: "send_message",
  title: toolWords.messagePeopleOnTheMesh,
  description: toolWords.sendAMessageToAnotherPersonsAgent,
  readOnly: false,
  input: Schema.Struct({
    target: Schema.optionalKey(
      Schema.String.annotate({
        description: toolWords.aNameOrKeyOfListPeers,
      }),
    ),
    message: Schema.NonEmptyString,
    priority: Schema.optionalKey(
      Priority.annotate({
        description: toolWords.nowAlsoWhenTheyAreBusyNext,
      }),
    ),
    reply_to: Schema.optionalKey(
      Schema.String.check(
        Schema.isPattern(/^[0-9a-f]{8,32}$/, { expected: toolWords.aMessageIdOrAtLeastThe }),
      ).annotate({ description: toolWords.idOfTheMessageThisAnswersGoes }),
    ),
    wait: Schema.optionalKey(
      Schema.Literals(["shown", "reply"]).annotate({
        description: toolWords.waitUntilItWasShownOrFor,
      }),
    ),
    seconds: Schema.optionalKey(
      Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: waitSecondsMax })).annotate({
        description: toolWords.ofTheWaitAtMostByDefault(waitSecondsDefault),
      }),
    ),
  }),
  run: ({ message, priority = "next", reply_to, seconds, target, wait }, call) =>
    Effect.gen(function* () {
      if (seconds !== undefined && wait === undefined) return failure(toolWords.nothingWasSentSecondsGoesWithWait)
      const deadline = (yield* Clock.currentTimeMillis) + (seconds ?? waitSecondsDefault) * 1_000
      const place = yield* placeOf(call, target, reply_to)
      const { client, replyTo, to } = place
      const outgoing = { to, text: message, priority, ...(replyTo !== undefined && { replyTo }) }
      const { enqueued, receipt } = yield* answered(client, outgoing, call.hostGone, wait === undefined)
      const end = [...(place.note === "" ? [] : [place.note]), idWords(client, enqueued)].join(" ")
      if (Option.isNone(receipt)) return yield* waiting(client, end)
      const isRefused = receipt.value.recipients.length === 1 && receipt.value.recipients[0]?.state === "full"
      if (wait === undefined || isRefused) {
        const words = yield* outcomeWords(client, enqueued, receipt.value, priority)
        return { text: harmless(`${words} ${end}`), ...(isRefused && { isError: true }) }
      }
      return yield* waited({ client, enqueued, wait, deadline, end }, call)
    }).pipe(Effect.catch((error) => Effect.succeed(failure(error.message)))),
})

const placeOf = Effect.fnUntraced(function* (
  { history, manager }: ToolCall,
  target: string | undefined,
  replyTo: string | undefined,
) {
  if (replyTo !== undefined) return yield* addressed({ history, manager }, target, replyTo)
  if (target === undefined) return yield* Effect.fail({ message: toolWords.sendMessageSayWhoGetsItAs })
  return { ...(yield* manager.route(target)), replyTo, note: "" } satisfies Addressed
})

const idWords = ({ membership }: BrokerClient, { messageId }: Enqueued): string =>
  `Message id ${messageId}, mesh ${membership.slug}.`

/**
 * If the call is cancelled meanwhile, and the message has not left this machine, it is not sent; but a wait that is given up
 * takes no message with it. If the host goes it waits on this machine, and the answer says so.
 */
const answered = (
  client: BrokerClient,
  message: OutgoingMessage,
  hostGone: Effect.Effect<void>,
  cancelWithdraws: boolean,
) =>
  Effect.uninterruptibleMask((restore) =>
    Effect.flatMap(restore(client.enqueue(message)), (enqueued) =>
      restore(
        Effect.raceFirst(
          Effect.timeoutOption(enqueued.ack, ackWaitMillis),
          Effect.as(hostGone, Option.none<Receipt>()),
        ),
      ).pipe(
        Effect.onInterrupt(() => (cancelWithdraws ? Effect.ignore(enqueued.cancel) : Effect.void)),
        Effect.map((receipt) => ({ enqueued, receipt })),
      ),
    ),
  )

const waiting = Effect.fnUntraced(function* (client: BrokerClient, end: string) {
  const others = (yield* client.outboxSize) - 1
  const beside = others <= 0 ? "" : `, with ${others} ${others === 1 ? "other" : "others"}`
  return {
    text: toolWords.notAcceptedYetTheBrokerHasNot(beside, end),
  } satisfies ToolResult
})

interface Wait {
  readonly client: BrokerClient
  readonly enqueued: Enqueued
  readonly wait: WaitFor
  /** In milliseconds, by this machine's clock. */
  readonly deadline: number
  /** With which its answer ends. */
  readonly end: string
}

const waited = Effect.fnUntraced(function* ({ client, deadline, end, enqueued, wait }: Wait, call: ToolCall) {
  const { manager, reading, requestId } = call
  while (true) {
    const millis = deadline - (yield* Clock.currentTimeMillis)
    const outcome = yield* awaitDeliveryReport({ client, enqueued, waitFor: wait, millis }, call)
    if (outcome.end !== "reply") return { text: harmless(`${endWords(outcome, wait)} ${end}`) } satisfies ToolResult
    const isReply = isReplyTo(client, enqueued)
    // Another session of the member may have been quicker: then the wait goes on.
    const { boundary, cursor, texts } = yield* reading.next(inboxesOf(manager), requestId, repliesMax, isReply)
    if (texts.length === 0) continue
    const confirm = toolWords.checkMessagesWithCursorConfirmsThat(cursor ?? "")
    return { text: [`The reply. ${betweenTags(boundary)}`, ...texts, `${confirm} ${end}`].join(separator) }
  }
})

const endWords = ({ end, deliveryReport }: Waited, wait: WaitFor): string => {
  const far = deliveryReport === undefined ? toolWords.theBrokerHasNotSaidHowFar : deliveryReportWords(deliveryReport)
  switch (end) {
    case "shown":
    case "reply":
    case "expired":
      return far
    case "urgent":
      return toolWords.theWaitEndedBecauseAnUrgentMessage(far)
    case "time":
      return toolWords.theWaitEndedYetAReplyComes(far, wait === "reply" ? "no reply" : "not shown")
  }
}
