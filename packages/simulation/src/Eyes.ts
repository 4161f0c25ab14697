/** What somebody has really seen: a model in the answers that it was given, or a person in what was printed. */
import { MessageId } from "@claudemesh/domain/Ids"

export interface SeenPart {
  readonly messageId: MessageId
  readonly part: number
  readonly parts: number
  readonly redelivered: boolean
  readonly text: string
}

/** The tags are told before any word of a peer. */
const wrapping = (text: string): RegExp => {
  const [, tag = "nothing"] = /^[^\n]*<(peer-message-[0-9a-f]+) …>/.exec(text) ?? []
  return new RegExp(`<${tag} ([^\\n]*)>\\n([\\s\\S]*?)\\n</${tag}>`, "g")
}

/** What the server says itself. */
const outside = (text: string): string => text.replace(wrapping(text), "")

/** The messages in a text that a model is given, as it can tell them apart. */
export const partsIn = (text: string): ReadonlyArray<SeenPart> =>
  [...text.matchAll(wrapping(text))].map(([, attributes = "", body = ""]) => {
    const valueOf = (name: string) => new RegExp(`(?:^| )${name}="([^"]*)"`).exec(attributes)?.[1]
    const [part = "1", parts = "1"] = (valueOf("part") ?? "1 of 1").split(" of ")
    return {
      messageId: MessageId.make(valueOf("id") ?? ""),
      part: Number(part),
      parts: Number(parts),
      redelivered: valueOf("redelivered") === "yes",
      text: body,
    }
  })

/** With which the model confirms an answer, where it has one. */
export const cursorIn = (text: string): string | undefined => /"cursor": "([0-9a-f]+)"/.exec(outside(text))?.[1]

/** The beginnings of the ids of messages that are said not to be sent. */
export const notSentIn = (text: string): ReadonlyArray<string> =>
  [...outside(text).matchAll(/^Not sent: your message to .* \(([0-9a-f]{8})\)/gm)].map(([, id = ""]) => id)

export class Eyes {
  readonly #seen = new Map<MessageId, Set<number>>()
  readonly #parts = new Map<MessageId, number>()

  saw({ messageId, part, parts }: Pick<SeenPart, "messageId" | "part" | "parts">): void {
    this.#parts.set(messageId, parts)
    this.#seen.set(messageId, (this.#seen.get(messageId) ?? new Set()).add(part))
  }

  hasSeen(messageId: MessageId): boolean {
    return this.#seen.get(messageId)?.size === this.#parts.get(messageId) && this.#seen.has(messageId)
  }
}
