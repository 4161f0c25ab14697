/** Random bytes from Effect's `Crypto`. A machine that has none is a defect: there is nothing a caller could do. */
import { Crypto, Effect } from "effect"

export const randomBytes = (size: number): Effect.Effect<Uint8Array, never, Crypto.Crypto> =>
  Effect.flatMap(Crypto.Crypto, (crypto) => Effect.orDie(crypto.randomBytes(size)))

export const randomHex = (size: number): Effect.Effect<string, never, Crypto.Crypto> =>
  Effect.map(randomBytes(size), (bytes) => Buffer.from(bytes).toString("hex"))
