/** `message-status`: what became of a message that one sent, for each who was to get it. */
import { beginning } from "@claudemesh/client/roster/FindNamed"
import { Clock, Console, Effect, Struct } from "effect"
import { Argument, Command } from "effect/unstable/cli"
import { ago } from "../Ago.ts"
import { Failed } from "../Failed.ts"
import { type DeliveryReport, deliveryReportIn, sentAs, stateWords } from "../DeliveryReport.ts"
import { askAll, chosenMeshes, clientLayer, connect } from "../Meshes.ts"
import { memberName } from "../mcp/WrapUntrusted.ts"
import { printJson, shortKey, table } from "../Output.ts"
import { shortIdOf } from "./Answer.ts"
import * as Flags from "./Flags.ts"

export const messageStatus = Command.make(
  "message-status",
  {
    messageId: Argument.String("message-id").pipe(
      Argument.withDescription("What send said in brackets, or the first 8 characters or more of it"),
    ),
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
          reason: `No message of this machine begins with ${id}. Write the whole id to ask for one that was sent from another.`,
        })
      }
      if (others.length > 0) {
        return yield* new Failed({
          reason: `Several messages begin with ${id}: ${ids.join(", ")}. Write more of the id.`,
        })
      }
      const chosen = yield* chosenMeshes(mesh)
      const own = chosen.filter((one) => one.meshId === meshId)
      const { all } = yield* connect(own.length > 0 ? own : chosen, "command")
      const { answers, away } = yield* askAll(all, (client) => deliveryReportIn(client, messageId))
      const [found] = answers.flat()
      if (found === undefined) {
        return yield* (
          away ??
          new Failed({
            reason: `the broker knows no message ${messageId} of yours: the id is wrong, or the message was sent too long ago`,
          })
        )
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
  Command.withDescription("Show what became of a message you sent"),
  Command.withExamples([
    {
      command: "claudemesh message-status 857bd4dd",
      description: "whether it waits, is in a session, was shown or is expired, for each who was to get it",
    },
  ]),
)

const asText = ({ at, mesh, recipients, state }: DeliveryReport, nowMillis: number): string => {
  const head = `${stateWords[state]} on ${mesh}${at === null ? "" : `, ${ago(at, nowMillis)}`}`
  if (recipients.length === 0) return `${head}: nobody was there to get it`
  const sessions = recipients.flatMap(({ session }) => session ?? [])
  const rows = recipients.map(({ at, name, publicKey, session, state }) => [
    name === null ? "-" : memberName(name),
    shortKey(publicKey),
    session === null ? "-" : beginning(session, sessions),
    stateWords[state],
    at === null ? "" : ago(at, nowMillis),
  ])
  return `${head}\n${table(["NAME", "KEY", "SESSION", "STATE", "SINCE"], rows)}`
}
