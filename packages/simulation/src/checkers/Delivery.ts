/**
 * Holds a finished run against what was promised about messages. It knows nothing of how the broker and the clients work: it reads
 * what was seen by whom, and what the store took (who a message was for, and in which order).
 */
import { type AcceptedMessage, type History, type Inbox, inboxKey, isGroup, type View } from "../History.ts"

export interface Circumstances {
  readonly history: History
  /** The latest that the broker's clock ever showed: what expires later than that had no reason to. */
  readonly latestMillis: number
  /** Sessions that nobody has at the end, as inboxes. */
  readonly gone: ReadonlySet<string>
}

export const groupBy = <A>(items: Iterable<A>, key: (item: A) => string): Map<string, Array<A>> => {
  const groups = new Map<string, Array<A>>()
  for (const item of items) {
    const name = key(item)
    const found = groups.get(name)
    if (found === undefined) groups.set(name, [item])
    else found.push(item)
  }
  return groups
}

/** What is wrong with the run; nothing when it kept its word. */
export const checkDelivery = (run: Circumstances): ReadonlyArray<string> => {
  const seen = groupBy(run.history.views, ({ member, messageId }) => `${messageId} ${member}`)
  return [
    ...forgottenMessages(run),
    ...strayMessages(run),
    ...[...run.history.accepted.values()].flatMap((accepted) =>
      [...groupBy(accepted.recipients, ({ member }) => member)].flatMap(([member, inboxes]) => {
        const views = seen.get(`${accepted.messageId} ${member}`) ?? []
        return [
          ...lost(run, accepted, inboxes, views),
          ...repeated(accepted, inboxes, views),
          ...unfounded(run, views),
          ...shownAfterAll(run, accepted, views),
          ...misplaced(run, accepted, inboxes, views),
        ]
      }),
    ),
    ...overtakenMessages(run),
  ]
}

const forgottenMessages = ({ history }: Circumstances): ReadonlyArray<string> =>
  [...history.sent.values()].flatMap(({ messageId, outcome }) =>
    outcome === "acked" && !history.accepted.has(messageId) ? [`${messageId} was acked and never stored`] : [],
  )

/** Shown to somebody it was not meant for, in another mesh, or as another text than was sent. */
const strayMessages = ({ history }: Circumstances): ReadonlyArray<string> =>
  [...groupBy(history.views, ({ messageId, process }) => `${process} ${messageId}`).values()].flatMap((views) => {
    const [view] = views
    if (view === undefined) return []
    const { member, mesh, messageId } = view
    const text = textOf(views)
    const sent = history.sent.get(messageId) ?? history.attempts.get(text ?? "")
    const accepted = history.accepted.get(messageId)
    if (accepted === undefined || (sent === undefined && text !== undefined))
      return [`${messageId} was shown and never sent`]
    if (accepted.mesh !== mesh || (sent !== undefined && sent.mesh !== mesh))
      return [`${messageId} was shown in another mesh`]
    const inboxes = accepted.recipients.filter((inbox) => inbox.member === member)
    if (inboxes.length === 0) return [`${messageId} was shown to a member that it was not for`]
    if (!isGroup(accepted.target) && inboxes.every((inbox) => inbox.session !== undefined && !isAt(view, inbox)))
      return [`${messageId} was shown to another session`]
    return text === undefined || history.attempts.has(text) ? [] : [`${messageId} was shown as ${text}`]
  })

/** Of one process: undefined where it has not seen all of it. */
const textOf = (views: ReadonlyArray<View>): string | undefined => {
  const parts = new Map(views.map(({ part, text }) => [part, text]))
  const texts = Array.from({ length: views[0]?.parts ?? 0 }, (_, index) => parts.get(index + 1))
  return texts.includes(undefined) ? undefined : texts.join("")
}

/** The process had this session, when it saw it or before. */
const isAt = ({ host, session }: View, inbox: Inbox): boolean => inbox.session === session || inbox.session === host

const movedAway = ({ history }: Circumstances, { mesh, order }: AcceptedMessage, inbox: Inbox, until?: number) =>
  inbox.session === undefined ||
  history.movedSince(order, { mesh, member: inbox.member, session: inbox.session }, until)

/** Each of the member's inboxes that got it shows it, or gave it to the member, and then one of its sessions shows it. */
const lost = (
  run: Circumstances,
  accepted: AcceptedMessage,
  inboxes: ReadonlyArray<Inbox>,
  views: ReadonlyArray<View>,
): ReadonlyArray<string> => {
  if (accepted.expiresAtMillis <= run.latestMillis) return []
  const whole = [...groupBy(views, ({ process }) => `${process}`).values()].flatMap((all) =>
    textOf(all) === undefined ? [] : all.slice(0, 1),
  )
  return inboxes.flatMap((inbox) => {
    if (whole.some((view) => inbox.session === undefined || isAt(view, inbox))) return []
    if (!isGroup(accepted.target) && run.gone.has(inboxKey(accepted.mesh, inbox.member, inbox.session))) return []
    // What its member has already is not kept for it: another of its sessions was shown it, or sent it.
    const isKnown = whole.length > 0 || inbox.member === accepted.sender
    if (isGroup(accepted.target) && isKnown && movedAway(run, accepted, inbox)) return []
    return [`${accepted.messageId} was accepted for ${inbox.member}/${inbox.session ?? ""} and is lost`]
  })
}

