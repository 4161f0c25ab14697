/** `channels`: what groups there are in each mesh, and how many are in them. */
import { Console, Effect } from "effect"
import { Command } from "effect/unstable/cli"
import { askAll, chosenMeshes, clientLayer, connect } from "../Meshes.ts"
import { printJson, table } from "../Output.ts"
import * as Flags from "./Flags.ts"
import * as does from "../words/commands.ts"
import * as peopleWords from "../words/people.ts"

export const channels = Command.make(
  "channels",
  { mesh: Flags.mesh, json: Flags.json },
  Effect.fn(
    function* ({ json, mesh }) {
      const { all } = yield* connect(yield* chosenMeshes(mesh), "command")
      const { answers, away } = yield* askAll(all, (client) =>
        Effect.map(client.channels, (found) =>
          // A command takes no messages and is in no channel: whether it joined is not worth a word.
          found.map(({ channel, members, sessions }) => ({ mesh: client.membership.slug, channel, members, sessions })),
        ),
      )
      if (away !== undefined && answers.length === 0) return yield* away
      const rows = answers.flat()
      const shown = json ? printJson(rows) : Console.log(asText(rows))
      yield* away === undefined ? shown : Effect.andThen(shown, away)
    },
    Effect.scoped,
    Effect.provide(clientLayer),
  ),
).pipe(
  Command.withDescription(does.showTheChannelsOfYourMeshesAnd),
  Command.withExamples([
    { command: "claudemesh channels --json", description: "For a script" },
    { command: "claudemesh mcp --channel builds", description: peopleWords.anAgentJoinsOneByItsTool },
  ]),
)

const asText = (
  rows: ReadonlyArray<{
    readonly mesh: string
    readonly channel: string
    readonly members: number
    readonly sessions: number
  }>,
): string =>
  rows.length === 0
    ? peopleWords.noChannelsAnAgentJoinsOneWith
    : table(
        ["MESH", "CHANNEL", "MEMBERS", "SESSIONS NOW"],
        rows.map(({ channel, members, mesh, sessions }) => [mesh, `#${channel}`, String(members), String(sessions)]),
      )
