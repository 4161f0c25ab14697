/**
 * `send`: one message, and what became of it. Where the broker cannot be reached the message waits on this machine, and the
 * next command or agent of this member that is connected sends it.
 */
import { formatTarget } from "@claudemesh/domain/routing/Target"
import { Console, Effect, Option } from "effect"
import { Argument, Command, Flag } from "effect/unstable/cli"
import { failed, Misused } from "../Failed.ts"
import { command } from "../Launch.ts"
import { chosenMeshes, clientLayer, connect, reached } from "../Meshes.ts"
import { addressee, outcomeOf, outcomeWords } from "../Outcome.ts"
import { aside, printable, printJson } from "../Output.ts"
import * as Flags from "./Flags.ts"

const remedied = (error: Parameters<typeof failed>[0]): string => failed(error).reason

const ackWaitMillis = 10_000

export const send = Command.make(
  "send",
  {
    target: Argument.String("target").pipe(
      Argument.withDescription(
        "A name, a public key, key/session, '#channel', tag:label or '*'; with several meshes slug:target",
      ),
    ),
    text: Argument.String("text").pipe(Argument.withDescription("The message"), Argument.variadic({ min: 1 })),
    priority: Flag.Literals("priority", ["now", "next", "low"]).pipe(
      Flag.withAlias("p"),
      Flag.withDescription(
        "now: at once, also when they are busy; next: when they are idle; low: when they look (default next). In dnd nothing is handed over until they look, or it ends",
      ),
      Flag.withDefault("next"),
    ),
    json: Flags.json,
  },
  Effect.fn(
    function* ({ json, priority, target, text }) {
      const message = text.join(" ")
      if (message.trim() === "")
        return yield* new Misused({ reason: "The text is empty. Nothing was sent. Give a text." })
      const manager = yield* connect(yield* chosenMeshes(Option.none()), "command")
      const { client, to } = yield* manager.route(target)
      const { slug } = client.membership
      const away = yield* reached(client).pipe(
        Effect.as(undefined),
        // A broker that refuses us is not away: waiting would change nothing.
        Effect.catchTag("NotConnected", (error) => (error.code === undefined ? Effect.succeed(error) : error)),
      )
      const enqueued = yield* client.enqueue({ to, text: message, priority })
      const answered = away === undefined ? yield* Effect.timeoutOption(enqueued.ack, ackWaitMillis) : Option.none()
      if (Option.isNone(answered)) {
        const { messageId } = enqueued
        const common = { mesh: slug, target: formatTarget(enqueued.target), messageId }
        yield* json
          ? printJson({ ...common, state: "waiting" })
          : Console.log(printable(`waiting: the message to ${to} on ${slug} is on this machine (${messageId})`))
        return yield* aside(
          printable(
            `claudemesh: ${away === undefined ? "The broker did not answer" : remedied(away)}. The next command or agent of yours that reaches it sends the message. To see it or cancel it: ${command} outbox`,
          ),
        )
      }
      const receipt = answered.value
      if (json) {
        const { group, ...data } = outcomeOf(client, enqueued, receipt)
        const common = { mesh: slug, target: formatTarget(enqueued.target), messageId: receipt.messageId }
        const state = receipt.recipients[0]?.state ?? "queued"
        return yield* printJson(group ? { ...common, ...data } : { ...common, state })
      }
      const words = yield* outcomeWords(client, enqueued, receipt, priority)
      yield* Console.log(printable(`${addressee(client, to, enqueued)} on ${slug}: ${words} (${receipt.messageId})`))
    },
    Effect.scoped,
    Effect.provide(clientLayer),
    Effect.mapError(failed),
  ),
).pipe(
  Command.withDescription("Send a message, end-to-end encrypted"),
  Command.withExamples([
    { command: `claudemesh send bob "the build is green"`, description: "To a person" },
    {
      command: `claudemesh send my-team:bob "look now" --priority now`,
      description: "In one of several meshes, urgently",
    },
    { command: `claudemesh send '#builds' "main is red"`, description: "To everyone who joined a channel" },
    { command: `claudemesh send '*' "standup in five minutes"`, description: "To all, also those who are away" },
  ]),
)
