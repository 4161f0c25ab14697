/** `join_channel`: this session hears a channel of the mesh, over reconnects and restarts. */
import { Effect } from "effect"
import { channelInput, inChannel } from "../ChannelTool.ts"
import { tool } from "../Tool.ts"
import * as toolWords from "../../words/tools.ts"

export const joinChannel = tool({
  name: "join_channel",
  title: toolWords.joinAChannelOfTheMesh,
  description: toolWords.thisSessionGetsWhatPeopleSendTo,
  readOnly: false,
  idempotent: true,
  input: channelInput,
  run: (input, { manager }) =>
    inChannel(input, manager, (client, channel) =>
      Effect.mapBoth(client.joinChannel(channel), {
        onSuccess: () => `Joined #${channel} on ${client.membership.slug}.`,
        onFailure: (error) =>
          // Only a refusal is the end of it: the client joins with its next connection whatever it was asked to.
          error._tag === "RequestRefused" ? error : { message: toolWords.itIsJoinedAsSoonAsThe(error.message) },
      }),
    ),
})
