/**
 * `check_messages`: what waits in all meshes, oldest first, and no more than an answer holds. An answer ends with a
 * cursor, by which the agent confirms with its next call that it has these messages.
 */
import type { BrokerClient } from "@claudemesh/client/BrokerClient"
import { Effect, Option, Schema } from "effect"
import { fitted } from "../Fit.ts"
import { inboxesOf } from "../Inboxes.ts"
import { type Waiting, waitingWords, whatWaits } from "../Notices.ts"
import { separator } from "../Reading.ts"
import { noMesh, tool } from "../Tool.ts"
import { betweenTags, harmless } from "../WrapUntrusted.ts"
import * as toolWords from "../../words/tools.ts"
import * as sharedWords from "../../words/shared.ts"

/** How long a mesh may take to say what waits; one that is away delays no other, and no call. */
const pullWaitMillis = 2_000

/** Of what is said about meshes that are away. */
const awayCharactersMax = 900
/** And of what waits in other sessions. */
const elsewhereCharactersMax = 500

export const checkMessages = tool({
  name: "check_messages",
  title: toolWords.checkMessagesFromTheMesh,
  description: toolWords.readWhatPeopleAndTheirAgentsSent,
  readOnly: false,
  input: Schema.Struct({
    max: Schema.optionalKey(
      Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 500 })).annotate({
        description: toolWords.atMostSoMany,
      }),
    ),
    cursor: Schema.optionalKey(Schema.String.annotate({ description: toolWords.ofTheLastAnswerYouHaveRead })),
  }),
  run: Effect.fnUntraced(function* ({ cursor: last, max = 100 }, { manager, reading, requestId }) {
    if (manager.all.length === 0) return { text: noMesh }
    const isKnown = last === undefined || (yield* reading.confirm(last))
    const away = yield* Effect.forEach(manager.all, (client) => pulled(client, max), { concurrency: "unbounded" })
    const { boundary, cursor, texts } = yield* reading.next(inboxesOf(manager), requestId, max)
    const waiting = yield* whatWaits(manager.all, reading)
    const tail = [
      ...(isKnown ? [] : [toolWords.theCursorIsNotOneOfThis(JSON.stringify(harmless(last.slice(0, 64))))]),
      ...fitted(away.flat(), awayCharactersMax, (count) => toolWords.moreMeshesAreNotConnected(count)),
      ...fitted(waiting.elsewhere, elsewhereCharactersMax, (count) => toolWords.andInMoreSessionsOfYours(count)),
      ...next(waiting, cursor),
    ]
    return {
      text: [...head(texts.length, boundary), ...texts, ...(tail.length === 0 ? [] : [tail.join("\n")])].join(
        separator,
      ),
      saysWhatWaits: true,
    }
  }),
})

const head = (count: number, boundary: string): ReadonlyArray<string> => {
  if (count === 0) return ["No messages."]
  const said = count === 1 ? "1 message" : `${count} messages, oldest first`
  return [`${said}. ${betweenTags(boundary)}`]
}

const next = (waiting: Waiting, cursor: string | undefined): ReadonlyArray<string> => {
  const input = cursor === undefined ? "" : ` with {"cursor": "${cursor}"}`
  if (waiting.messages > 0) return [`${waitingWords(waiting)}: call check_messages${input}.`]
  return cursor === undefined ? [] : [toolWords.nothingElseWaitsBeforeYouEndOr(input)]
}

/** The broker is asked for what it holds back, too: who looks wants to see it. */
const pulled = (client: BrokerClient, max: number): Effect.Effect<ReadonlyArray<string>> => {
  const away = (reason: string) => [toolWords.meshIsNotConnectedThereMayBe(client.membership.slug, harmless(reason))]
  return client.pull(max).pipe(
    Effect.as([]),
    Effect.catch((error) => Effect.succeed(away(error.message))),
    Effect.timeoutOption(pullWaitMillis),
    Effect.map(Option.getOrElse(() => away(sharedWords.noAnswerInTime))),
  )
}
