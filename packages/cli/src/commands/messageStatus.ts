/** `message-status`: what became of a message that one sent, for each who was to get it. */
import type { Membership } from "@claudemesh/client/keys/Membership"
import { OutboxStore } from "@claudemesh/client/outbox/OutboxStore"
import { beginning, nameAmongWords } from "@claudemesh/client/roster/FindNamed"
import type { MessageId } from "@claudemesh/domain/Ids"
import { Clock, Console, Effect, Struct } from "effect"
import { Argument, Command } from "effect/unstable/cli"
import { ago } from "../Ago.ts"
import { Failed } from "../Failed.ts"
import { type DeliveryReport, deliveryReportIn, sentAs, sentToNobody, stateWords } from "../DeliveryReport.ts"
import { askAll, chosenMeshes, clientLayer, connect } from "../Meshes.ts"
import { aside, printable, printJson, shortKey, table } from "../Output.ts"
import { type UnsentReport, unsentReport, unsentWords } from "../UnsentReport.ts"
import { shortIdOf } from "./Answer.ts"
import * as Flags from "./Flags.ts"
import * as sendingWords from "../words/sending.ts"
import * as does from "../words/commands.ts"

export const messageStatus = Command.make(
  "message-status",
  {
    messageId: Argument.String("message-id").pipe(Argument.withDescription(sendingWords.whatSendSaidInBracketsOrThe)),
    mesh: Flags.mesh,
    json: Flags.json,
  },
  Effect.fn(
    function* ({ json, mesh, messageId: typed }) {
      const id = yield* shortIdOf(typed)
      const { ids, meshId } = yield* sentAs(id)
      const [messageId, ...others] = ids
      if (messageId === undefined) {
        return yield* new Failed({
          reason: sendingWords.noMessageOfThisMachineBeginsWith(id),
          code: "unknown_message",
          hint: sendingWords.writeTheWholeIdToAskFor,
        })
      }
      if (others.length > 0) {
        return yield* new Failed({
          reason: sendingWords.severalMessagesBeginWith(id, ids.join(", ")),
          code: "several_messages",
          hint: sendingWords.writeMoreOfTheId,
        })
      }
      const chosen = yield* chosenMeshes(mesh)
      const own = chosen.filter((one) => one.meshId === meshId)
      const before = yield* unsentIn(chosen, messageId)
      if (before?.state === "refused") return yield* sayUnsent(before, json)
      const { all } = yield* connect(own.length > 0 ? own : chosen, "command")
      // What waits is sent first, so that its broker can say more of it.
      const { answers, away } = yield* askAll(all, (client) =>
        Effect.andThen(client.flush, deliveryReportIn(client, messageId)),
      )
      const [found] = answers.flat()
      if (found === undefined) {
        const after = yield* unsentIn(chosen, messageId)
        if (after !== undefined) {
          if (away !== undefined) yield* aside(printable(`claudemesh: ${away.message}`))
          return yield* sayUnsent(after, json)
        }
        return yield* away ?? new Failed({ reason: yield* unknownWords(messageId) })
      }
      const { recipients, ...deliveryReport } = found
      const nowMillis = yield* Clock.currentTimeMillis
      yield* json
        ? printJson({
            ...deliveryReport,
            recipients: recipients.map((recipient) => Struct.omit(recipient, ["called"])),
          })
        : Console.log(asText(found, nowMillis))
    },
    Effect.scoped,
    Effect.provide(clientLayer),
  ),
).pipe(
  Command.withDescription(does.showWhatBecameOfAMessageYou),
  Command.withExamples([
    {
      command: "claudemesh message-status 857bd4dd",
      description: sendingWords.whetherItWaitsIsInASession,
    },
  ]),
)

/** What this machine says of it, whether a broker is reached or not. */
const unsentIn = Effect.fnUntraced(function* (chosen: ReadonlyArray<Membership>, messageId: MessageId) {
  const unsent = yield* Effect.orElseSucceed((yield* OutboxStore).unsent(messageId), () => undefined)
  const of = unsent?._tag === "Waiting" ? unsent.entry : unsent?.problem
  const mesh = chosen.find(({ meshId }) => meshId === of?.meshId)
  return unsent === undefined || mesh === undefined ? undefined : unsentReport(unsent, mesh.slug)
})

const sayUnsent = Effect.fnUntraced(function* (report: UnsentReport, json: boolean) {
  if (json) return yield* printJson({ ...report, at: report.since, recipients: [] })
  const nowMillis = yield* Clock.currentTimeMillis
  yield* Console.log(unsentWords(report, ago(report.since, nowMillis)))
})

const unknownWords = Effect.fnUntraced(function* (messageId: MessageId) {
  const written = yield* Effect.orElseSucceed((yield* OutboxStore).sent(messageId), () => [])
  return written.length > 0
    ? sendingWords.theBrokerDoesNotKnowTheMessage(messageId)
    : sendingWords.theBrokerKnowsNoMessageOfYours(messageId)
})

const asText = ({ at, mesh, recipients, state }: DeliveryReport, nowMillis: number): string => {
  if (recipients.length === 0) return sendingWords.onNobodyWasThereToGetIt(sentToNobody, mesh)
  const head = `${stateWords[state]} on ${mesh}${at === null ? "" : `, ${ago(at, nowMillis)}`}`
  const sessions = recipients.flatMap(({ session }) => session ?? [])
  const rows = recipients.map(({ at, name, publicKey, session, state }) => [
    name === null ? "-" : nameAmongWords(name),
    shortKey(publicKey),
    session === null ? "-" : beginning(session, sessions),
    stateWords[state],
    at === null ? "" : ago(at, nowMillis),
  ])
  return `${head}\n${table(["NAME", "KEY", "SESSION", "STATE", "SINCE"], rows)}`
}
