/** What `join_channel` and `leave_channel` have in common: their input, which mesh is meant, and the answer. */
import type { BrokerClient } from "@claudemesh/client/BrokerClient"
import type { MeshManager } from "@claudemesh/client/MeshManager"
import { Label } from "@claudemesh/domain/Ids"
import { Effect, Schema } from "effect"
import { failure, type ToolResult } from "./Tool.ts"

export const channelInput = Schema.Struct({
  channel: Label.annotate({ description: "Its name without #, such as builds: lower-case letters, digits, . _ or -." }),
  mesh: Schema.optionalKey(
    Schema.String.annotate({ description: "The mesh, by its slug; needed when several are joined." }),
  ),
})

/** A channel is one mesh's: with several joined, which one is not guessed. */
export const meshOf = (mesh: string | undefined, channel: string, manager: MeshManager) =>
  mesh === undefined
    ? Effect.mapBoth(manager.route(`#${channel}`), {
        onSuccess: ({ client }) => client,
        // These tools take the slug by itself.
        onFailure: (error) =>
          error.slugs.length === 0
            ? error
            : { message: `Several meshes are joined. Give one of them as "mesh": ${error.slugs.join(", ")}.` },
      })
    : manager.get(mesh)

export const done = (
  channel: string,
  action: Effect.Effect<BrokerClient, { readonly message: string }>,
  what: "joined" | "left",
): Effect.Effect<ToolResult> =>
  action.pipe(
    Effect.map(({ membership: { slug } }) => ({
      text: `${what === "joined" ? "Joined" : "Left"} #${channel} on ${slug}.`,
    })),
    Effect.catch((error) => Effect.succeed(failure(`#${channel}: ${error.message}`))),
  )
