/**
 * The wait behind a message that was sent: until its recipients were shown it, or until the reply to it is here. A broker tells a sender
 * nothing by itself (decision 0039), so it is asked, ever more seldom. The wait looks and takes nothing: what ends it is read by the caller, so a wait that is given up has no message in its hands. It ends
 * as well when something urgent waits for this agent, which is told nothing else while a call of its lasts.
 */
import type { BrokerClient, Enqueued } from "@claudemesh/client/BrokerClient"
import type { HeldMessage } from "@claudemesh/client/inbox/Inbox"
import { isDirect } from "@claudemesh/domain/routing/Target"
import { Clock, Effect, Option } from "effect"
import { type DeliveryReport, knownDeliveryReportIn } from "../DeliveryReport.ts"
import type { Names } from "../Outcome.ts"
import { askMillis, askMillisMax, askSlower, askTimeoutMillis, lookMillis } from "./Limits.ts"
import { whatWaits } from "./Notices.ts"
import type { Reading } from "./Reading.ts"
import type { ToolCall } from "./Tool.ts"
import * as agentWords from "../words/agent.ts"

export type WaitFor = "shown" | "reply"

export interface Waited {
  /** `time`: none of the others happened. */
  readonly end: "shown" | "reply" | "expired" | "urgent" | "time"
  /** As the broker said it last. */
  readonly deliveryReport: DeliveryReport | undefined
}

type InMesh = Pick<BrokerClient["membership"], "meshId" | "slug">

/** Who else knows the id of a message to one person cannot answer in that person's place. */
export const isReplyTo =
  ({ membership }: { readonly membership: InMesh }, { messageId, target }: Pick<Enqueued, "messageId" | "target">) =>
  ({ meshId, replyTo, senderKey }: HeldMessage): boolean =>
    meshId === membership.meshId && replyTo === messageId && (!isDirect(target) || senderKey === target.key)

export interface Awaited {
  readonly client: Names & Pick<BrokerClient, "look" | "messageStatus" | "pull"> & { readonly membership: InMesh }
  readonly enqueued: Pick<Enqueued, "messageId" | "target">
  readonly waitFor: WaitFor
  readonly millis: number
}

const quickly = <A, E>(effect: Effect.Effect<A, E>): Effect.Effect<A | undefined> =>
  effect.pipe(
    Effect.timeoutOption(askTimeoutMillis),
    Effect.map(Option.getOrUndefined),
    Effect.orElseSucceed(() => undefined),
  )

export const awaitDeliveryReport = Effect.fnUntraced(function* (
  { client, enqueued, millis, waitFor }: Awaited,
  call: Pick<ToolCall, "hostGone" | "progress"> & {
    readonly reading: Pick<Reading, "waiting">
    readonly manager: { readonly all: Parameters<typeof whatWaits>[0] }
  },
) {
  const { manager, progress, reading } = call
  const isReply = isReplyTo(client, enqueued)
  const sinceMillis = yield* Clock.currentTimeMillis
  let deliveryReport: DeliveryReport | undefined

  const ask = Effect.gen(function* () {
    // A reply may be held back while this agent counts as busy: it is asked for.
    if (waitFor === "reply") yield* quickly(client.pull())
    deliveryReport = (yield* quickly(knownDeliveryReportIn(client, enqueued.messageId)))?.[0] ?? deliveryReport
    const passedMillis = (yield* Clock.currentTimeMillis) - sinceMillis
    yield* progress(passedMillis / 1_000, millis / 1_000, progressWords(deliveryReport))
  })

  const replyIsHere = Effect.map(client.look, (messages) => messages.some(isReply) || reading.waiting().some(isReply))
  const urgentWaits = Effect.map(whatWaits(manager.all, reading), ({ urgent }) => urgent > 0)

  const watch = Effect.gen(function* () {
    let [askAtMillis, pauseMillis] = [sinceMillis, askMillis]
    while (true) {
      if (waitFor === "reply" && (yield* replyIsHere)) return "reply" as const
      if ((yield* Clock.currentTimeMillis) >= askAtMillis) {
        yield* ask
        askAtMillis = (yield* Clock.currentTimeMillis) + pauseMillis
        pauseMillis = Math.min(askMillisMax, pauseMillis * askSlower)
      }
      if (waitFor === "reply" && (yield* replyIsHere)) return "reply" as const
      if (waitFor === "shown" && deliveryReport?.state === "consumed") return "shown" as const
      if (deliveryReport?.state === "expired") return "expired" as const
      if (yield* urgentWaits) return "urgent" as const
      yield* Effect.sleep(lookMillis)
    }
  })

  const end = yield* watch.pipe(
    Effect.timeoutOption(Math.max(0, millis)),
    Effect.map(Option.getOrElse(() => "time" as const)),
    Effect.raceFirst(Effect.as(call.hostGone, "time" as const)),
  )
  return { end, deliveryReport } satisfies Waited
})

const progressWords = (deliveryReport: DeliveryReport | undefined): string => {
  switch (deliveryReport?.state) {
    case "delivered":
      return agentWords.inTheirSessionNotConfirmedAsShown
    case "consumed":
      return agentWords.shownNoReplyYet
    case "expired":
      return "Expired."
    case "pending":
    case undefined:
      return agentWords.waitsUntilTheirSessionTakesIt
  }
}
