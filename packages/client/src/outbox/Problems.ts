/** Messages that were said to wait and are not sent. Each is told once: to the session that wrote it, or after a while to any other. */
import type { MessageId } from "@claudemesh/domain/Ids"
import { Clock, Effect } from "effect"
import type { ConnectionLoop } from "../connection/ConnectionLoop.ts"
import type { StateDbError } from "../local/StateDb.ts"
import { problemToOthersMillis } from "../Limits.ts"
import type { SendProblem } from "./OutboxEntry.ts"
import { type Member, OutboxStore } from "./OutboxStore.ts"

export interface Problems {
  /** What this session has to be told. It stays until it is said that it was told. */
  readonly problems: Effect.Effect<ReadonlyArray<SendProblem>, StateDbError>
  readonly problemsTold: (messageIds: ReadonlyArray<MessageId>) => Effect.Effect<void, StateDbError>
  /** Both at once, for whoever tells at once. */
  readonly takeProblems: Effect.Effect<ReadonlyArray<SendProblem>, StateDbError>
}

export const makeProblems = Effect.fnUntraced(function* (options: {
  readonly of: Member
  readonly loop: Pick<ConnectionLoop, "sessionId">
}) {
  const { loop, of } = options
  const store = yield* OutboxStore

  const problems = Effect.gen(function* () {
    const beforeMillis = (yield* Clock.currentTimeMillis) - problemToOthersMillis
    const all = yield* store.problems(of)
    return all.filter(({ atMillis, sessionId }) => sessionId === loop.sessionId() || atMillis <= beforeMillis)
  })

  const problemsTold = (messageIds: ReadonlyArray<MessageId>) =>
    messageIds.length === 0 ? Effect.void : store.forgetProblems(messageIds)

  return {
    problems,
    problemsTold,
    takeProblems: Effect.tap(problems, (all) => problemsTold(all.map(({ messageId }) => messageId))),
  } satisfies Problems
})