/** Which of the member's inboxes somebody who saw it had it from; undefined where it was moved there. */
const inboxOf = (inboxes: ReadonlyArray<Inbox>, { host, session }: View): Inbox | undefined =>
  inboxes.find((inbox) => inbox.session === session) ??
  inboxes.find((inbox) => inbox.session === host) ??
  inboxes.find((inbox) => inbox.session === undefined)

/** Of one delivery no two see it who are not told that somebody may have seen it before. */
const repeated = (
  { messageId }: AcceptedMessage,
  inboxes: ReadonlyArray<Inbox>,
  views: ReadonlyArray<View>,
): ReadonlyArray<string> => {
  const unmarked = views.filter(({ redelivered }) => !redelivered)
  const byPart = groupBy(unmarked, ({ part }) => `${part}`)
  const bySession = groupBy(unmarked, (view) => `${view.part} ${inboxOf(inboxes, view)?.session ?? "?"}`)
  const isTooOften = [...byPart.values()].some((all) => all.length > inboxes.length)
  const isTwiceAtOne = [...bySession].some(([where, all]) => all.length > 1 && !where.endsWith("?"))
  return isTooOften || isTwiceAtOne ? [`${messageId} was shown again and not marked redelivered`] : []
}

/** Who is told that it may have been seen before was pushed it so, or its own process has given it to the host before. */
const unfounded = ({ history }: Circumstances, views: ReadonlyArray<View>): ReadonlyArray<string> =>
  views
    .filter(
      ({ answered, messageId, part, process, redelivered }) =>
        redelivered &&
        !history.pushes.some((push) => push.messageId === messageId && push.redelivered) &&
        !history.given.some(
          (one) => one.messageId === messageId && one.part === part && one.process === process && one.order < answered,
        ),
    )
    .map(({ messageId }) => `${messageId} was shown as redelivered, and nobody was given it before`)

/**
 * What a machine has written down as shown, to whoever it was, nobody sees there who begins to look later. Whose process
 * gave it to its host before, and was not told that it was seen, gives it once more; and whose process had begun to look, and
 * gave a first part, gives the others.
 */
const shownAfterAll = (
  { history }: Circumstances,
  { messageId, target }: AcceptedMessage,
  views: ReadonlyArray<View>,
): ReadonlyArray<string> => {
  if (isGroup(target)) return []
  const confirmed = history.confirmed.filter((one) => one.messageId === messageId)
  const given = history.given.filter((one) => one.messageId === messageId)
  return views
    .filter(({ asked, machine, member, process }) =>
      confirmed.some(
        ({ written, ...one }) =>
          written !== undefined &&
          one.machine === machine &&
          one.member === member &&
          written < asked &&
          !given.some(({ order, ...before }) => before.process === process && order < written) &&
          !views.some((before) => before.process === process && before.asked < written),
      ),
    )
    .map(({ session }) => `${messageId} was shown to ${session}, and its machine had shown it`)
}

/** A session that was not in the audience gets a message only in the place of one that was. */
const misplaced = (
  run: Circumstances,
  accepted: AcceptedMessage,
  inboxes: ReadonlyArray<Inbox>,
  views: ReadonlyArray<View>,
): ReadonlyArray<string> => {
  const { mesh, messageId, seq } = accepted
  return views
    .filter((view) => !inboxes.some((inbox) => inbox.session === undefined || isAt(view, inbox)))
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

/** For one sender, recipient and priority a process gives first deliveries in the order they were accepted in. */
const overtakenMessages = (run: Circumstances): ReadonlyArray<string> => {
  const { history } = run
  const pushed = groupBy(history.pushes, ({ messageId }) => messageId)
  const inOrder = history.views
    .filter(({ part, redelivered }) => part === 1 && !redelivered)
    .toSorted((left, right) => left.answered - right.answered)
    .flatMap((view) => {
      const accepted = history.accepted.get(view.messageId)
      const sent = history.sent.get(view.messageId)
      // What was committed after its error has its number from before, and comes behind what was pushed meanwhile.
      if (accepted === undefined || sent === undefined || history.late.has(view.messageId)) return []
      const inbox = accepted.recipients.find(
        (one) => one.member === view.member && (one.session === undefined || isAt(view, one)),
      )
      // Where a message stands that was moved is not promised.
      if (inbox === undefined || (inbox.session !== undefined && movedAway(run, accepted, inbox))) return []
      // Nor where one stands that was pushed before, to a session that was lost or had to give it back, or that its
      // agent took and did not want.
      const pushes = (pushed.get(view.messageId) ?? []).filter(
        ({ member, session }) => member === view.member && (inbox.session === undefined || session === view.session),
      )
      if (pushes.length > 1 || history.released.has(view.messageId)) return []
      const stream = `${view.process} ${inbox.session ?? ""} ${sent.from} ${sent.to} ${sent.priority}`
      return [{ stream, messageId: view.messageId, seq: accepted.seq }]
    })
  return [...groupBy(inOrder, ({ stream }) => stream).values()].flatMap((all) => {
    let last = 0
    for (const { messageId, seq } of all) {
      if (seq < last) return [`${messageId} (${seq}) was overtaken by ${last}`]
      last = seq
    }
    return []
  })
}
