/** A message as a person reads it on a terminal, and as a script does. */
import type { InboxMessage } from "@claudemesh/client/inbox/Inbox"
import { bold, dim, printable } from "./Output.ts"
import { asData, groupOf, isClear, type Membership, membershipOf, saidAt, whyNotShown } from "./Received.ts"

export const asJson = (message: InboxMessage) => {
  const { from, ...data } = asData(message)
  return { ...data, from: { ...from, publicKey: message.senderKey }, acceptedAt: message.createdAt }
}

const memberNotes: Readonly<Record<Membership, ReadonlyArray<string>>> = {
  verified: [],
  certified: [],
  revoked: ["revoked: not a member any more"],
  uncertified: ["uncertified: not proved to be a member"],
}

export const forPeople = (message: InboxMessage): string => {
  const from = bold(printable(message.sender.name ?? message.senderKey))
  const group = groupOf(message)
  const notes = [
    message.slug,
    ...(group === undefined ? [] : [`to ${group}`]),
    saidAt(message),
    ...(message.redelivered ? ["maybe seen before"] : []),
    ...memberNotes[membershipOf(message.sender.standing)],
    ...(isClear(message) ? ["not encrypted: who wrote it is not proved"] : []),
  ].join(", ")
  const { content } = message
  const body = content._tag === "Opened" ? printable(content.text) : dim(`[not shown: ${whyNotShown(content)}]`)
  return `${from} ${dim(`(${notes})`)}\n${body}\n`
}
