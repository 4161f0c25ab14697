/**
 * What a person has to know besides what they asked for: a clock that is wrong, and messages that were said to wait and are
 * not sent. It goes to stderr at the end of every command that connects; an event is said once.
 */
import type { BrokerClient } from "@claudemesh/client/BrokerClient"
import type { SendProblem } from "@claudemesh/client/outbox/OutboxEntry"
import { Effect } from "effect"
import { printable, warned } from "./Output.ts"
import { saidOnStderr } from "./Stdout.ts"
import * as messageWords from "./words/messages.ts"

/** For a person at a terminal and for a model alike. */
export const notSentWords = ({ explanation, messageId, to }: Pick<SendProblem, "explanation" | "messageId" | "to">) =>
  messageWords.notSentYourMessageToWasRefused(to, messageId.slice(0, 8), explanation)

export const messagesWait = (count: number): string => (count === 1 ? "1 message waits" : `${count} messages wait`)

const said = (line: string) => saidOnStderr(warned(printable(`claudemesh: ${line}`)))

/** Both brokers of one machine may say the same of its clock. */
export const tell = (clients: ReadonlyArray<BrokerClient>): Effect.Effect<void> =>
  Effect.gen(function* () {
    const clocks = yield* Effect.forEach(clients, ({ clockNotice }) => clockNotice)
    yield* Effect.forEach(new Set(clocks.flatMap((words) => words ?? [])), said, { discard: true })
    const moves = yield* Effect.forEach(clients, ({ moveNotice }) => moveNotice)
    yield* Effect.forEach(
      moves.flatMap((words) => words ?? []),
      said,
      { discard: true },
    )
    yield* Effect.forEach(clients, tellProblems, { discard: true })
  })

/** What stderr did not take is told by the next command. */
const tellProblems = ({ membership, problems, problemsNotTold, problemsTold }: BrokerClient) =>
  Effect.gen(function* () {
    for (const problem of yield* problems) {
      const isSaid = yield* said(`${membership.slug}: ${notSentWords(problem)}`)
      yield* (isSaid ? problemsTold : problemsNotTold)([problem.messageId])
    }
  }).pipe(Effect.ignore)
