/**
 * What a person has to know besides what they asked for: a clock that is wrong, and messages that were said to wait and are
 * not sent. It goes to stderr at the end of every command that connects; an event is said once.
 */
import type { BrokerClient } from "@claudemesh/client/BrokerClient"
import type { SendProblem } from "@claudemesh/client/outbox/OutboxEntry"
import { Effect } from "effect"
import { aside, printable, yellow } from "./Output.ts"

/** For a person at a terminal and for a model alike. */
export const notSentWords = ({ explanation, messageId, to }: Pick<SendProblem, "explanation" | "messageId" | "to">) =>
  `Not sent: your message to ${to} (${messageId.slice(0, 8)}) was refused: ${explanation}`

export const messagesWait = (count: number): string => (count === 1 ? "1 message waits" : `${count} messages wait`)

/** Both brokers of one machine may say the same of its clock. */
export const tell = (clients: ReadonlyArray<BrokerClient>): Effect.Effect<void> =>
  Effect.gen(function* () {
    const clocks = yield* Effect.forEach(clients, ({ clockNotice }) => clockNotice)
    const problems = yield* Effect.forEach(clients, told)
    const lines = [...new Set(clocks.flatMap((words) => words ?? [])), ...problems.flat()]
    yield* Effect.forEach(lines, (line) => aside(yellow(printable(`claudemesh: ${line}`))), { discard: true })
  })

const told = ({ membership, problems, problemsTold }: BrokerClient): Effect.Effect<ReadonlyArray<string>> =>
  problems.pipe(
    Effect.tap((all) => problemsTold(all.map(({ messageId }) => messageId))),
    Effect.map((all) => all.map((problem) => `${membership.slug}: ${notSentWords(problem)}`)),
    Effect.orElseSucceed(() => []),
  )
