/** A store of which only some calls are expected. */
import { Effect } from "effect"
import { MessageStore } from "../../src/store/MessageStore.ts"

const notAsked = Effect.die("the store was asked for something that this test does not expect")

const nothingIsAsked: MessageStore["Service"] = {
  commit: () => notAsked,
  meshExists: () => notAsked,
  loadMesh: () => notAsked,
  page: () => notAsked,
  backlog: () => notAsked,
  countWaiting: () => notAsked,
  deliveryReportOf: () => notAsked,
  applyRetention: () => notAsked,
  createMesh: () => notAsked,
  ping: notAsked,
  probe: notAsked,
}

export const storeWith = (expected: Partial<MessageStore["Service"]>): MessageStore["Service"] =>
  MessageStore.of({ ...nothingIsAsked, ...expected })
