/** `leave_channel`: this session does not hear a channel any more. */
import { Effect, Option } from "effect"
import { channelInput, inChannel } from "../ChannelTool.ts"
import { tool } from "../Tool.ts"
import * as toolWords from "../../words/tools.ts"

export const leaveChannel = tool({
  name: "leave_channel",
  title: toolWords.leaveAChannelOfTheMesh,
  description: toolWords.thisSessionGetsNoMoreOfWhat,
  readOnly: false,
  // What is said there meanwhile is not had later.
  destructive: true,
  idempotent: true,
  input: channelInput,
  run: (input, { manager }) =>
    inChannel(
      input,
      manager,
      Effect.fnUntraced(function* (client, channel) {
        const before = yield* Effect.option(client.channels)
        yield* client.leaveChannel(channel)
        const wasIn = Option.isNone(before) || before.value.some((one) => one.channel === channel && one.joined)
        return wasIn
          ? `Left #${channel} on ${client.membership.slug}.`
          : toolWords.thisSessionWasNotInOnNothing(channel, client.membership.slug)
      }),
    ),
})
