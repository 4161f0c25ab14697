/**
 * `send`: one message, and what became of it. Where the broker cannot be reached the message waits on this machine, and the
 * next command or agent of this member that is connected sends it.
 */
import { Effect, Option } from "effect"
import { Argument, Command } from "effect/unstable/cli"
import { failed } from "../Failed.ts"
import { clientLayer, connect, meantIn } from "../Meshes.ts"
import * as Flags from "./Flags.ts"
import { answerTo, replyToFlag } from "./Answer.ts"
import { priorityFlag, sent, ttlFlag, waitFlag } from "./Sent.ts"
import { fileFlag, typedText } from "./TypedText.ts"
import * as sendingWords from "../words/sending.ts"
import * as does from "../words/commands.ts"

export const send = Command.make(
  "send",
  {
    target: Argument.String("target").pipe(Argument.withDescription(sendingWords.aNameAPublicKeyKeySession)),
    text: Argument.String("text").pipe(
      Argument.withDescription(sendingWords.theMessageOrNothingFromStdin),
      Argument.variadic({ min: 0 }),
    ),
    file: fileFlag,
    priority: priorityFlag,
    replyTo: replyToFlag,
    ttl: ttlFlag,
    wait: waitFlag,
    mesh: Flags.mesh,
    json: Flags.json,
  },
  Effect.fn(
    function* ({ file, json, mesh, priority, replyTo, target, text, ttl, wait }) {
      const message = yield* typedText(text, file)
      const rest = { text: message, priority, ...(Option.isSome(ttl) && { ttlSeconds: ttl.value / 1_000 }) }
      if (Option.isSome(replyTo)) {
        const { client, id, note, to } = yield* answerTo(replyTo.value, { target, mesh })
        return yield* sent(client, { message: { to, replyTo: id, ...rest }, to: target, note, json, wait })
      }
      const { meshes, to: meant } = yield* meantIn(target, mesh)
      const { client, to } = yield* (yield* connect(meshes, "command")).route(meant)
      yield* sent(client, { message: { to, ...rest }, to, json, wait })
    },
    Effect.scoped,
    Effect.provide(clientLayer),
    Effect.mapError(failed),
  ),
).pipe(
  Command.withDescription(does.sendAMessageEndToEndEncrypted),
  Command.withExamples([
    { command: `claudemesh send bob "the build is green"`, description: "To a person" },
    { command: "git diff | claudemesh send bob", description: sendingWords.whatAnotherProgramPrints },
    {
      command: `claudemesh send my-team:bob "look now" --priority now`,
      description: sendingWords.inOneOfSeveralMeshesUrgently,
    },
    {
      command: `claudemesh send bob "still there?" --wait --ttl 1h`,
      description: sendingWords.andWaitUntilBobWasShownIt,
    },
    { command: `claudemesh send '#builds' "main is red"`, description: sendingWords.toEveryoneWhoJoinedAChannel },
    { command: `claudemesh send '*' "standup in five minutes"`, description: sendingWords.toAllAlsoThoseWhoAreAway },
    { command: `claudemesh send bob -- "--force is what broke it"`, description: sendingWords.behindNothingIsAFlag },
  ]),
)
