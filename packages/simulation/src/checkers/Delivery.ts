/**
 * Holds a finished run against what was promised. It knows nothing of how the broker works: it reads the history
 * and, for the order that messages were accepted in, the audit log.
 */
import type { HandOver, History } from "../History.ts"

export interface Accepted {
  readonly messageId: string
  readonly seq: number
}

const group = <A>(items: Iterable<A>, key: (item: A) => string): Map<string, Array<A>> => {
  const groups = new Map<string, Array<A>>()
  for (const item of items) {
    const name = key(item)
    groups.set(name, [...(groups.get(name) ?? []), item])
  }
  return groups
}

/** What is wrong with the run; nothing when it kept its word. */
export const checkDelivery = (
  history: History,
  accepted: ReadonlyArray<Accepted>,
  diedBeforeAck: ReadonlySet<number>,
  living: ReadonlySet<number>,
): ReadonlyArray<string> => [
  ...lostMessages(history, accepted),
  ...unansweredMessages(history, living),
  ...strayMessages(history),
  ...repeatedMessages(history, diedBeforeAck),
  ...overtakenMessages(history, accepted),
]

const lostMessages = (history: History, accepted: ReadonlyArray<Accepted>): ReadonlyArray<string> => {
  const shown = new Set(history.handOvers.map((handOver) => handOver.messageId as string))
  const stored = new Set(accepted.map(({ messageId }) => messageId))
  return [...history.sent.values()].flatMap(({ messageId, outcome }) => {
    const acked = outcome === "acked"
    if (acked && !stored.has(messageId)) return [`${messageId} was acked and is not in the audit log`]
    return (acked || stored.has(messageId)) && !shown.has(messageId) ? [`${messageId} was accepted and is lost`] : []
  })
}

/** A process that lives gets an answer to all it sent. */
const unansweredMessages = (history: History, living: ReadonlySet<number>): ReadonlyArray<string> =>
  [...history.sent.values()].flatMap(({ messageId, outcome, process }) =>
    outcome === undefined && living.has(process) ? [`${messageId} was never answered, and its sender lives`] : [],
  )

/** Shown to somebody it was not meant for, or as another text than was sent. */
const strayMessages = (history: History): ReadonlyArray<string> =>
  history.handOvers.flatMap((handOver) => {
    const sent = history.sent.get(handOver.messageId)
    if (sent === undefined) return [`${handOver.messageId} was shown and never sent`]
    const [member, session] = sent.to.split("/")
    if (member !== handOver.member || sent.mesh !== handOver.mesh)
      return [`${handOver.messageId} was shown to another member`]
    if (session !== undefined && session !== handOver.session)
      return [`${handOver.messageId} was shown to another session`]
    return handOver.text === sent.text ? [] : [`${handOver.messageId} was shown as ${String(handOver.text)}`]
  })

/**
 * One process never shows a message twice. Another one may, marked, if the first died before its ack, or if its
 * ack was lost with its connection and the member's next session took over.
 */
const repeatedMessages = (history: History, diedBeforeAck: ReadonlySet<number>): ReadonlyArray<string> =>
  [...group(history.handOvers, ({ messageId }) => messageId).values()].flatMap((all) => {
    const [first, ...again] = all
    if (first === undefined || again.length === 0) return []
    const processes = new Set(all.map(({ process }) => process))
    if (processes.size < all.length) return [`${first.messageId} was shown twice by one process`]
    const unmarked = again.find(({ redelivered }) => !redelivered)
    if (unmarked !== undefined) return [`${first.messageId} was shown again and not marked redelivered`]
    const sameSession = again.find(({ session }) => session === first.session)
    return sameSession !== undefined && !diedBeforeAck.has(first.process)
      ? [`${first.messageId} was shown again by a session whose process had not died before its ack`]
      : []
  })

/** For one sender, recipient and priority a process shows first deliveries in the order they were accepted in. */
const overtakenMessages = (history: History, accepted: ReadonlyArray<Accepted>): ReadonlyArray<string> => {
  const seqs = new Map(accepted.map(({ messageId, seq }) => [messageId, seq]))
  const lane = (handOver: HandOver) => {
    const sent = history.sent.get(handOver.messageId)
    return `${handOver.process} ${sent?.from} ${sent?.to} ${sent?.priority}`
  }
  const firsts = history.handOvers.filter(({ redelivered }) => !redelivered)
  return [...group(firsts, lane).values()].flatMap((all) => {
    let last = 0
    for (const { messageId } of all) {
      const seq = seqs.get(messageId) ?? 0
      if (seq < last) return [`${messageId} (${seq}) was overtaken by ${last}`]
      last = seq
    }
    return []
  })
}
