/**
 * The store as one incarnation of the broker sees it: it fails and is slow, before and after a commit took effect, falls
 * silent, and makes a commit visible some time after its error, as Postgres may. The broker can die between any two of
 * those, and what it was writing then can reach the database when the mesh has another owner already. What a commit really did is written into the history, which is how the checkers know what was promised.
 */
import {
  MessageStore,
  type OwnedWrite,
  StoreError,
  type Write,
  type Written,
} from "@claudemesh/broker/store/MessageStore"
import { Deferred, Effect } from "effect"
import type { Chance } from "./Chance.ts"
import { type AcceptedMessage, type History, inboxKey, type LateCommit } from "./History.ts"

/** The odds of each fault, for each call of the store. */
export interface StoreFaults {
  readonly failsBefore: number
  readonly failsAfter: number
  readonly crashesBefore: number
  readonly crashesAfter: number
  readonly slow: number
  /** It never answers. */
  readonly silent: number
  /** From this call on no call is answered, for some seconds. */
  readonly falls: number
  /** A commit fails, and takes effect some seconds later all the same. */
  readonly late: number
  /** The broker dies over a commit, which reaches the database some seconds later. */
  readonly outlives: number
  /** It is there, and will not take a batch of what the mesh itself has to have written in the end. */
  readonly refuses: number
}

export const noStoreFaults: StoreFaults = {
  failsBefore: 0,
  failsAfter: 0,
  crashesBefore: 0,
  crashesAfter: 0,
  slow: 0,
  silent: 0,
  falls: 0,
  late: 0,
  outlives: 0,
  refuses: 0,
}

export const storeFaults: StoreFaults = {
  failsBefore: 0.02,
  failsAfter: 0.02,
  crashesBefore: 0.003,
  crashesAfter: 0.003,
  slow: 0.02,
  silent: 0.003,
  falls: 0.001,
  late: 0.02,
  outlives: 0.004,
  refuses: 0.03,
}

/** What nobody asks for again from outside. */
const isItsOwn = ({ write: { _tag } }: OwnedWrite): boolean =>
  _tag === "Consume" || _tag === "Release" || _tag === "InboxMoved"

const idsIn = (batch: ReadonlyArray<OwnedWrite>) =>
  batch.flatMap(({ write }) => (write._tag === "Accept" ? [write.message.messageId] : []))

