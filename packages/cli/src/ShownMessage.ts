/** A message as a person reads it on a terminal, and as a script does. */
import { nameAmongWords } from "@claudemesh/client/roster/FindNamed"
import type { InboxMessage } from "@claudemesh/client/inbox/Inbox"
import { bold, dim, shortKey } from "./Output.ts"
import { visible } from "./Visible.ts"
import { asData, groupOf, isClear, type Membership, membershipOf, saidAt, whyNotShown } from "./Received.ts"
import * as messageWords from "./words/messages.ts"

export const asJson = (message: InboxMessage) => {
  const { from, ...data } = asData(message)
  return { ...data, from: { ...from, publicKey: message.senderKey }, acceptedAt: message.createdAt }
}

/** Plain words, and what can be done. */
const memberNotes: Readonly<Record<Membership, ReadonlyArray<string>>> = {
  verified: [],
  certified: [],
  revoked: [messageWords.revokedNotAMemberAnyMoreSo],
  uncertified: [messageWords.uncertifiedNobodyProvesThatThisKeyIs],
}

/** An agent may read this, too, and a body has as many lines as it likes: none of them begins as a header or a word of ours does. */
const setApart = (text: string): string => text.replace(/(^|\n)(?=[^\r\n])/g, "$1  ")

/** Digits of an id that every command takes for all of it. */
export const shortId = (id: string): string => id.slice(0, 8)

/** Who it is from: the name is a certificate's, and the key tells two of one name apart. */
const sentBy = ({ sender, senderKey }: InboxMessage): string => {
  const verified = membershipOf(sender.standing) === "verified" ? ", verified" : ""
  return sender.name === undefined
    ? `no name (${shortKey(senderKey)})`
    : `${bold(nameAmongWords(sender.name))} (${shortKey(senderKey)}${verified})`
}

export const forPeople = (message: InboxMessage, when: (iso: string) => string): string => {
  const group = groupOf(message)
  const notes = [
    message.slug,
    ...(group === undefined ? [] : [`to ${group}`]),
    ...(message.replyTo === undefined ? [] : [`answers ${shortId(message.replyTo)}`]),
    when(saidAt(message)),
    ...(message.priority === "now" ? ["urgent"] : []),
    ...(message.redelivered ? ["maybe seen before"] : []),
    ...memberNotes[membershipOf(message.sender.standing)],
    ...(isClear(message) ? [messageWords.notEncryptedWhoWroteItIsNot] : []),
  ].join(", ")
  const { content } = message
  const body =
    content._tag === "Opened" ? setApart(visible(content.text).text) : dim(`[not shown: ${whyNotShown(content)}]`)
  return `${dim(shortId(message.messageId))} ${sentBy(message)} ${dim(`on ${notes}`)}\n${body}\n`
}
