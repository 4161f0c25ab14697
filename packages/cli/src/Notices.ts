/**
 * What a person has to know besides what they asked for: a clock that is wrong, and messages that were said to wait and are
 * not sent. It goes to stderr at the end of every command that connects; an event is said once.
 */
import type { BrokerClient } from "@claudemesh/client/BrokerClient"
import type { SendProblem } from "@claudemesh/client/outbox/OutboxEntry"
import { Clock, Effect } from "effect"
import { ago } from "./Ago.ts"
import { printable, warned } from "./Output.ts"
import { saidOnStderr } from "./Stdout.ts"
import * as messageWords from "./words/messages.ts"
import * as movingWords from "./words/moving.ts"

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

/** An owner's word of where the mesh is now is repeated for so long: by then everybody has seen it. */
const movedRepeatedMillis = 30 * 86_400_000

/** Of a mesh, whatever else was asked for: what its broker did that an honest one does not, and that its owner has moved it. */
export const noticesOf = (client: BrokerClient): Effect.Effect<ReadonlyArray<string>> =>
  Effect.gen(function* () {
    const { moved, slug } = client.membership
    const nowMillis = yield* Clock.currentTimeMillis
    const isNews = moved !== undefined && nowMillis - Date.parse(moved.at) < movedRepeatedMillis
    const alarms = yield* client.alarms
    return [
      ...alarms.map((alarm) => `${slug}: ${alarm}`),
      ...(isNews ? [movingWords.wasMovedByItsOwner(slug, moved.brokerUrl, ago(moved.at, nowMillis))] : []),
    ]
  })

/** Beside the data, of each mesh. */
export const sayNotices = (clients: ReadonlyArray<BrokerClient>): Effect.Effect<void> =>
  Effect.forEach(
    clients,
    (client) => Effect.flatMap(noticesOf(client), (lines) => Effect.forEach(lines, said, { discard: true })),
    { discard: true },
  )

/** What stderr did not take is told by the next command. */
const tellProblems = ({ membership, problems, problemsNotTold, problemsTold }: BrokerClient) =>
  Effect.gen(function* () {
    for (const problem of yield* problems) {
      const isSaid = yield* said(`${membership.slug}: ${notSentWords(problem)}`)
      yield* (isSaid ? problemsTold : problemsNotTold)([problem.messageId])
    }
  }).pipe(Effect.ignore)
