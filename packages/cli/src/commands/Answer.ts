/** The message that an answer is to, by its id or the beginning of that, and where its answer goes. */
import { History } from "@claudemesh/client/inbox/History"
import { Effect, Option } from "effect"
import { Flag } from "effect/unstable/cli"
import { Failed, failed, Misused } from "../Failed.ts"
import { command } from "../Launch.ts"
import { chosenMeshes, connect, meantIn, reached } from "../Meshes.ts"
import { addressed, type NoReplyTarget } from "../mcp/ReplyTarget.ts"
import * as sendingWords from "../words/sending.ts"

export const replyToFlag = Flag.String("reply-to").pipe(
  Flag.withDescription(sendingWords.theMessageThatThisAnswersByIts),
  Flag.optional,
)

/** What lists print, also with the dots of a shortened id behind it, or in brackets. */
const idIn = (typed: string): string =>
  typed
    .trim()
    .toLowerCase()
    .replace(/^[([]|[)\]]$/g, "")
    .replace(/(?:…|\.\.\.)$/, "")

export const shortIdOf = (typed: string) => {
  const id = idIn(typed)
  return /^[0-9a-f]{8,32}$/.test(id)
    ? Effect.succeed(id)
    : Effect.fail(
        new Misused({
          reason: sendingWords.isNotAMessagesIdWhichHas(JSON.stringify(typed)),
        }),
      )
}

export const answerTo = Effect.fnUntraced(function* (
  typed: string,
  { mesh, target }: { readonly target?: string; readonly mesh: Option.Option<string> },
) {
  const id = yield* shortIdOf(typed)
  const history = yield* History
  const [found] = yield* Effect.orElseSucceed(history.find(id), () => [])
  const joined = yield* chosenMeshes(mesh)
  const own = joined.filter(({ meshId }) => meshId === found?.message.meshId)
  const meant = target === undefined ? undefined : yield* meantIn(target, mesh)
  // Only the mesh of the message is connected, where it is known.
  const meshes = meant === undefined || meant.meshes.length > 1 ? (own.length > 0 ? own : joined) : meant.meshes
  const manager = yield* connect(meshes, "command")
  // Whether the session that asked is there is known once the broker has been asked.
  yield* Effect.forEach(manager.all, (one) => Effect.ignore(reached(one)), {
    concurrency: "unbounded",
  })
  const { client, note, replyTo, to } = yield* addressed({ history, manager }, meant?.to, id).pipe(
    Effect.mapError((error) => (error._tag === "NoReplyTarget" ? inWords(error) : failed(error))),
  )
  if (replyTo === undefined) return yield* new Failed({ reason: sendingWords.thereIsNoMessage(id) })
  return { client, to, id: replyTo, note, message: found?.message }
})

const inWords = ({ hasTarget, id, message, why }: NoReplyTarget): Failed => {
  switch (why) {
    case "not_kept":
      return new Failed({
        reason: sendingWords.noMessageWasShownOnThisMachine(
          id,
          hasTarget ? sendingWords.itCannotBeAnswered : sendingWords.itIsNotKnownWhoAsked,
        ),
        code: "unknown_message",
        hint: sendingWords.theIdsInboxHistory(command),
      })
    case "not_authenticated":
      return new Failed({
        reason: sendingWords.itIsNotProvedWhoWroteMessage(id),
        code: "not_proved",
        hint: sendingWords.sayWhoGetsTheAnswer(command, id),
      })
    case "several":
    case "mesh_left":
      return new Failed({ reason: message })
  }
}
