/**
 * The audit of a mesh as a chain of blocks, and the one text that a block's hash is over. A block is what one commit recorded. Its
 * number has no gap, and its hash is over the hash of the one before, so whoever knows one hash knows all that came before it.
 * The events stay as the bytes that were stored: nobody has to write them anew to check them.
 */
import { hash } from "node:crypto"

export interface AuditBlock {
  readonly mesh: string
  /** 1 for a mesh's first, then without a gap. */
  readonly number: number
  /** The hash of the block before; of the first one, {@link chainBegins}. */
  readonly previous: string
  readonly hash: string
  /** Of its last event. */
  readonly atMillis: number
  /** Events of the chain up to here, with those of this block. */
  readonly total: number
  /** JSON: a list of those who did something, each with a member and a session or null. */
  readonly actors: string
  /** JSON: a list of events, as {@link eventText} writes them. */
  readonly events: string
}

export const chainBegins = "0".repeat(64)

/** What is before the two texts has no newline in it, and their lengths are said, so it cannot be read two ways. SQL has the same text. */
export const blockText = (block: Omit<AuditBlock, "hash">): string =>
  [
    "claudemesh-audit-v1",
    block.mesh,
    block.number,
    block.previous,
    block.atMillis,
    block.total,
    Buffer.byteLength(block.actors),
    Buffer.byteLength(block.events),
    block.actors + block.events,
  ].join("\n")

export const blockHash = (block: Omit<AuditBlock, "hash">): string => hash("sha256", blockText(block), "hex")

/** The place of its actor is in the list of its block. */
export interface AuditEvent {
  /** Of the mesh, of what takes one. */
  readonly seq: number | undefined
  readonly atMillis: number
  readonly event: string
  readonly actor: number | undefined
  readonly messageId?: string | undefined
  readonly targetSpec?: string | undefined
  readonly priority?: string | undefined
  readonly bytes?: number | undefined
  readonly recipients?: number | undefined
  /** The sequence numbers of the messages that it is about, where they are several. */
  readonly messages?: ReadonlyArray<number> | undefined
}

/** What is not there is null, and what comes last is left out. Put together by hand it takes twice as long. */
export const eventText = (one: AuditEvent): string => {
  const { actor, atMillis, bytes, event, messageId, messages, priority, recipients, seq, targetSpec } = one
  const all = [seq, atMillis, event, actor, messageId, targetSpec, priority, bytes, recipients]
  return JSON.stringify(messages === undefined ? all : [...all, messages])
}

/** In the order of their numbers, and then what has none by its text, which begins with its time. */
export const eventsText = (events: ReadonlyArray<string>): string => `[${events.join(",")}]`
