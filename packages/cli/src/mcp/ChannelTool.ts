/** What `join_channel` and `leave_channel` have in common: their input, which mesh is meant, and the answer. */
import type { BrokerClient } from "@claudemesh/client/BrokerClient"
import { bare } from "@claudemesh/client/roster/FindNamed"
import type { MeshManager } from "@claudemesh/client/MeshManager"
import { Label } from "@claudemesh/domain/Ids"
import { Effect, Schema } from "effect"
import { failure, type ToolResult } from "./Tool.ts"
import * as agentWords from "../words/agent.ts"

export const channelInput = Schema.Struct({
  channel: Schema.String,
  mesh: Schema.optionalKey(Schema.String.annotate({ description: "Which, of several." })),
})

/** A channel is one mesh's: with several joined, which one is not guessed. */
const meshOf = (mesh: string | undefined, channel: string, manager: MeshManager) =>
  mesh === undefined
    ? Effect.mapBoth(manager.route(`#${channel}`), {
        onSuccess: ({ client }) => client,
        // These tools take the slug by itself.
        onFailure: (error) =>
          error.slugs.length === 0
            ? error
            : { message: agentWords.severalMeshesAreJoinedGiveOneOf(error.slugs.join(", ")) },
      })
    : manager.get(mesh)

const isLabel = Schema.is(Label)

interface Problem {
  readonly message: string
}

export const inChannel = (
  { channel: written, mesh }: typeof channelInput.Type,
  manager: MeshManager,
  action: (client: BrokerClient, channel: Label) => Effect.Effect<string, Problem>,
): Effect.Effect<ToolResult> => {
  const channel = bare(written).replace(/^#/, "").toLowerCase()
  if (!isLabel(channel)) {
    const words = agentWords.channelIsNotAChannelSuchAs(JSON.stringify(written.slice(0, 80)))
    return Effect.succeed(failure(words))
  }
  return meshOf(mesh, channel, manager).pipe(
    Effect.flatMap((client) => action(client, channel)),
    Effect.map((text) => ({ text })),
    Effect.catch((error: Problem) => Effect.succeed(failure(`#${channel}: ${error.message}`))),
  )
}
