/** A message as one person seals it to another, with whatever is changed of what it is bound to. */
import { ClientMessageId } from "@claudemesh/domain/Ids"
import { type DirectTarget, Target } from "@claudemesh/domain/routing/Target"
import type { Send } from "@claudemesh/domain/wire/ClientFrame"
import { Effect } from "effect"
import { sealMessage } from "../../src/seal/SealMessage.ts"
import { verified } from "./Certified.ts"
import { membershipOf, type Person } from "./FakeBroker.ts"

export const sealedSend = Effect.fnUntraced(function* (message: {
  readonly from: Person
  readonly to: Person
  readonly text: string
  readonly bare?: boolean
  readonly target?: DirectTarget
  readonly revocations?: number
  readonly id?: string
}) {
  const { bare, from, revocations, text, to } = message
  const target = message.target ?? memberTarget(to)
  const id = ClientMessageId.make(message.id ?? "m1")
  const sealed = yield* sealMessage(
    {
      text,
      target,
      priority: "next",
      id,
      from: { ...membershipOf(from), sessionId: from.sessionId },
      maxBytes: 65_536,
      revocations,
    },
    { recipient: yield* verified(to), bare: bare ?? false },
  )
  return { type: "send", id, targetSpec: target, priority: "next", ...sealed } satisfies Send
})

export const memberTarget = (who: Person): DirectTarget => Target.cases.Member.make({ key: who.publicKey })
export const sessionTarget = (who: Person): DirectTarget =>
  Target.cases.Session.make({ key: who.publicKey, session: who.sessionId })
