/**
 * When all is well: who is there, who is in which channel, and who a message to a group would reach, as the broker
 * says and as it is.
 */
import type { Label } from "@claudemesh/domain/Ids"
import type { Channel, Peer } from "@claudemesh/domain/wire/BrokerFrame"
import { type AcceptedMessage, inboxKey } from "../History.ts"
import type { Session } from "../Sessions.ts"

const difference = (what: string, said: ReadonlyArray<string>, true_: ReadonlyArray<string>): ReadonlyArray<string> => [
  ...said.filter((one) => !true_.includes(one)).map((one) => `${what}: the broker says ${one}, and it is not so`),
  ...true_.filter((one) => !said.includes(one)).map((one) => `${what}: the broker does not say ${one}, and it is so`),
  ...(new Set(said).size < said.length ? [`${what}: the broker says something twice`] : []),
]

/** `all`: the live sessions of one mesh. */
export const checkPeers = (
  peers: ReadonlyArray<Pick<Peer, "memberId" | "sessionId" | "attached">>,
  all: ReadonlyArray<Session>,
): ReadonlyArray<string> =>
  difference(
    "peers",
    peers.map(({ attached, memberId, sessionId }) => `${memberId}/${sessionId}${attached ? "" : " (cut off)"}`),
    all.map(({ id, member }) => `${member}/${id}`),
  )

const isIn = ({ channels }: Session, channel: Label): boolean => channels.get(channel)?.state === "in"

export const checkChannels = (
  channels: ReadonlyArray<Channel>,
  asker: Session,
  all: ReadonlyArray<Session>,
  names: ReadonlyArray<Label>,
): ReadonlyArray<string> =>
  names.flatMap((name) => {
    const said = channels.find(({ channel }) => channel === name)
    const sessions = all.filter((session) => isIn(session, name)).length
    const joined = isIn(asker, name)
    return (said?.sessions ?? 0) === sessions && (said?.joined ?? false) === joined
      ? []
      : [
          `channels: the broker says of #${name} ${said?.sessions ?? 0} sessions, joined ${said?.joined ?? false}; it is ${sessions}, ${joined}`,
        ]
  })

/** Who a message to this group reaches when these are all that are live. */
export const checkAudience = (
  { mesh, recipients, target }: AcceptedMessage,
  sender: Session,
  all: ReadonlyArray<Session>,
): ReadonlyArray<string> => {
  const takes = (session: Session): boolean => {
    if (target === "*") return true
    if (target.startsWith("#"))
      return [...session.channels.keys()].some((name) => target === `#${name}` && isIn(session, name))
    return session.tags.some((tag) => target === `tag:${tag}`)
  }
  return difference(
    `audience of ${target}`,
    recipients.map(({ member, session }) => inboxKey(mesh, member, session)),
    all.filter((session) => session !== sender && takes(session)).map(({ id, member }) => inboxKey(mesh, member, id)),
  )
}
