/** Messages as they come out of an inbox, without a broker. */
import type { InboxMessage } from "@claudemesh/client/inbox/Inbox"
import { Content } from "@claudemesh/client/seal/OpenPush"
import { MemberStanding } from "@claudemesh/client/trust/MemberStanding"
import { DisplayName, MeshId, MessageId, PublicKey, SessionId, Slug } from "@claudemesh/domain/Ids"
import { IsoTime } from "@claudemesh/domain/IsoTime"

export const message = (changes: Partial<InboxMessage> = {}): InboxMessage => ({
  messageId: MessageId.make("0".repeat(32)),
  meshId: MeshId.make("m1"),
  slug: Slug.make("red"),
  senderKey: PublicKey.make("a".repeat(64)),
  sender: {
    name: DisplayName.make("alice"),
    standing: MemberStanding.Certified({ role: "member", byVoiceAt: undefined }),
  },
  senderSessionId: SessionId.make("s-1"),
  priority: "next",
  targetSpec: "b".repeat(64),
  replyTo: undefined,
  createdAt: IsoTime.make("2026-01-02T03:04:05.678Z"),
  redelivered: false,
  arrival: 1,
  content: Content.Opened({ text: "hello", binding: "bound" }),
  ...changes,
})

/** The n-th that came. */
export const numbered = (arrival: number, text = `text ${arrival}`): InboxMessage =>
  message({
    arrival,
    messageId: MessageId.make(arrival.toString(16).padStart(32, "0")),
    content: Content.Opened({ text, binding: "bound" }),
  })
