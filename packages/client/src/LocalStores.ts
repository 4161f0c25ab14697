/** What a client keeps on this machine, together: who is known, what was shown, what waits to be sent, what a broker said of its audit. */
import { Layer } from "effect"
import { History } from "./inbox/History.ts"
import { SeenMessages } from "./inbox/SeenMessages.ts"
import { StateDb } from "./local/StateDb.ts"
import { OutboxStore } from "./outbox/OutboxStore.ts"
import { KeptHeads } from "./trust/KeptHeads.ts"
import { KnownMembers } from "./trust/KnownMembers.ts"

export type LocalStores = KeptHeads | KnownMembers | SeenMessages | History | OutboxStore

/** In `state.db`. */
export const localStores = Layer.mergeAll(
  KeptHeads.layer,
  KnownMembers.layer,
  SeenMessages.layer,
  History.layer,
  OutboxStore.layer,
)

/** For as long as the layer lives. */
export const storesInMemory = Layer.fresh(
  Layer.mergeAll(
    KnownMembers.memory,
    SeenMessages.memory,
    Layer.provide(Layer.mergeAll(History.layer, KeptHeads.layer, OutboxStore.layer), StateDb.memory),
  ),
)
