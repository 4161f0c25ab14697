/** `message-status`: what became of a message that one sent, for each who was to get it. */
import type { BrokerClient } from "@claudemesh/client/BrokerClient"
import { MessageId } from "@claudemesh/domain/Ids"
import { Console, Effect } from "effect"
import { Argument, Command } from "effect/unstable/cli"
import { Failed } from "../Failed.ts"
import { askAll, chosenMeshes, clientLayer, connect } from "../Meshes.ts"
import { printable, printJson, shortKey, table } from "../Output.ts"
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
      yield* json ? printJson(found) : Console.log(asText(found))
    },
    Effect.scoped,
    Effect.provide(clientLayer),
  ),
).pipe(
  Command.withDescription("Show what became of a message you sent"),
  Command.withExamples([
    {
      command: "claudemesh message-status 857bd4dd31af31dd017478b97513b150",
      description: "pending, delivered, consumed or expired, for each who was to get it",
    },
  ]),
)

/** None in a mesh that it was not sent in: a message's id does not say which. */
const fateIn = Effect.fnUntraced(function* (client: BrokerClient, messageId: MessageId) {
  // Names are those of certificates: who is new since is asked for.
  yield* client.roster
  const fate = yield* client.messageStatus(messageId).pipe(
    Effect.map((known) => [known]),
    Effect.catchTag("RequestRefused", (refused) =>
      refused.code === "unknown_message" ? Effect.succeed([]) : Effect.fail(refused),
    ),
  )
  return fate.map(({ at, recipients, state }) => ({
    mesh: client.membership.slug,
    messageId,
    state,
    at: at ?? null,
    recipients: recipients.map((recipient) => ({
      name: client.nameOf(recipient.pubkey) ?? null,
      publicKey: recipient.pubkey,
      session: recipient.sessionId ?? null,
      state: recipient.state,
      at: recipient.at ?? null,
    })),
  }))
})

interface Fate {
  readonly mesh: string
  readonly state: string
  readonly at: string | null
  readonly recipients: ReadonlyArray<{
    readonly name: string | null
    readonly publicKey: string
    readonly session: string | null
    readonly state: string
    readonly at: string | null
  }>
}

const asText = ({ at, mesh, recipients, state }: Fate): string => {
  const head = `${state} on ${mesh}${at === null ? "" : ` since ${at}`}`
  if (recipients.length === 0) return `${head}: nobody was there to get it`
  const rows = recipients.map(({ at, name, publicKey, session, state }) => [
    printable(name ?? "-"),
    shortKey(publicKey),
    session ?? "-",
    state,
    at ?? "",
  ])
  return `${head}\n${table(["NAME", "KEY", "SESSION", "STATE", "SINCE"], rows)}`
}
