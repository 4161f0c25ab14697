/** One message sent for a person, and what became of it: what `send` and `reply` share. */
import type { BrokerClient } from "@claudemesh/client/BrokerClient"
import type { OutgoingMessage } from "@claudemesh/client/seal/OutgoingMessage"
import { formatTarget } from "@claudemesh/domain/routing/Target"
import { Console, Effect, Option } from "effect"
import { Flag } from "effect/unstable/cli"
import { Failed, failed } from "../Failed.ts"
import { type DeliveryReport, knownDeliveryReportIn } from "../DeliveryReport.ts"
import { command } from "../Launch.ts"
import { unlessAway } from "../Meshes.ts"
import { addressee, outcomeOf, outcomeWords } from "../Outcome.ts"
import { aside, printable, printJson } from "../Output.ts"
import { deliveryReportWords } from "../mcp/tools/messageStatus.ts"
import { keptShorter, messageLifetimeFlag } from "./Lifetime.ts"
import * as sendingWords from "../words/sending.ts"

export const priorityFlag = Flag.Literals("priority", ["now", "next", "low"]).pipe(
  Flag.withAlias("p"),
  Flag.withDescription(sendingWords.nowAtOnceAlsoWhenTheyAre),
  Flag.withDefault("next"),
)

export const ttlFlag = messageLifetimeFlag("ttl").pipe(
  Flag.withDescription(sendingWords.howLongItWaitsForThemBefore),
  Flag.optional,
)

export const waitFlag = Flag.String("wait").pipe(
  Flag.filterMap(
    (what) => (what === "shown" ? Option.some(true) : Option.none()),
    (what) =>
      what === "reply"
        ? sendingWords.aCommandWaitsUntilTheMessageWas(command)
        : sendingWords.isNothingToWaitForWriteWait(what),
  ),
  Flag.withDescription(sendingWords.shownOrNothingBehindItWaitUntil),
  Flag.withDefault(false),
)

const ackWaitMillis = 10_000
const shownWaitMillis = 120_000
const lookMillis = 1_000

export interface Asked {
  readonly message: OutgoingMessage
  /** As the person wrote it, or would. */
  readonly to: string
  /** What else they are told of where it went. */
  readonly note?: string
  readonly json: boolean
  readonly wait: boolean
}

export const sent = Effect.fnUntraced(function* (client: BrokerClient, asked: Asked) {
  const { json, message, note = "", to, wait } = asked
  const { slug } = client.membership
  const away = yield* unlessAway(client)
  const enqueued = yield* client.enqueue(message)
  const shorter = message.ttlSeconds === undefined ? undefined : keptShorter(message.ttlSeconds)
  if (shorter !== undefined) yield* aside(`claudemesh: ${shorter}`)
  const answered = away === undefined ? yield* Effect.timeoutOption(enqueued.ack, ackWaitMillis) : Option.none()
  if (Option.isNone(answered)) {
    const { messageId } = enqueued
    const common = { mesh: slug, target: formatTarget(enqueued.target), messageId }
    yield* json
      ? printJson({ ...common, state: "waiting" })
      : Console.log(printable(sendingWords.waitingTheMessageToOnIsOn(to, slug, messageId)))
    const { code = "unknown", reason } =
      away === undefined ? new Failed({ reason: sendingWords.theBrokerDidNotAnswer, code: "no_answer" }) : failed(away)
    const after = sendingWords.theNextCommandOrAgentOfYours
    const hint = sendingWords.toSeeItOrCancelItOutbox(command)
    // A script that waits reads of its failure alone.
    if (!json) yield* aside(printable(`claudemesh: ${reason.replace(/\.$/, "")}. ${after} ${hint}`))
    else if (!wait) yield* aside(JSON.stringify({ code, message: `${reason.replace(/\.$/, "")}. ${after}`, hint }))
    if (wait) return yield* new Failed({ reason: sendingWords.itWasNotShownYetItHas, code: "not_shown", hint })
    return
  }
  const receipt = answered.value
  const { group, ...data } = outcomeOf(client, enqueued, receipt)
  const common = { mesh: slug, target: formatTarget(enqueued.target), messageId: receipt.messageId }
  const isRefused = receipt.recipients.length === 1 && receipt.recipients[0]?.state === "full"
  const line = (words: string) =>
    printable(`${addressee(client, to, enqueued)} on ${slug}: ${words} (${receipt.messageId})`)
  const farNow = outcomeWords(client, enqueued, receipt, message.priority)
  // Whoever ends the wait knows the id.
  if (wait && !isRefused) yield* aside(line(yield* farNow))
  const deliveryReport = wait && !isRefused ? yield* shownOrNot(client, enqueued.messageId) : undefined
  if (json) {
    const state = deliveryReport?.state ?? receipt.recipients[0]?.state ?? "queued"
    const { recipients, unsealed, ...counts } = data
    const more = { ...counts, recipients: recipients.map(withPublicKey), unsealed: unsealed.map(withPublicKey) }
    yield* printJson(group ? { ...common, ...more, ...(deliveryReport && { state }) } : { ...common, state })
  } else {
    const said = line(deliveryReport === undefined ? yield* farNow : deliveryReportWords(deliveryReport))
    yield* Console.log(note === "" ? said : `${said} ${printable(note)}`)
  }
  if (wait && !isRefused && deliveryReport?.state !== "consumed") {
    if (deliveryReport?.state === "expired") {
      return yield* new Failed({ reason: sendingWords.itExpiredAndWasNeverShown, code: "expired" })
    }
    return yield* new Failed({
      reason: sendingWords.itWasNotShownWithinMinutesAnd(shownWaitMillis / 60_000),
      code: "not_shown",
      hint: sendingWords.seeMessageStatus(command, receipt.messageId.slice(0, 8)),
    })
  }
})

const withPublicKey = <One extends { readonly key: string }>({ key, ...one }: One) => ({ ...one, publicKey: key })

/** As the broker says it last, once it was shown or cannot be any more, or the time is over. */
const shownOrNot = Effect.fnUntraced(function* (client: BrokerClient, messageId: DeliveryReport["messageId"]) {
  let deliveryReport: DeliveryReport | undefined
  const looking = Effect.gen(function* () {
    while (deliveryReport?.state !== "consumed" && deliveryReport?.state !== "expired") {
      deliveryReport =
        (yield* Effect.orElseSucceed(knownDeliveryReportIn(client, messageId), () => []))[0] ?? deliveryReport
      if (deliveryReport?.recipients.length === 0) return
      if (deliveryReport?.state !== "consumed") yield* Effect.sleep(lookMillis)
    }
  })
  yield* Effect.timeoutOption(looking, shownWaitMillis)
  return deliveryReport
})
