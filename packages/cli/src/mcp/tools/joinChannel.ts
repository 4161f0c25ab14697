/** `join_channel`: this session hears a channel of the mesh, over reconnects and restarts. */
import { Effect } from "effect"
import { channelInput, done, meshOf } from "../ChannelTool.ts"
import { tool } from "../Tool.ts"

export const joinChannel = tool({
  name: "join_channel",
  title: "Join a channel of the mesh",
  description:
    "From now on this session gets what people on the mesh send to #channel. A channel is there once somebody has joined it. " +
    "It lasts over reconnects, until leave_channel.",
  readOnly: false,
  input: channelInput,
  run: ({ channel, mesh }, { manager }) =>
    done(
      channel,
      Effect.tap(meshOf(mesh, channel, manager), (client) =>
        Effect.mapError(client.joinChannel(channel), (error) =>
          // Only a refusal is the end of it: the client joins with its next connection whatever it was asked to.
          error._tag === "RequestRefused"
            ? error
            : { message: `${error.message}; it is joined as soon as the mesh is reached` },
        ),
      ),
      "joined",
    ),
})
