/**
 * What was in an outbox was promised: it is sent, whoever's process ends, or somebody is told once that it is not. What was cancelled
 * is not sent. And what one process sent to one target arrives in the order in which it was asked for.
 */
import type { History, SentMessage } from "../History.ts"
import { groupBy } from "./Delivery.ts"

export interface Outboxes {
  readonly history: History
  /** Processes that live at the end. */
  readonly living: ReadonlySet<number>
  /** What is still in an outbox, and what is still to be told, on any machine. */
  readonly waiting: ReadonlySet<string>
  readonly untold: ReadonlySet<string>
}

export const checkOutboxes = (run: Outboxes): ReadonlyArray<string> => [
  ...[...run.history.sent.values()].flatMap((sent) => problemsOf(run, sent)),
  ...disordered(run),
]

const problemsOf = ({ history, living, untold, waiting }: Outboxes, sent: SentMessage): ReadonlyArray<string> => {
  const { awaited, cancelled, cancels, messageId, outcome, process, told } = sent
  const isAccepted = history.accepted.has(messageId)
  if (cancelled) return isAccepted ? [`${messageId} was cancelled, and is sent`] : []
  if (waiting.has(messageId)) return [`${messageId} is still in an outbox when all is well`]
  if (outcome === undefined && awaited && living.has(process))
    return [`${messageId} was never answered, and its sender lives and waits`]
  // Its process may have been killed before it could say that it is cancelled.
  if (!isAccepted && !cancels && outcome === undefined && told === 0 && !untold.has(messageId))
    return [`${messageId} was in an outbox, and nobody was told that it is not sent`]
  if (told > 1) return [`${messageId} was said ${told} times not to be sent`]
  // Its process may have been killed before it could write down that it had said so.
  return told > 0 && outcome !== undefined && living.has(process)
    ? [`${messageId} was ${outcome}, and then said not to be sent`]
    : []
}

const disordered = ({ history }: Outboxes): ReadonlyArray<string> => {
  const taken = [...history.sent.values()].flatMap((sent) => {
    const seq = history.accepted.get(sent.messageId)?.seq
    return seq === undefined ? [] : [{ ...sent, seq }]
  })
  return [...groupBy(taken, ({ process, to }) => `${process} ${to}`).values()].flatMap((all) => {
    const bySeq = all.toSorted((left, right) => left.seq - right.seq)
    const early = bySeq.find(({ asked }, index) => index > 0 && asked < (bySeq[index - 1]?.asked ?? 0))
    return early === undefined ? [] : [`${early.messageId} was sent after what was asked for later`]
  })
}
