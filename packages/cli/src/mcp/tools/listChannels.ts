/** `list_channels`: the channels of each mesh, and which of them this session is in. */
import type { BrokerClient } from "@claudemesh/client/BrokerClient"
import { Effect, Option, Schema } from "effect"
import { type Entry, listing, type MeshList, placeIn } from "../Listing.ts"
import { failure, tool } from "../Tool.ts"

const listWaitMillis = 5_000

export const listChannels = tool({
  name: "list_channels",
  title: "List channels of the mesh",
  description: "List the channels of people on the mesh, and which this session is in.",
  readOnly: true,
  input: Schema.Struct({
    mesh: Schema.optionalKey(Schema.String.annotate({ description: "Only this mesh." })),
    after: Schema.optionalKey(Schema.String.annotate({ description: "As the end of a list says." })),
  }),
  run: ({ after, mesh }, { manager }) =>
    Effect.gen(function* () {
      const from = placeIn(after)
      if (after !== undefined && from === undefined)
        return failure('"after" is not a value that list_channels gave. Call list_channels without "after".')
      const slug = from?.mesh ?? mesh
      const clients = slug === undefined ? manager.all : [yield* manager.get(slug)]
      const meshes = yield* Effect.forEach(clients, (client) => listed(client, from?.place ?? ""), {
        concurrency: "unbounded",
      })
      return listing(meshes, { tool: "list_channels", one: "channel", many: "channels" })
    }).pipe(Effect.catch((error) => Effect.succeed(failure(error.message)))),
})

export const listed = (
  client: Pick<BrokerClient, "channels"> & { readonly membership: Pick<BrokerClient["membership"], "slug"> },
  after: string,
): Effect.Effect<MeshList> => {
  const mesh = client.membership.slug
  const away = (reason: string): MeshList => ({ mesh, words: `not connected (${reason}).`, entries: [] })
  return client.channels.pipe(
    Effect.map((channels): MeshList => ({
      mesh,
      words: channels.length === 0 ? "no channels; join_channel makes one." : counted(channels.length, "channel"),
      entries: channels
        .toSorted((a, b) => (a.channel < b.channel ? -1 : 1))
        .filter(({ channel }) => channel > after)
        .map(({ channel, joined, members, sessions }): Entry => ({
          place: channel,
          text: () =>
            `- #${channel}${joined ? " (joined)" : ""}: ${counted(members, "member")}, ${counted(sessions, "session")} there now`,
        })),
    })),
    Effect.timeoutOption(listWaitMillis),
    Effect.map(Option.getOrElse(() => away("no answer in time"))),
    Effect.catch((error) => Effect.succeed(away(error.message))),
  )
}

const counted = (count: number, what: string): string => `${count} ${what}${count === 1 ? "" : "s"}`
