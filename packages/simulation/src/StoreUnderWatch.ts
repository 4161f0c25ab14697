/**
 * The store as one incarnation of the broker sees it: it fails and is slow, before and after a commit took effect, and the
 * broker can die between any two of those. What a commit really did is written into the history, which is how the
 * checkers know what was promised.
 */
import { MessageStore, StoreError, type Write, type Written } from "@claudemesh/broker/store/MessageStore"
import { Effect } from "effect"
import type { Chance } from "./Chance.ts"
import { type AcceptedMessage, type History, inboxKey } from "./History.ts"

/** The odds of each fault, for each call of the store. */
export interface StoreFaults {
  readonly failsBefore: number
  readonly failsAfter: number
  readonly crashesBefore: number
  readonly crashesAfter: number
  readonly slow: number
}

export const noStoreFaults: StoreFaults = { failsBefore: 0, failsAfter: 0, crashesBefore: 0, crashesAfter: 0, slow: 0 }

export const storeFaults: StoreFaults = {
  failsBefore: 0.02,
  failsAfter: 0.02,
  crashesBefore: 0.003,
  crashesAfter: 0.003,
  slow: 0.02,
}

const unavailable = (what: string) => new StoreError({ reason: "unavailable", cause: what })

export const storeUnderWatch = (
  store: typeof MessageStore.Service,
  options: {
    readonly chance: Chance
    readonly history: History
    readonly faults: () => StoreFaults
    readonly isAlive: () => boolean
    readonly crash: () => void
    readonly broken: (what: string) => void
    readonly onAccepted: (accepted: AcceptedMessage) => void
  },
) => {
  const { broken, chance, crash, faults, history, isAlive, onAccepted } = options

  const call = <A>(effect: Effect.Effect<A, StoreError>, slowness = 1): Effect.Effect<A, StoreError> =>
    Effect.gen(function* () {
      if (!isAlive()) return yield* unavailable("this broker is dead")
      if (chance.happens(faults().slow * slowness)) yield* Effect.sleep(chance.between(1, 3_000))
      if (chance.happens(faults().crashesBefore)) crash()
      if (!isAlive() || chance.happens(faults().failsBefore)) return yield* unavailable("before it took effect")
      const result = yield* effect
      if (chance.happens(faults().slow * slowness)) yield* Effect.sleep(chance.between(1, 3_000))
      if (chance.happens(faults().crashesAfter)) crash()
      if (!isAlive() || chance.happens(faults().failsAfter)) return yield* unavailable("after it took effect")
      return result
    })

  const commit = (batch: ReadonlyArray<Write>) => {
    for (const write of batch) {
      if (write._tag !== "Accept") continue
      const { meshId, seq } = write.message
      history.triedSeqs.set(meshId, (history.triedSeqs.get(meshId) ?? new Set()).add(seq))
    }
    return call(
      store.commit(batch).pipe(
        Effect.tap((results) => Effect.sync(() => batch.forEach((write, index) => record(write, results[index])))),
        Effect.tapError(({ reason }) =>
          Effect.sync(() => {
            if (reason !== "unavailable") broken(`a commit is ${reason}, and there is one owner and nothing wrong`)
          }),
        ),
      ),
    )
  }

  const record = (write: Write, result: Written | undefined): void => {
    const order = history.nextOrder()
    switch (write._tag) {
      case "Accept": {
        if (result?._tag !== "Done") return
        const { message, recipients } = write
        const newest = history.newestSeq.get(message.meshId) ?? 0
        if (message.seq <= newest) broken(`${message.messageId} has number ${message.seq}, after ${newest}`)
        history.newestSeq.set(message.meshId, message.seq)
        const accepted: AcceptedMessage = {
          messageId: message.messageId,
          mesh: message.meshId,
          seq: message.seq,
          sender: message.senderMemberId,
          senderSession: message.senderSession,
          target: message.targetSpec,
          recipients: recipients.map(({ inbox }) => ({ member: inbox.memberId, session: inbox.session })),
          createdAtMillis: message.createdAtMillis,
          expiresAtMillis: message.expiresAtMillis,
          order,
        }
        history.accept(accepted)
        return onAccepted(accepted)
      }
      case "Consume": {
        const key = `${inboxKey(write.meshId, write.inbox.memberId, write.inbox.session)} ${write.seq}`
        if (!history.consumed.has(key)) history.consumed.set(key, order)
        return
      }
      case "InboxMoved":
        history.moves.push({ mesh: write.meshId, member: write.memberId, session: write.session, order })
        return
      default:
        return
    }
  }

  return MessageStore.of({
    commit,
    // Much can happen while something is read.
    meshExists: (meshId) => call(store.meshExists(meshId), 4),
    loadMesh: (meshId) => call(store.loadMesh(meshId), 4),
    page: (request) => call(store.page(request), 4),
    backlog: (meshId, inboxes, nowMillis) => call(store.backlog(meshId, inboxes, nowMillis)),
    countWaiting: (meshId, inboxes, except, nowMillis) =>
      call(store.countWaiting(meshId, inboxes, except, nowMillis), 4),
    fateOf: (meshId, messageId) => call(store.fateOf(meshId, messageId)),
    retire: (retention, rowsMax, nowMillis) => call(store.retire(retention, rowsMax, nowMillis)),
    createMesh: store.createMesh,
    ping: call(store.ping),
    probe: call(store.probe),
  })
}
