/** What became of a message that was sent, as its broker knows it: as data, and in words for a person and for a model. */
import type { BrokerClient } from "@claudemesh/client/BrokerClient"
import { OutboxStore } from "@claudemesh/client/outbox/OutboxStore"
import { MessageId } from "@claudemesh/domain/Ids"
import type { DeliveryState } from "@claudemesh/domain/wire/BrokerFrame"
import { Effect, Schema } from "effect"
import { called, type Names } from "./Outcome.ts"
import * as messageWords from "./words/messages.ts"

export interface DeliveryReport {
  readonly mesh: string
  readonly messageId: MessageId
  /** Of the recipient who is furthest behind. */
  readonly state: DeliveryState
  readonly at: string | null
  readonly recipients: ReadonlyArray<{
    readonly name: string | null
    /** In a sentence: as much as tells them from another of that name. */
    readonly called: string
    readonly publicKey: string
    readonly session: string | null
    readonly state: DeliveryState
    readonly at: string | null
  }>
}

export const stateWords: Readonly<Record<DeliveryState, string>> = {
  pending: "waits",
  delivered: messageWords.inSessionNotConfirmedAsShown,
  consumed: "shown",
  expired: "expired, never shown",
}

/** To a group that nobody was in: it did not expire, whatever the protocol calls it. */
export const sentToNobody = "sent to nobody"

/** None in a mesh that it was not sent in: a message's id does not say which. */
export const deliveryReportIn = Effect.fnUntraced(function* (client: BrokerClient, messageId: MessageId) {
  // Names are those of certificates: who is new since is asked for.
  yield* client.roster
  return yield* knownDeliveryReportIn(client, messageId)
})

/** The same by the names that are known. */
export const knownDeliveryReportIn = Effect.fnUntraced(function* (
  client: Names &
    Pick<BrokerClient, "messageStatus"> & {
      readonly membership: Pick<BrokerClient["membership"], "slug">
    },
  messageId: MessageId,
) {
  const known = yield* client.messageStatus(messageId).pipe(
    Effect.map((found) => [found]),
    Effect.catchTag("RequestRefused", (refused) =>
      refused.code === "unknown_message" ? Effect.succeed([]) : Effect.fail(refused),
    ),
  )
  return known.map(({ at, recipients, state }): DeliveryReport => ({
    mesh: client.membership.slug,
    messageId,
    state,
    at: at ?? null,
    recipients: recipients.map((recipient) => ({
      name: client.nameOf(recipient.pubkey) ?? null,
      called: called(client, recipient.pubkey),
      publicKey: recipient.pubkey,
      session: recipient.sessionId ?? null,
      state: recipient.state,
      at: recipient.at ?? null,
    })),
  }))
})

/** A message id in full, from as much of it as lists show: of what was sent from this machine, else as it stands. */
export const sentAs = Effect.fnUntraced(function* (typed: string) {
  if (isMessageId(typed)) return { ids: [typed], meshId: undefined }
  const found = yield* Effect.orElseSucceed((yield* OutboxStore).sent(typed), () => [])
  return { ids: found.map(({ messageId }) => messageId), meshId: found.length === 1 ? found[0]?.meshId : undefined }
})

const isMessageId = Schema.is(MessageId)
