/** Where a page of `peers` ends: the key and the session id of its last session. `""` is before the first. */
import { Schema } from "effect"

export const PeersCursor = Schema.String.check(Schema.isMaxLength(256))
export type PeersCursor = typeof PeersCursor.Type

export const peersCursorOf = (pubkey: string, sessionId: string): PeersCursor => `${pubkey}/${sessionId}`

/** What is no cursor is before, after or between the others, as any text is: nothing is refused for it. */
export const parsePeersCursor = (cursor: PeersCursor): readonly [pubkey: string, sessionId: string] => {
  const slash = cursor.indexOf("/")
  return slash === -1 ? [cursor, ""] : [cursor.slice(0, slash), cursor.slice(slash + 1)]
}
