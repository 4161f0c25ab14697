/** A message as a person reads it on a terminal, and as a script does. */
import type { InboxMessage } from "@claudemesh/client/inbox/Inbox"
import { bold, dim, printable } from "./Output.ts"
import { memberName } from "./mcp/WrapUntrusted.ts"
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

/** An agent may read this, too, and a body has as many lines as it likes: none of them begins as a header or a word of ours does. */
const setApart = (text: string): string => text.replace(/^(?=.)/gm, "  ")

export const forPeople = (message: InboxMessage): string => {
  const from = bold(message.sender.name === undefined ? message.senderKey : memberName(message.sender.name))
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
  const body =
    content._tag === "Opened" ? setApart(printable(content.text)) : dim(`[not shown: ${whyNotShown(content)}]`)
  return `${from} ${dim(`(${notes})`)}\n${body}\n`
}
