/** `reply`: an answer to a message that was shown on this machine, to the session that asked. */
import { nameAmongWords } from "@claudemesh/client/roster/FindNamed"
import { Effect, Option } from "effect"
import { Argument, Command } from "effect/unstable/cli"
import { failed } from "../Failed.ts"
import { clientLayer } from "../Meshes.ts"
import { shortKey } from "../Output.ts"
import { answerTo } from "./Answer.ts"
import * as Flags from "./Flags.ts"
import { priorityFlag, sent, ttlFlag, waitFlag } from "./Sent.ts"
import { fileFlag, typedText } from "./TypedText.ts"
import * as sendingWords from "../words/sending.ts"
import * as does from "../words/commands.ts"

export const reply = Command.make(
  "reply",
  {
    id: Argument.String("id").pipe(Argument.withDescription(sendingWords.theMessageByTheIdThatInbox)),
    text: Argument.String("text").pipe(
      Argument.withDescription(sendingWords.theAnswerOrNothingFromStdin),
      Argument.variadic({ min: 0 }),
    ),
    file: fileFlag,
    priority: priorityFlag,
    ttl: ttlFlag,
    wait: waitFlag,
    mesh: Flags.mesh,
    json: Flags.json,
  },
  Effect.fn(
    function* ({ file, id: typed, json, mesh, priority, text, ttl, wait }) {
      const message = yield* typedText(text, file)
      const { client, id, message: asked, note, to } = yield* answerTo(typed, { mesh })
      const rest = { text: message, priority, ...(Option.isSome(ttl) && { ttlSeconds: ttl.value / 1_000 }) }
      const who =
        asked?.sender.name === undefined ? shortKey(asked?.senderKey ?? id) : nameAmongWords(asked.sender.name)
      yield* sent(client, { message: { to, replyTo: id, ...rest }, to: who, note, json, wait })
    },
    Effect.scoped,
    Effect.provide(clientLayer),
    Effect.mapError(failed),
  ),
).pipe(
  Command.withDescription(does.answerAMessageThatWasShownOn),
  Command.withExamples([
    { command: `claudemesh reply 4fa1c2d3 "yes, go on"`, description: sendingWords.byTheIdThatClaudemeshInboxPrints },
    { command: "claudemesh reply 4fa1c2d3 < answer.md", description: sendingWords.withATextFromAFile },
  ]),
)
