/** What this machine itself says of a message that no broker is known to have: as data, and in words for a person and for a model. */
import { nameAmongWords } from "@claudemesh/client/roster/FindNamed"
import type { Unsent } from "@claudemesh/client/outbox/OutboxEntry"
import { isoFromMillis } from "@claudemesh/domain/IsoTime"
import { formatTarget, parseTarget } from "@claudemesh/domain/routing/Target"
import { Option } from "effect"
import { printable } from "./Output.ts"
import * as messageWords from "./words/messages.ts"

export interface UnsentReport {
  readonly messageId: string
  readonly mesh: string
  /** As it was typed. */
  readonly to: string
  readonly target: string
  /** `unanswered`: it has left this machine, and a broker may have it. */
  readonly state: "waiting" | "unanswered" | "refused"
  readonly code?: string
  readonly explanation?: string
  /** When it was written, where that is known; else when it was refused. */
  readonly since: string
}

export const unsentReport = (unsent: Unsent, slug: string): UnsentReport => {
  if (unsent._tag === "Waiting") {
    const { frame, hasLeft, messageId, sealedAtMillis, to } = unsent.entry
    return {
      messageId,
      mesh: slug,
      to,
      target: formatTarget(frame.targetSpec),
      state: hasLeft ? "unanswered" : "waiting",
      since: isoFromMillis(sealedAtMillis),
    }
  }
  const { atMillis, code, explanation, messageId, sealedAtMillis, target, to } = unsent.problem
  const since = isoFromMillis(sealedAtMillis ?? atMillis)
  return { messageId, mesh: slug, to, target, state: "refused", code, explanation, since }
}

/** As it was typed: a group or a key as it stands, and a name like in every other list. */
export const shownTo = ({ to }: { readonly to: string }): string =>
  Option.isSome(parseTarget(to)) ? printable(to) : nameAmongWords(to)

/** In a sentence; `since` says when it was written. */
export const unsentWords = (report: UnsentReport, since: string): string => {
  const { explanation = "", mesh, state } = report
  const message = messageWords.theMessageToOnWritten(shownTo(report), mesh, since)
  if (state === "waiting") return messageWords.notSentYetWaitsOnThisMachine(message)
  if (state === "unanswered") return messageWords.sentNotAnsweredYetMayHaveReached(message)
  return messageWords.notSentWasRefused(message, printable(explanation))
}
