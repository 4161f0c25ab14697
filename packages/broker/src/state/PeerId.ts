/** One connection as its mesh knows it: a name, and nothing that could be called. Of two, the higher is the newer. */
import { Schema } from "effect"

export const PeerId = Schema.Int.pipe(Schema.brand("claudemesh/broker/PeerId"))
export type PeerId = typeof PeerId.Type
