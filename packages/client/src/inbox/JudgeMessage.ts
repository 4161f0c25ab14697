/**
 * What the agent is told of a message's sender, and whether the text may be shown at all. It is judged when the agent
 * takes the message, and not when it comes: the broker may have to be asked for the sender's proof, and reading goes on.
 */
import type { IsoTime } from "@claudemesh/domain/IsoTime"
import type { Certificate } from "@claudemesh/domain/trust/Certificate"
import { Clock, Effect } from "effect"
import { copyMaxAgeMillis, proofWaitMillis } from "../Limits.ts"
import { Content } from "../seal/OpenPush.ts"
import type { TrustSync } from "../trust/TrustSync.ts"
import type { HeldMessage, InboxMessage } from "./Inbox.ts"

/** All of one mesh, with one request for whom nothing is known of. `own`: our certificate there. */
export const judgeMessages = Effect.fnUntraced(function* (
  messages: ReadonlyArray<HeldMessage>,
  { store, prove }: Pick<TrustSync, "store" | "prove">,
  own: Certificate | undefined,
) {
  yield* Effect.timeoutOption(prove(messages.map(({ senderKey }) => senderKey)), proofWaitMillis)
  const nowMillis = yield* Clock.currentTimeMillis
  return messages.map((message): InboxMessage => {
    const certificate = store.certificateOf(message.senderKey)
    return {
      ...message,
      content: shownContent(message.content, certificate, own, nowMillis),
      sender: { name: store.nameOf(message.senderKey), standing: store.standingOf(message.senderKey) },
    }
  })
})

const shownContent = (
  content: Content,
  sender: Certificate | undefined,
  own: Certificate | undefined,
  nowMillis: number,
): Content => {
  if (content._tag !== "Opened") return content
  const { binding, sentAt } = content
  if (sentAt !== undefined && isTooOld(sentAt, nowMillis)) return Content.Mismatch({ field: "sentAt" })
  // Bare text is what a client of v1 seals, and what is sealed to one: ours, if our certificate says so.
  const mayBeBare = sender === undefined || sender.allowV1 || own?.allowV1 === true
  return binding === "bare" && !mayBeBare ? Content.Mismatch({ field: "downgraded" }) : content
}

/**
 * It is too old to be shown by this machine's clock and not by the broker's. Which of them is wrong is not known: the broker's word
 * alone must not have an old copy shown again, and ours alone must not hide what came just now. It waits until they agree.
 */
export const waitsForClock = ({ content }: HeldMessage, nowMillis: number, brokerMillis: number): boolean => {
  const sentAt = content._tag === "Opened" ? content.sentAt : undefined
  return sentAt !== undefined && isTooOld(sentAt, nowMillis) && !isTooOld(sentAt, brokerMillis)
}

const isTooOld = (sentAt: IsoTime, nowMillis: number): boolean => Date.parse(sentAt) < nowMillis - copyMaxAgeMillis
