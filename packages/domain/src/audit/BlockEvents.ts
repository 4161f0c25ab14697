/** The events of a block, one by one, as people and scripts want them. What is not written as it should be is left out: the check names it. */
import type { AuditBlock } from "./AuditBlock.ts"

export interface BlockEvent {
  readonly mesh: string
  readonly block: number
  readonly seq: number | null
  readonly atMillis: number
  readonly event: string
  readonly member: string | null
  readonly session: string | null
  readonly messageId: string | null
  readonly target: string | null
  readonly priority: string | null
  readonly bytes: number | null
  readonly recipients: number | null
  /** The sequence numbers of the messages that it is about, where they are several. */
  readonly messages: ReadonlyArray<number> | null
}

export const eventsOfBlock = ({ actors, events, mesh, number }: AuditBlock): ReadonlyArray<BlockEvent> => {
  const known = listOf(actors)
  return listOf(events).flatMap((one) => {
    if (!Array.isArray(one)) return []
    const [
      seq,
      atMillis,
      event,
      place,
      messageId,
      target,
      priority,
      bytes,
      recipients,
      messages,
    ]: ReadonlyArray<unknown> = one
    if ((seq !== null && typeof seq !== "number") || typeof atMillis !== "number" || typeof event !== "string")
      return []
    const actor = typeof place === "number" ? known[place] : undefined
    const [member, session]: ReadonlyArray<unknown> = Array.isArray(actor) ? actor : []
    return [
      {
        mesh,
        block: number,
        seq,
        atMillis,
        event,
        member: textOf(member),
        session: textOf(session),
        messageId: textOf(messageId),
        target: textOf(target),
        priority: textOf(priority),
        bytes: numberOf(bytes),
        recipients: numberOf(recipients),
        messages: Array.isArray(messages) ? messages.filter((each) => typeof each === "number") : null,
      },
    ]
  })
}

const textOf = (value: unknown): string | null => (typeof value === "string" ? value : null)
const numberOf = (value: unknown): number | null => (typeof value === "number" ? value : null)

const listOf = (text: string): ReadonlyArray<unknown> => {
  try {
    const value: unknown = JSON.parse(text)
    return Array.isArray(value) ? value : []
  } catch {
    return []
  }
}
