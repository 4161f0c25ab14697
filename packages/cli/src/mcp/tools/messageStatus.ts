/** `message_status`: how far a message came that this member sent, for each who was to get it. */
import { MessageId } from "@claudemesh/domain/Ids"
import type { DeliveryState } from "@claudemesh/domain/wire/BrokerFrame"
import type { BrokerClient } from "@claudemesh/client/BrokerClient"
import { Effect, Option, Schema } from "effect"
import { type DeliveryReport, deliveryReportIn, sentToNobody, stateWords } from "../../DeliveryReport.ts"
import { shortKey } from "../../Output.ts"
import { type UnsentReport, unsentReport, unsentWords } from "../../UnsentReport.ts"
import { askTimeoutMillis } from "../Limits.ts"
import { failure, noMesh, tool } from "../Tool.ts"
import { harmless, shortSession } from "../WrapUntrusted.ts"
import * as toolWords from "../../words/tools.ts"
import * as sharedWords from "../../words/shared.ts"

/** Of a message to a large group the first ones; the words count all. */
const listedMax = 50

/** Hosts show a model this alone: it has no words of anybody but names, and what the text says. */
const output = Schema.Struct({
  summary: Schema.String,
  mesh: Schema.String,
  state: Schema.String,
  recipients: Schema.Array(Schema.Record(Schema.String, Schema.String)),
})

const asData = (deliveryReport: DeliveryReport): typeof output.Type & { readonly more?: number } => ({
  summary: harmless(deliveryReportWords(deliveryReport)),
  mesh: deliveryReport.mesh,
  state: deliveryReport.recipients.length === 0 ? sentToNobody : stateWords[deliveryReport.state],
  recipients: deliveryReport.recipients.slice(0, listedMax).map(({ at, name, publicKey, session, state }) => ({
    name: harmless(name ?? "-"),
    key: shortKey(publicKey),
    ...(session !== null && { session: shortSession(session) }),
    state: stateWords[state],
    ...(at !== null && { at }),
  })),
  ...(deliveryReport.recipients.length > listedMax && { more: deliveryReport.recipients.length - listedMax }),
})

export const messageStatus = tool({
  name: "message_status",
  title: toolWords.seeWhatBecameOfAMessage,
  description: toolWords.howFarAMessageCameThatYou,
  readOnly: true,
  output,
  input: Schema.Struct({
    id: Schema.String.check(Schema.isPattern(/^[0-9a-f]{8,32}$/, { expected: toolWords.aMessageIdOrAtLeastThe })),
  }),
  run: ({ id: typed }, { manager: { all } }) =>
    Effect.gen(function* () {
      if (all.length === 0) return { text: noMesh }
      const [id, ...others] = isMessageId(typed) ? [typed] : yield* sentBy(all, typed)
      if (id === undefined) return failure(toolWords.noMessageThatWasSentFromThis(typed))
      if (others.length > 0) return failure(toolWords.severalMessagesBeginWithWriteMoreOf(typed))
      const [here] = (yield* Effect.forEach(all, (client) => unsentIn(client, id))).flat()
      if (here !== undefined) {
        const summary = harmless(unsentWords(here, `at ${here.since}`))
        return { text: summary, data: { summary, mesh: here.mesh, state: unsentStates[here.state], recipients: [] } }
      }
      const answers = yield* Effect.forEach(all, (client) => asked(client, id), { concurrency: "unbounded" })
      const found = answers.flatMap(({ deliveryReports }) => deliveryReports)[0]
      if (found !== undefined)
        return { text: harmless(`${deliveryReportWords(found)} Mesh ${found.mesh}.`), data: asData(found) }
      const away = answers.flatMap(({ problem }) => problem ?? [])
      return failure([toolWords.noBrokerThatAnsweredKnowsAMessage(id), ...away].join(" "))
    }),
})

const unsentStates: Readonly<Record<UnsentReport["state"], string>> = {
  waiting: toolWords.waitsOnThisMachineToBeSent,
  unanswered: sharedWords.sentNotAnsweredYet,
  refused: "not sent",
}

const unsentIn = ({ membership, unsent }: BrokerClient, id: MessageId) =>
  Effect.map(unsent(id), (found) => (found === undefined ? [] : [unsentReport(found, membership.slug)]))

const isMessageId = Schema.is(MessageId)

const sentBy = (all: ReadonlyArray<BrokerClient>, begins: string) =>
  Effect.map(
    Effect.forEach(all, ({ sentIds }) => sentIds(begins)),
    (ids) => ids.flat(),
  )

const asked = (client: BrokerClient, id: MessageId) => {
  const { slug } = client.membership
  return deliveryReportIn(client, id).pipe(
    Effect.timeoutOption(2 * askTimeoutMillis),
    Effect.map(
      Option.match({
        onNone: () => ({ deliveryReports: [], problem: toolWords.meshDidNotAnswerInTime(slug) }),
        onSome: (deliveryReports) => ({ deliveryReports, problem: undefined }),
      }),
    ),
    Effect.catch((error) =>
      Effect.succeed({ deliveryReports: [], problem: toolWords.meshIsNotConnected(slug, error.message) }),
    ),
  )
}

const namesMax = 20

const stateOrder: ReadonlyArray<readonly [DeliveryState, (names: string, since: string) => string]> = [
  ["consumed", (names, since) => `Shown to ${names}${since}.`],
  ["delivered", (names) => toolWords.inTheSessionOfNotConfirmedAs(names)],
  ["pending", (names) => toolWords.waitsForNoSessionOfTheirsHas(names)],
  ["expired", (names) => toolWords.expiredWillNotBeShownIt(names)],
]

/** In sentences, of each state who is in it. */
export const deliveryReportWords = ({ recipients }: Pick<DeliveryReport, "recipients">): string => {
  if (recipients.length === 0) return toolWords.nobodyWasThereToGetIt
  return stateOrder
    .flatMap(([state, words]) => {
      const those = recipients.filter((recipient) => recipient.state === state)
      const names = [...new Set(those.map(({ called }) => called))]
      const listed = names.slice(0, namesMax).join(", ")
      const more = names.length > namesMax ? ` and ${names.length - namesMax} more` : ""
      const since = those.length === 1 && those[0]?.at ? ` at ${those[0].at}` : ""
      return those.length === 0 ? [] : [words(`${listed}${more}`, since)]
    })
    .join(" ")
}
