/** Messages that were said to wait and are not sent. Each is told once: to the session that wrote it, or after a while to any other. */
import type { MessageId } from "@claudemesh/domain/Ids"
import { Clock, Effect } from "effect"
import type { ConnectionLoop } from "../connection/ConnectionLoop.ts"
import type { StateDbError } from "../local/StateDb.ts"
import { problemToOthersMillis } from "../Limits.ts"
import type { SendProblem } from "./OutboxEntry.ts"
import { type Member, OutboxStore } from "./OutboxStore.ts"

export interface Problems {
  /** What this session has to be told, and no other tells meanwhile. It stays until it is said that it was told. */
  readonly problems: Effect.Effect<ReadonlyArray<SendProblem>, StateDbError>
  readonly problemsTold: (messageIds: ReadonlyArray<MessageId>) => Effect.Effect<void, StateDbError>
  /** Whoever asks next may tell them. */
  readonly problemsNotTold: (messageIds: ReadonlyArray<MessageId>) => Effect.Effect<void, StateDbError>
}

export const makeProblems = Effect.fnUntraced(function* (options: {
  readonly of: Member
  readonly sender: string
  readonly loop: Pick<ConnectionLoop, "sessionId">
}) {
  const { loop, of, sender } = options
  const store = yield* OutboxStore

  const problems = Effect.gen(function* () {
    const nowMillis = yield* Clock.currentTimeMillis
    const all = (yield* store.problems(of)).filter(
      ({ atMillis, sessionId }) => sessionId === loop.sessionId() || atMillis <= nowMillis - problemToOthersMillis,
    )
    if (all.length === 0) return []
    const ids = all.map(({ messageId }) => messageId)
    const ours = yield* store.claimProblems(sender, ids, nowMillis)
    return all.filter(({ messageId }) => ours.has(messageId))
  })

  const problemsTold = (messageIds: ReadonlyArray<MessageId>) =>
    messageIds.length === 0 ? Effect.void : store.forgetProblems(messageIds)

  const problemsNotTold = (messageIds: ReadonlyArray<MessageId>) => store.releaseProblems(sender, messageIds)

  return { problems, problemsTold, problemsNotTold } satisfies Problems
})
