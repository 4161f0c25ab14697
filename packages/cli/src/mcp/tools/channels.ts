/** `join_channel`, `leave_channel`, `list_channels`: the groups of a mesh that a session is in by its own will. */
import type { BrokerClient } from "@claudemesh/client/BrokerClient"
import type { MeshManager } from "@claudemesh/client/MeshManager"
import { Label } from "@claudemesh/domain/Ids"
import { Effect, Option, Schema } from "effect"
import { failure, tool, type ToolResult } from "../Tool.ts"

const channelInput = Schema.Struct({
  channel: Label.annotate({ description: "Its name without #, such as builds: lower-case letters, digits, . _ or -." }),
  mesh: Schema.optionalKey(
    Schema.String.annotate({ description: "The mesh, by its slug; needed when several are joined." }),
  ),
})

/** A channel is one mesh's: with several joined, which one is not guessed. */
const meshOf = (mesh: string | undefined, channel: string, manager: MeshManager) =>
  mesh === undefined ? Effect.map(manager.route(`#${channel}`), ({ client }) => client) : manager.get(mesh)

export const joinChannel = tool({
  name: "join_channel",
  title: "Join a channel of the mesh",
  description:
    "From now on this session gets what people on the mesh send to #channel. A channel is there once somebody has joined it. " +
    "It lasts over reconnects, until leave_channel.",
  readOnly: false,
  input: channelInput,
  run: ({ channel, mesh }, manager) =>
    done(
      channel,
      Effect.tap(meshOf(mesh, channel, manager), (client) => client.joinChannel(channel)),
      "joined",
    ),
})

export const leaveChannel = tool({
  name: "leave_channel",
  title: "Leave a channel of the mesh",
  description: "This session does not get any more what people on the mesh send to #channel.",
  readOnly: false,
  input: channelInput,
  run: ({ channel, mesh }, manager) =>
    done(
      channel,
      Effect.tap(meshOf(mesh, channel, manager), (client) => client.leaveChannel(channel)),
      "left",
    ),
})

const done = (
  channel: string,
  action: Effect.Effect<BrokerClient, { readonly message: string }>,
  what: "joined" | "left",
): Effect.Effect<ToolResult> =>
  action.pipe(
    Effect.map(({ membership: { slug } }) => ({
      text: `${what === "joined" ? "Joined" : "Left"} #${channel} on ${slug}.`,
      structured: { mesh: slug, channel, joined: what === "joined" },
    })),
    Effect.catch((error) => Effect.succeed(failure(`#${channel}: ${error.message}`))),
  )

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
