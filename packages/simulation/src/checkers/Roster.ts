/**
 * When all is well: who is there, who is in which channel, and who a message to a group would reach, as the broker
 * says and as it is.
 */
import type { Label } from "@claudemesh/domain/Ids"
import type { Channel, Peer } from "@claudemesh/domain/wire/BrokerFrame"
import { type AcceptedMessage, inboxKey } from "../History.ts"
import type { Slot } from "../Slot.ts"

const difference = (what: string, said: ReadonlyArray<string>, true_: ReadonlyArray<string>): ReadonlyArray<string> => [
  ...said.filter((one) => !true_.includes(one)).map((one) => `${what}: the broker says ${one}, and it is not so`),
  ...true_.filter((one) => !said.includes(one)).map((one) => `${what}: the broker does not say ${one}, and it is so`),
  ...(new Set(said).size < said.length ? [`${what}: the broker says something twice`] : []),
]

/** `all`: the live slots of one mesh. */
export const checkPeers = (
  peers: ReadonlyArray<Pick<Peer, "memberId" | "sessionId" | "attached">>,
  all: ReadonlyArray<Slot>,
): ReadonlyArray<string> =>
  difference(
    "peers",
    peers.map(({ attached, memberId, sessionId }) => `${memberId}/${sessionId}${attached ? "" : " (cut off)"}`),
    all.map(({ membership, sessionId }) => `${membership.memberId}/${sessionId}`),
  )

const isIn = (slot: Slot, channel: Label): boolean => slot.channels.get(channel)?.state === "in"

/** `gone`: for each channel, the members that are still in it by a session that ended for good. */
export const checkChannels = (
  channels: ReadonlyArray<Channel>,
  asker: Slot,
  all: ReadonlyArray<Slot>,
  names: ReadonlyArray<Label>,
): ReadonlyArray<string> =>
  names.flatMap((name) => {
    const said = channels.find(({ channel }) => channel === name)
    const sessions = all.filter((slot) => isIn(slot, name)).length
    const joined = isIn(asker, name)
    return (said?.sessions ?? 0) === sessions && (said?.joined ?? false) === joined
      ? []
      : [
          `channels: the broker says of #${name} ${said?.sessions ?? 0} sessions, joined ${said?.joined ?? false}; it is ${sessions}, ${joined}`,
        ]
  })

/** Who a message to this group reaches when every slot is live. */
export const checkAudience = (
  { mesh, recipients, target }: AcceptedMessage,
  sender: Slot,
  all: ReadonlyArray<Slot>,
): ReadonlyArray<string> => {
  const takes = (slot: Slot): boolean => {
    if (target === "*") return true
    if (target.startsWith("#"))
      return [...slot.channels.keys()].some((name) => target === `#${name}` && isIn(slot, name))
    return slot.tags.some((tag) => target === `tag:${tag}`)
  }
  return difference(
    `audience of ${target}`,
    recipients.map(({ member, session }) => inboxKey(mesh, member, session)),
    all
      .filter((slot) => slot !== sender && takes(slot))
      .map(({ membership, sessionId }) => inboxKey(mesh, membership.memberId, sessionId)),
  )
}
