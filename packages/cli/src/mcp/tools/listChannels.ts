/** `list_channels`: the channels of each mesh, and which of them this session is in. */
import type { BrokerClient } from "@claudemesh/client/BrokerClient"
import { Effect, Option, Schema } from "effect"
import { failure, tool } from "../Tool.ts"

const listWaitMillis = 5_000

export const listChannels = tool({
  name: "list_channels",
  title: "List the channels of the mesh",
  description:
    "List the channels that people on your claudemesh meshes have joined, how many are there, and which this session is in.",
  readOnly: true,
  input: Schema.Struct({
    mesh: Schema.optionalKey(Schema.String.annotate({ description: "Only this mesh, by its slug." })),
  }),
  run: ({ mesh }, manager) =>
    Effect.gen(function* () {
      const clients = mesh === undefined ? manager.all : [yield* manager.get(mesh)]
      const meshes = yield* Effect.forEach(clients, listed, { concurrency: "unbounded" })
      return {
        text: meshes.map(shown).join("\n\n") || "No mesh is joined. A person joins one with the claudemesh command.",
        structured: { meshes },
      }
    }).pipe(Effect.catch((error) => Effect.succeed(failure(error.message, { slugs: error.slugs })))),
})

interface ListedMesh {
  readonly mesh: string
  readonly connected: boolean
  readonly reason: string
  readonly channels: ReadonlyArray<{
    readonly channel: string
    readonly joined: boolean
    readonly sessions: number
    readonly members: number
  }>
}

const listed = (client: BrokerClient): Effect.Effect<ListedMesh> => {
  const away = (reason: string): ListedMesh => ({
    mesh: client.membership.slug,
    connected: false,
    reason,
    channels: [],
  })
  return client.channels.pipe(
    Effect.map((channels): ListedMesh => ({ mesh: client.membership.slug, connected: true, reason: "", channels })),
    Effect.timeoutOption(listWaitMillis),
    Effect.map(Option.getOrElse(() => away("no answer in time"))),
    Effect.catch((error) => Effect.succeed(away(error.message))),
  )
}

const shown = ({ channels, connected, mesh, reason }: ListedMesh): string => {
  if (!connected) return `Mesh ${mesh}: not connected (${reason}).`
  if (channels.length === 0) return `Mesh ${mesh}: no channels; join_channel makes one.`
  const lines = channels.map(
    ({ channel, joined, members, sessions }) =>
      `- #${channel}${joined ? " (joined)" : ""}: ${members} member(s), ${sessions} session(s) there now`,
  )
  return [`Mesh ${mesh}:`, ...lines].join("\n")
}
