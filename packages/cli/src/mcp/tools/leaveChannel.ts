/** `leave_channel`: this session does not hear a channel any more. */
import { Effect } from "effect"
import { channelInput, done, meshOf } from "../ChannelTool.ts"
import { tool } from "../Tool.ts"

export const leaveChannel = tool({
  name: "leave_channel",
  title: "Leave a channel of the mesh",
  description: "This session does not get any more what people on the mesh send to #channel.",
  readOnly: false,
  input: channelInput,
  run: ({ channel, mesh }, { manager }) =>
    done(
      channel,
      Effect.tap(meshOf(mesh, channel, manager), (client) => client.leaveChannel(channel)),
      "left",
    ),
})
