/**
 * Holds a finished run against what was promised about messages. It knows nothing of how the broker works: it reads
 * what the agents did and saw, and what the store took (who a message was for, and in which order).
 */
import { type AcceptedMessage, type HandOver, type History, type Inbox, inboxKey } from "../History.ts"

export interface Circumstances {
  readonly history: History
  /** The latest that the broker's clock ever showed: what expires later than that had no reason to. */
  readonly latestMillis: number
  /** Processes that live at the end. */
  readonly living: ReadonlySet<number>
  /** Sessions that will never be there again, as inboxes. */
  readonly gone: ReadonlySet<string>
}

const groupBy = <A>(items: Iterable<A>, key: (item: A) => string): Map<string, Array<A>> => {
  const groups = new Map<string, Array<A>>()
  for (const item of items) {
    const name = key(item)
    const found = groups.get(name)
    if (found === undefined) groups.set(name, [item])
    else found.push(item)
  }
  return groups
}

export const isGroup = (target: string): boolean => /^(\*|#|tag:)/.test(target)

/** What is wrong with the run; nothing when it kept its word. */
export const checkDelivery = (run: Circumstances): ReadonlyArray<string> => {
  const shown = groupBy(run.history.handOvers, ({ member, messageId }) => `${messageId} ${member}`)
  return [
    ...forgottenMessages(run),
    ...unansweredMessages(run),
    ...strayMessages(run),
    ...[...run.history.accepted.values()].flatMap((accepted) =>
      [...groupBy(accepted.recipients, ({ member }) => member)].flatMap(([member, inboxes]) => {
        const shows = shown.get(`${accepted.messageId} ${member}`) ?? []
        return [...lost(run, accepted, inboxes, shows), ...repeated(run, accepted, inboxes, shows)]
      }),
    ),
    ...overtakenMessages(run),
  ]
}

const forgottenMessages = ({ history }: Circumstances): ReadonlyArray<string> =>
  [...history.sent.values()].flatMap(({ messageId, outcome }) =>
    outcome === "acked" && !history.accepted.has(messageId) ? [`${messageId} was acked and never stored`] : [],
  )

/** A process that lives gets an answer to all it sent. */
const unansweredMessages = ({ history, living }: Circumstances): ReadonlyArray<string> =>
  [...history.sent.values()].flatMap(({ messageId, outcome, process }) =>
    outcome === undefined && living.has(process) ? [`${messageId} was never answered, and its sender lives`] : [],
  )

/** Shown to somebody it was not meant for, in another mesh, or as another text than was sent. */
const strayMessages = ({ history }: Circumstances): ReadonlyArray<string> =>
  history.handOvers.flatMap((handOver) => {
    const { member, mesh, messageId, session, text } = handOver
    const sent = history.sent.get(messageId)
    const accepted = history.accepted.get(messageId)
    if (sent === undefined || accepted === undefined) return [`${messageId} was shown and never sent`]
    if (sent.mesh !== mesh) return [`${messageId} was shown in another mesh`]
    const inboxes = accepted.recipients.filter((inbox) => inbox.member === member)
    if (inboxes.length === 0) return [`${messageId} was shown to a member that it was not for`]
    if (!isGroup(accepted.target) && inboxes.every((inbox) => inbox.session !== undefined && inbox.session !== session))
      return [`${messageId} was shown to another session`]
    return text === sent.text ? [] : [`${messageId} was shown as ${String(text)}`]
  })

const movedAway = ({ history }: Circumstances, { mesh, order }: AcceptedMessage, inbox: Inbox, until?: number) =>
  inbox.session === undefined ||
  history.movedSince(order, { mesh, member: inbox.member, session: inbox.session }, until)

/** Each of the member's inboxes that got it shows it, or gave it to the member, and then one of its sessions shows it. */
const lost = (
  run: Circumstances,
  accepted: AcceptedMessage,
  inboxes: ReadonlyArray<Inbox>,
  shows: ReadonlyArray<HandOver>,
): ReadonlyArray<string> => {
  if (accepted.expiresAtMillis <= run.latestMillis) return []
  return inboxes.flatMap((inbox) => {
    if (shows.some(({ session }) => inbox.session === undefined || session === inbox.session)) return []
    if (!isGroup(accepted.target) && run.gone.has(inboxKey(accepted.mesh, inbox.member, inbox.session))) return []
    // What its member has already is not kept for it: another of its sessions was shown it, or sent it.
    const isKnown = shows.length > 0 || inbox.member === accepted.sender
    if (isGroup(accepted.target) && isKnown && movedAway(run, accepted, inbox)) return []
    return [`${accepted.messageId} was accepted for ${inbox.member}/${inbox.session ?? ""} and is lost`]
  })
}

/**
 * One process never shows a message twice. Otherwise an agent that is shown it a second time is told so, if both leased
 * it before, as a client should; and a session that was not in the audience gets it only in the place of one that was.
 */
const repeated = (
  run: Circumstances,
  accepted: AcceptedMessage,
  inboxes: ReadonlyArray<Inbox>,
  shows: ReadonlyArray<HandOver>,
): ReadonlyArray<string> => {
  const { mesh, messageId, seq } = accepted
  if (new Set(shows.map(({ process }) => process)).size < shows.length)
    return [`${messageId} was shown twice by one process`]
  const isLeased = ({ member, session }: HandOver) =>
    run.history.leases.some(
      (lease) => lease.messageId === messageId && lease.member === member && lease.session === session,
    )
  const leased = shows.filter(isLeased)
  const certain = leased.filter(({ redelivered }) => !redelivered)
  if (shows.some(({ redelivered }) => redelivered) && !run.history.leaseAsked.has(messageId))
    return [`${messageId} was marked redelivered, and no session was ever about to show it`]
  if (certain.length > inboxes.length) return [`${messageId} was shown again and not marked redelivered`]
  if (new Set(certain.map(({ session }) => session)).size < certain.length)
    return [`${messageId} was shown again by one session and not marked redelivered`]
  // With one inbox the first one shows it first: whoever is shown it later is told that it may be late.
  const unmarked = inboxes.length > 1 ? undefined : leased.slice(1).find(({ redelivered }) => !redelivered)
  if (unmarked !== undefined)
    return [`${messageId} was shown to ${unmarked.session} after another, and not marked redelivered`]
  const owned = new Set(inboxes.map(({ session }) => session))
  return shows
    .filter(({ session }) => !owned.has(session) && !owned.has(undefined))
    .flatMap(({ member, order, session }) => {
      const held = inboxes.find((inbox) => {
        const consumed = run.history.consumed.get(`${inboxKey(mesh, member, inbox.session)} ${seq}`)
        return (consumed !== undefined && consumed < order) || !movedAway(run, accepted, inbox, order)
      })
      return held === undefined
        ? []
        : [`${messageId} was shown to ${session}, and its member had it in ${held.session ?? "its own inbox"}`]
    })
}

/** For one sender, recipient and priority a process shows first deliveries in the order they were accepted in. */
const overtakenMessages = (run: Circumstances): ReadonlyArray<string> => {
  const { history } = run
  const pushed = groupBy(history.pushes, ({ messageId }) => messageId)
  const inOrder = history.handOvers.flatMap((handOver) => {
    const accepted = history.accepted.get(handOver.messageId)
    const sent = history.sent.get(handOver.messageId)
    if (handOver.redelivered || accepted === undefined || sent === undefined) return []
    const inbox = accepted.recipients.find(
      ({ member, session }) => member === handOver.member && (session === undefined || session === handOver.session),
    )
    // Where a message stands that was moved is not promised.
    if (inbox === undefined || (inbox.session !== undefined && movedAway(run, accepted, inbox))) return []
    // Nor where one stands that was pushed before, to a session that was lost or had to give it back.
    const pushes = (pushed.get(handOver.messageId) ?? []).filter(
      ({ member, session }) => member === handOver.member && (inbox.session === undefined || session === inbox.session),
    )
    if (pushes.length > 1) return []
    const lane = `${handOver.process} ${inbox.session ?? ""} ${sent.from} ${sent.to} ${sent.priority}`
    return [{ lane, messageId: handOver.messageId, seq: accepted.seq }]
  })
  return [...groupBy(inOrder, ({ lane }) => lane).values()].flatMap((all) => {
    let last = 0
    for (const { messageId, seq } of all) {
      if (seq < last) return [`${messageId} (${seq}) was overtaken by ${last}`]
      last = seq
    }
    return []
  })
}
