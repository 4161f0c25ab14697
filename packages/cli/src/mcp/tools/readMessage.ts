/** `read_message`: one that was shown on this machine, once more, from this machine's own record of it. */
import type { ShownMessage } from "@claudemesh/client/inbox/History"
import { Effect, Schema } from "effect"
import { shortKey } from "../../Output.ts"
import { fitted } from "../Fit.ts"
import { errorCharactersMax } from "../Limits.ts"
import { failure, tool, type ToolResult } from "../Tool.ts"
import { betweenTags, bodiesOf, harmless, memberName, wrapped } from "../WrapUntrusted.ts"
import * as toolWords from "../../words/tools.ts"

export const readMessage = tool({
  name: "read_message",
  title: toolWords.readAMeshMessageAgain,
  description: toolWords.showOnceMoreOneOfTheLast,
  readOnly: true,
  local: true,
  input: Schema.Struct({
    id: Schema.String.check(
      Schema.isPattern(/^[0-9a-f]{8,32}$/, { expected: toolWords.aMessageIdOrAtLeastThe }),
    ).annotate({ description: toolWords.orItsFirst8Characters }),
    from: Schema.optionalKey(
      Schema.Int.check(Schema.isGreaterThanOrEqualTo(1)).annotate({
        description: "Which part.",
      }),
    ),
  }),
  run: ({ from = 1, id }, { history, newBoundary }) =>
    Effect.all([history.find(id), newBoundary]).pipe(
      Effect.map(([found, boundary]) => {
        const [only, ...others] = found
        if (only === undefined) return failure(notKept(id))
        return others.length === 0 ? again(only, from, boundary) : failure(several(id, found))
      }),
      Effect.catch((error) => Effect.succeed(failure(error.message))),
    ),
})

const notKept = (id: string): string => toolWords.noMessageIsKeptOnThisMachine(id)

export const several = (id: string, found: ReadonlyArray<ShownMessage>): string => {
  const lines = found.map(
    ({ message: { messageId, sender, senderKey, slug } }) =>
      `${messageId} from ${sender.name === undefined ? shortKey(senderKey) : memberName(sender.name)} on ${slug}`,
  )
  const more = (count: number) => `and ${count} more`
  return [toolWords.severalMessagesBeginWithWriteMoreOf2(id), ...fitted(lines, errorCharactersMax - 200, more)].join(
    "\n",
  )
}

export const again = ({ message, shownAt }: ShownMessage, from: number, boundary: string): ToolResult => {
  const bodies = bodiesOf(message)
  const body = bodies[from - 1]
  if (body === undefined) {
    return failure(`Message ${message.messageId} has ${bodies.length} ${bodies.length === 1 ? "part" : "parts"}.`)
  }
  const next = JSON.stringify({ id: message.messageId, from: from + 1 })
  return {
    text: [
      `First shown at ${harmless(shownAt)}. ${betweenTags(boundary)}`,
      wrapped(message, body, boundary, { number: from, of: bodies.length }),
      ...(from < bodies.length ? [toolWords.theNextPartCallReadMessageWith(next)] : []),
    ].join("\n\n"),
  }
}
