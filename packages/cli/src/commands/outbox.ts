/** `outbox`: the messages of this machine that wait to be sent, and an end to one of them. It asks no broker. */
import type { OutboxEntry } from "@claudemesh/client/outbox/OutboxEntry"
import { OutboxStore } from "@claudemesh/client/outbox/OutboxStore"
import { Clock, Console, Effect } from "effect"
import { Argument, Command } from "effect/unstable/cli"
import { ago } from "../Ago.ts"
import { Failed, failed } from "../Failed.ts"
import { command } from "../Launch.ts"
import { chosenMeshes } from "../Meshes.ts"
import { bold, printable, printJson, table } from "../Output.ts"
import { shownTo, type UnsentReport, unsentReport } from "../UnsentReport.ts"
import { shortIdOf } from "./Answer.ts"
import * as Flags from "./Flags.ts"
import * as sendingWords from "../words/sending.ts"
import * as sharedWords from "../words/shared.ts"
import * as does from "../words/commands.ts"

/** Of the joined meshes, or one of them: what waits, and what is not sent and was told to nobody yet. */
const held = Effect.fnUntraced(function* (mesh: Parameters<typeof chosenMeshes>[0]) {
  const chosen = yield* chosenMeshes(mesh)
  const store = yield* OutboxStore
  const slugs = new Map(chosen.map(({ meshId, slug }) => [meshId, slug]))
  const waiting = (yield* store.list).filter(({ meshId }) => slugs.has(meshId))
  const problems = yield* Effect.forEach(chosen, ({ meshId, pubkey }) => store.problems({ meshId, member: pubkey }))
  return { slugOf: (meshId: OutboxEntry["meshId"]) => slugs.get(meshId) ?? meshId, waiting, problems: problems.flat() }
})

const asWords: Readonly<Record<Exclude<UnsentReport["state"], "refused">, string>> = {
  waiting: sendingWords.waitingToBeSent,
  unanswered: sharedWords.sentNotAnsweredYet,
}

const cancel = Command.make(
  "cancel",
  {
    id: Argument.String("id").pipe(Argument.withDescription(sendingWords.theMessageByItsIdOrThe)),
    mesh: Flags.mesh,
    json: Flags.json,
  },
  Effect.fn(function* ({ id, json, mesh }) {
    const { waiting } = yield* held(mesh)
    const begins = yield* shortIdOf(id)
    const found = waiting.filter(({ messageId }) => messageId.startsWith(begins))
    const [entry, ...others] = found
    if (entry === undefined) {
      return yield* new Failed({
        reason: sendingWords.noMessageWaitsToBeSent(printable(id)),
        code: "unknown_message",
        hint: sendingWords.listThemWithOutbox(command),
      })
    }
    if (others.length > 0) return yield* severalBegin(id, found)
    const became = yield* (yield* OutboxStore).cancel(entry.messageId)
    if (became === "left") {
      return yield* new Failed({
        reason: sendingWords.theMessageToHasLeftThisMachine(shownTo(entry)),
      })
    }
    if (became === "unknown") {
      return yield* new Failed({ reason: sendingWords.theMessageToWasSentAMoment(shownTo(entry)) })
    }
    yield* json
      ? printJson({ messageId: entry.messageId, cancelled: true })
      : Console.log(printable(sendingWords.cancelledTheMessageToIsNotSent(shownTo(entry))))
  }, Effect.mapError(failed)),
).pipe(
  Command.withDescription(sendingWords.cancelAMessageThatHasNotLeft),
  Command.withExamples([
    { command: "claudemesh outbox cancel 4fa1c2d3", description: sendingWords.asClaudemeshOutboxListsIt },
  ]),
)

const severalBegin = (id: string, found: ReadonlyArray<{ readonly messageId: string }>) =>
  new Failed({
    reason: sendingWords.severalMessagesBeginWith(printable(id), found.map(({ messageId }) => messageId).join(", ")),
    code: "several_messages",
    hint: sendingWords.writeMoreOfTheId,
  })

export const outbox = Command.make(
  "outbox",
  { mesh: Flags.mesh, json: Flags.json },
  Effect.fn(function* ({ json, mesh }) {
    const { problems, slugOf, waiting } = yield* held(mesh)
    const reports = [
      ...waiting.map((entry) => unsentReport({ _tag: "Waiting", entry }, slugOf(entry.meshId))),
      ...problems.map((problem) => unsentReport({ _tag: "NotSent", problem }, slugOf(problem.meshId))),
    ]
    if (json) return yield* printJson(reports)
    if (reports.length === 0) return yield* Console.log(sendingWords.nothingWaitsToBeSent)
    const nowMillis = yield* Clock.currentTimeMillis
    yield* Console.log(
      table(
        ["ID", "MESH", "TO", "WRITTEN", "STATE"],
        reports.map((report) => [
          report.messageId.slice(0, 8),
          report.mesh,
          shownTo(report),
          ago(report.since, nowMillis),
          report.state === "refused" ? bold(`not sent: ${printable(report.explanation ?? "")}`) : asWords[report.state],
        ]),
      ),
    )
  }, Effect.mapError(failed)),
).pipe(
  Command.withSubcommands([cancel]),
  Command.withDescription(does.listTheMessagesOfThisMachineThat),
  Command.withExamples([
    { command: "claudemesh outbox", description: sendingWords.whatWaitsForABrokerThatIs },
    { command: "claudemesh outbox cancel 4fa1c2d3", description: sendingWords.notToSendOneOfThem },
  ]),
)
