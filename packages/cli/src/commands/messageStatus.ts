/** `message-status`: what became of a message that one sent, for each who was to get it. */
import { beginning } from "@claudemesh/client/roster/FindNamed"
import { MessageId } from "@claudemesh/domain/Ids"
import { Console, Effect } from "effect"
import { Argument, Command } from "effect/unstable/cli"
import { Failed } from "../Failed.ts"
import { type Fate, fateIn, stateWords } from "../Fate.ts"
import { askAll, chosenMeshes, clientLayer, connect } from "../Meshes.ts"
import { memberName } from "../mcp/WrapUntrusted.ts"
import { printJson, shortKey, table } from "../Output.ts"
import * as Flags from "./Flags.ts"

export const messageStatus = Command.make(
  "message-status",
  {
    messageId: Argument.String("message-id").pipe(
      Argument.withDescription("What send said in brackets"),
      Argument.withSchema(MessageId),
    ),
    mesh: Flags.mesh,
    json: Flags.json,
  },
  Effect.fn(
    function* ({ json, mesh, messageId }) {
      const { all } = yield* connect(yield* chosenMeshes(mesh), "command")
      const { answers, away } = yield* askAll(all, (client) => fateIn(client, messageId))
      const [found] = answers.flat()
      if (found === undefined) {
        return yield* (
          away ??
          new Failed({
            reason: `the broker knows no message ${messageId} of yours: the id is wrong, or the message was sent too long ago`,
          })
        )
      }
      const { recipients, ...fate } = found
      yield* json
        ? printJson({ ...fate, recipients: recipients.map(({ called: _, ...recipient }) => recipient) })
        : Console.log(asText(found))
    },
    Effect.scoped,
    Effect.provide(clientLayer),
  ),
).pipe(
  Command.withDescription("Show what became of a message you sent"),
  Command.withExamples([
    {
      command: "claudemesh message-status 857bd4dd31af31dd017478b97513b150",
      description: "whether it waits, is in a session, was shown or is expired, for each who was to get it",
    },
  ]),
)

const asText = ({ at, mesh, recipients, state }: Fate): string => {
  const head = `${stateWords[state]} on ${mesh}${at === null ? "" : ` since ${at}`}`
  if (recipients.length === 0) return `${head}: nobody was there to get it`
  const sessions = recipients.flatMap(({ session }) => session ?? [])
  const rows = recipients.map(({ at, name, publicKey, session, state }) => [
    name === null ? "-" : memberName(name),
    shortKey(publicKey),
    session === null ? "-" : beginning(session, sessions),
    stateWords[state],
    at ?? "",
  ])
  return `${head}\n${table(["NAME", "KEY", "SESSION", "STATE", "SINCE"], rows)}`
}
