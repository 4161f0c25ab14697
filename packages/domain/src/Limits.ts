/**
 * Every bound that both ends must know, with its unit in its name. What only the broker or only the client
 * needs is in that package's own limits.
 */

/** Decoded ciphertext bytes of one message, unless the operator sets `MAX_MESSAGE_BYTES`. */
export const messageBytesDefault = 65_536

/** Members of one mesh, also those that it is made with: no more than a message can be sealed to. */
export const membersPerMeshMax = 500

/** Room in a frame beside the ciphertext: ids, target, and sealed keys of a few hundred members. */
export const frameOverheadBytes = 131_072

/** The most pushes that may be unacked on one connection; the client's push buffer has the same size. */
export const inFlightMax = 500

/** Of the window, the share that only `now` may use, so that unread `next` never holds up an urgent message. */
export const inFlightReservedForNow = 16

/** Unacked ciphertext bytes (as base64) on one connection. */
export const inFlightBytesMax = 1_048_576

/** Of these, the share that only `now` may use: room for the largest message of `messageBytesDefault`. */
export const inFlightBytesReservedForNow = 131_072

/** How far a v1 hello's timestamp may be from the broker's clock. */
export const helloSkewMillis = 60_000

/** Ids in one `client_ack`, `lease` or `release`. */
export const ackBatchMax = inFlightMax

/** Characters of one member's sealed key, in base64. */
export const sealedKeyCharactersMax = 256

/** How long a message, or a status, may ask to last. */
export const ttlSecondsMax = 31_536_000

/** Sessions that the answer to a `pull` names. */
export const elsewhereMax = 20

/** The largest frame a broker reads: base64 of the ciphertext, and the overhead. */
export const frameBytesMax = (messageBytesMax: number): number =>
  Math.ceil(messageBytesMax / 3) * 4 + frameOverheadBytes

/** Keys that one `get_trust` may ask for. */
export const trustKeysMax = 100

/** Revocations in one `trust`. */
export const trustRevocationsMax = 10
