/** `list_channels`: the channels of each mesh, and which of them this session is in. */
import type { BrokerClient } from "@claudemesh/client/BrokerClient"
import { Effect, Option, Schema } from "effect"
import { type Entry, listing, type MeshList, placeIn } from "../Listing.ts"
import { failure, tool } from "../Tool.ts"
import * as toolWords from "../../words/tools.ts"
import * as sharedWords from "../../words/shared.ts"

const listWaitMillis = 5_000

export const listChannels = tool({
  name: "list_channels",
  title: toolWords.listChannelsOfTheMesh,
  description: toolWords.listTheChannelsOfPeopleOnThe,
  readOnly: true,
  input: Schema.Struct({
    mesh: Schema.optionalKey(Schema.String.annotate({ description: "Only this mesh." })),
    after: Schema.optionalKey(Schema.String.annotate({ description: toolWords.asTheEndOfAListSays })),
  }),
  run: ({ after, mesh }, { manager }) =>
    Effect.gen(function* () {
      const from = placeIn(after)
      if (after !== undefined && from === undefined) return failure(toolWords.afterIsNotAValueThatList)
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
      words: channels.length === 0 ? toolWords.noChannelsJoinChannelMakesOne : counted(channels.length, "channel"),
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
    Effect.map(Option.getOrElse(() => away(sharedWords.noAnswerInTime))),
    Effect.catch((error) => Effect.succeed(away(error.message))),
  )
}

const counted = (count: number, what: string): string => `${count} ${what}${count === 1 ? "" : "s"}`