const meshesIn = (batch: ReadonlyArray<OwnedWrite>) =>
  batch.flatMap(({ write }) => (write._tag === "Accept" ? [write.message.meshId] : []))

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

  let isSilent = false

  /** Everybody who asks is answered by nobody. */
  const fallSilent = Effect.suspend(() => {
    isSilent = true
    const millis = chance.between(5_000, 30_000)
    return Effect.forkDetach(
      Effect.andThen(
        Effect.sleep(millis),
        Effect.sync(() => (isSilent = false)),
      ),
    )
  })

  const call = <A>(effect: Effect.Effect<A, StoreError>, slowness = 1): Effect.Effect<A, StoreError> =>
    Effect.gen(function* () {
      if (!isAlive()) return yield* unavailable("this broker is dead")
      if (chance.happens(faults().falls)) yield* fallSilent
      if (chance.happens(faults().silent) || (isSilent && faults().falls > 0)) return yield* Effect.never
      if (chance.happens(faults().slow * slowness)) yield* Effect.sleep(chance.between(1, 3_000))
      if (chance.happens(faults().crashesBefore)) crash()
      if (!isAlive() || chance.happens(faults().failsBefore)) return yield* unavailable("before it took effect")
      const result = yield* effect
      if (chance.happens(faults().slow * slowness)) yield* Effect.sleep(chance.between(1, 3_000))
      if (chance.happens(faults().crashesAfter)) crash()
      if (!isAlive() || chance.happens(faults().failsAfter)) return yield* unavailable("after it took effect")
      return result
    })

  const commit = (batch: ReadonlyArray<OwnedWrite>) => {
    for (const { write } of batch) {
      if (write._tag !== "Accept") continue
      const { meshId, seq } = write.message
      history.triedSeqs.set(meshId, (history.triedSeqs.get(meshId) ?? new Set()).add(seq))
    }
    const taken = (isLate: boolean) =>
      store.commit(batch).pipe(
        Effect.tap((results) =>
          Effect.sync(() => batch.forEach(({ write }, index) => record(write, results[index], isLate))),
        ),
        Effect.tapError(({ reason }) =>
          Effect.sync(() => {
            // A dead broker's write may have waited for another one, until there was a new owner.
            if (reason !== "unavailable" && isAlive())
              broken(`a commit is ${reason}, and there is one owner and nothing wrong`)
          }),
        ),
      )
    const ids = new Set(idsIn(batch))
    // Of several, each is tried again in a smaller batch, and then taken or not.
    if ((batch.length > 1 || batch.every(isItsOwn)) && chance.happens(faults().refuses)) {
      return Effect.fail(new StoreError({ reason: "rejected", cause: "it takes no such thing now" }))
    }
    if (isAlive() && chance.happens(faults().outlives)) return outlived(taken(true))
    return call(
      Effect.suspend(() => {
        const mayBeLate = batch.every(({ write }) => write._tag === "Accept")
        const after = behind((late) => idsIn(late).some((id) => ids.has(id)))
        return Effect.andThen(
          after,
          mayBeLate && chance.happens(faults().late) ? later(batch, taken(true)) : taken(false),
        )
      }),
    ).pipe(Effect.onError(() => Effect.sync(() => history.failures.push(history.nextOrder()))))
  }

  /** What an owner writes that is not there any more. Nothing waits for it, since the database does not have it yet. */
  const outlived = Effect.fnUntraced(function* (taken: Effect.Effect<unknown, StoreError>) {
    crash()
    yield* Effect.forkDetach(Effect.andThen(Effect.sleep(chance.between(200, 6_000)), Effect.ignore(taken)))
    return yield* unavailable("its broker dies, and it is on its way")
  })

  const behind = (needs: (batch: ReadonlyArray<OwnedWrite>) => boolean) =>
    Effect.forEach(
      [...history.lateCommits].filter(({ batch }) => needs(batch)),
      ({ done }) => Deferred.await(done),
      { discard: true },
    )

  /** Its broker does not hear of it, and may be dead by then. */
  const later = Effect.fnUntraced(function* (
    batch: ReadonlyArray<OwnedWrite>,
    taken: Effect.Effect<unknown, StoreError>,
  ) {
    const late: LateCommit = { batch, done: yield* Deferred.make<void>() }
    history.lateCommits.add(late)
    const end = Effect.suspend(() => {
      history.lateCommits.delete(late)
      return Deferred.succeed(late.done, undefined)
    })
    yield* Effect.sleep(chance.between(200, 6_000)).pipe(
      Effect.andThen(Effect.ignore(taken)),
      Effect.andThen(end),
      Effect.forkDetach,
    )
    return yield* unavailable("it takes effect later")
  })

  const record = (write: Write, result: Written | undefined, isLate: boolean): void => {
    const order = history.nextOrder()
    switch (write._tag) {
      case "Accept": {
        if (result?._tag !== "Done") return
        const { message, recipients } = write
        const newest = history.newestSeq.get(message.meshId) ?? 0
        if (message.seq <= newest && !isLate) broken(`${message.messageId} has number ${message.seq}, after ${newest}`)
        history.newestSeq.set(message.meshId, Math.max(newest, message.seq))
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
        // Who it is for was decided some time ago.
        if (isLate) history.late.add(accepted.messageId)
        else onAccepted(accepted)
        return
      }
      case "Consume": {
        for (const seq of write.seqs) {
          const key = `${inboxKey(write.meshId, write.inbox.memberId, write.inbox.session)} ${seq}`
          if (!history.consumed.has(key)) history.consumed.set(key, order)
        }
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
    loadMesh: (meshId) =>
      call(
        Effect.andThen(
          behind((late) => meshesIn(late).includes(meshId)),
          store.loadMesh(meshId),
        ),
        4,
      ),
    page: (request) => call(store.page(request), 4),
    backlog: (meshId, inboxes, nowMillis) => call(store.backlog(meshId, inboxes, nowMillis)),
    countWaiting: (meshId, inboxes, except, nowMillis) =>
      call(store.countWaiting(meshId, inboxes, except, nowMillis), 4),
    deliveryReportOf: (meshId, messageId) =>
      call(
        Effect.suspend(() => {
          history.deliveryReportReads += 1
          return store.deliveryReportOf(meshId, messageId)
        }),
      ),
    applyRetention: (retention, rowsMax, nowMillis) => call(store.applyRetention(retention, rowsMax, nowMillis)),
    createMesh: store.createMesh,
    ping: call(store.ping),
    probe: call(store.probe),
  })
}
