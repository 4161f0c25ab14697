/**
 * What fails in the store is said, and not each time: callers try again by themselves, an inbox for as long as its page
 * cannot be read. The first failure of a kind of call is logged at once, those after it together, once in a while. What
 * the database refuses for good is the caller's to say.
 */
import { Cause, Clock, Effect } from "effect"
import { MessageStore, type StoreError } from "./MessageStore.ts"

/** Between two lines on the same kind of call. */
export const saidEveryMillis = 60_000

export const withFailuresLogged = (store: MessageStore["Service"]): MessageStore["Service"] => {
  const [commit, load, page, count, status, applyRetention] = [
    said("a batch could not be committed"),
    said("a mesh could not be loaded"),
    said("a page of an inbox could not be read"),
    said("what waits could not be counted"),
    said("what became of a message could not be read"),
    said("a step of a sweep failed"),
  ]
  return MessageStore.of({
    ...store,
    commit: (batch) => commit(store.commit(batch)),
    loadMesh: (meshId) => load(store.loadMesh(meshId)),
    page: (request) => page(store.page(request)),
    backlog: (meshId, inboxes, nowMillis) => count(store.backlog(meshId, inboxes, nowMillis)),
    countWaiting: (meshId, inboxes, except, nowMillis) => count(store.countWaiting(meshId, inboxes, except, nowMillis)),
    deliveryReportOf: (meshId, messageId) => status(store.deliveryReportOf(meshId, messageId)),
    applyRetention: (retention, rowsMax, nowMillis) =>
      applyRetention(store.applyRetention(retention, rowsMax, nowMillis)),
  })
}

const said = (what: string) => {
  let failures = 0
  let saidMillis = Number.NEGATIVE_INFINITY
  const say = Effect.fnUntraced(function* (cause: Cause.Cause<StoreError>) {
    if (Cause.hasInterruptsOnly(cause) || isRefusal(cause)) return
    failures += 1
    const nowMillis = yield* Clock.currentTimeMillis
    if (nowMillis < saidMillis + saidEveryMillis) return
    const line = failures === 1 ? what : `${what}, ${failures} times since this was last said`
    failures = 0
    saidMillis = nowMillis
    yield* Effect.logWarning(line, cause)
  })
  return <A>(call: Effect.Effect<A, StoreError>): Effect.Effect<A, StoreError> => Effect.tapCause(call, say)
}

const isRefusal = (cause: Cause.Cause<StoreError>): boolean =>
  cause.reasons.some((reason) => reason._tag === "Fail" && reason.error.reason !== "unavailable")
