/** `join_channel`: this session hears a channel of the mesh, over reconnects and restarts. */
import { Effect } from "effect"
import { channelInput, inChannel } from "../ChannelTool.ts"
import { tool } from "../Tool.ts"

export const joinChannel = tool({
  name: "join_channel",
  title: "Join a channel of the mesh",
  description: "This session gets what people send to #channel. Joining makes it.",
  readOnly: false,
  idempotent: true,
  input: channelInput,
  run: (input, { manager }) =>
    inChannel(input, manager, (client, channel) =>
      Effect.mapBoth(client.joinChannel(channel), {
        onSuccess: () => `Joined #${channel} on ${client.membership.slug}.`,
        onFailure: (error) =>
          // Only a refusal is the end of it: the client joins with its next connection whatever it was asked to.
          error._tag === "RequestRefused"
            ? error
            : { message: `${error.message}; it is joined as soon as the mesh is reached` },
      }),
    ),
})
