/**
 * Tells those who asked for it how the roster changes: one frame for all that changed within a short time, encoded once,
 * with the version that it makes of the one before. For a connection that does not read fast enough changes are merged
 * until it does: what came and went meanwhile is not told, and beyond a bound the whole list takes their place (I23).
 */
import type { PublicKey } from "@claudemesh/domain/Ids"
import type { PeerChange, Peers } from "@claudemesh/domain/wire/BrokerFrame"
import type { ListPeers } from "@claudemesh/domain/wire/ClientFrame"
import type { Decision } from "../state/Decision.ts"
import { Action } from "../state/MeshCommand.ts"
import type { Connection, KnownView, MeshState, PeerView, Session, Subscription } from "../state/MeshState.ts"
import { pageOf, wholeListOf } from "./PeerList.ts"
import { listWasGiven, looksTheSame, peerOf, shownTo, touch, viewOf } from "./Roster.ts"
import { SharedFrame } from "../state/SharedFrame.ts"

interface Edge {
  readonly session: Session
  readonly before: KnownView
  readonly after: PeerView | undefined
}

/**
 * The answer to a list, or to a page of it; who asked for it in the hello is told from its beginning on how it changes. Pages
 * behind the first show what is there by then, so with the changes that were told meanwhile they are the whole.
 */
export const list = (
  state: MeshState,
  connection: Connection,
  { after, id, limit }: Pick<ListPeers, "after" | "limit"> & { readonly id: string },
  nowMillis: number,
): Peers => {
  const reader = connection.session.member.key
  const { version } = state.roster
  const isFirst = after === undefined || after === ""
  const { more, peers, sessions } =
    limit === undefined && isFirst
      ? wholeListOf(state, reader, nowMillis)
      : pageOf(state, reader, { after: after ?? "", limit: limit ?? Number.POSITIVE_INFINITY }, nowMillis)
  if (connection.wantsPresence) {
    listWasGiven(state, sessions, nowMillis)
    if (isFirst) connection.subscription = { version, behind: new Map(), needsList: false }
  }
  return {
    type: "peers",
    id,
    version,
    peers,
    ...(!isFirst && { after }),
    ...(more !== undefined && { more }),
  }
}

/** One who asks for much asks less often. */
export const listPeers = (decision: Decision, connection: Connection, frame: ListPeers): void => {
  const { actions, nowMillis, state } = decision
  const answer = list(state, connection, frame, nowMillis)
  connection.session.member.allowance.chargeEntries(answer.peers.length)
  actions.push(Action.Send({ peer: connection.peer, frame: answer }))
}

/** What has changed since the last time, if it is time for that. */
export const tellIfDue = (decision: Decision): boolean => {
  const { nowMillis, state } = decision
  const { roster, rules } = state
  const { dueAtMillis } = roster
  // A clock that was set back holds nothing up.
  const longest = Math.max(rules.limits.presenceWindowMillis, rules.limits.presenceRetryMillis)
  if (dueAtMillis === undefined || (nowMillis < dueAtMillis && dueAtMillis - nowMillis <= longest)) return false
  roster.dueAtMillis = undefined
  const edges = takeEdges(state, nowMillis)
  const { presenceChangesMax } = rules.limits
  for (let from = 0; from < edges.length; from += presenceChangesMax) {
    tell(decision, edges.slice(from, from + presenceChangesMax))
  }
  catchUp(decision)
  return true
}

/** As many as may be told at once; the others stay touched, and their turn is next. */
const takeEdges = (state: MeshState, nowMillis: number): ReadonlyArray<Edge> => {
  const { roster, rules } = state
  const edges: Array<Edge> = []
  const held: Array<Session> = []
  let characters = 0
  for (const [session, isUncertain] of roster.touched) {
    const before: KnownView = { view: roster.told.get(session), isUncertain }
    const seen = viewOf(state, session, nowMillis)
    const after = withoutHaste(state, session, before.view, seen, nowMillis)
    const edge = { session, before, after }
    if (tellsProfile(edge)) characters += after?.profile?.text.ciphertext.length ?? 0
    // All that is told at once goes to a socket before it is looked again how much of it is unread.
    if (characters > rules.limits.profileCharactersAtOnceMax && edges.length > 0) break
    roster.touched.delete(session)
    if (after !== seen) held.push(session)
    else if (tellsProfile(edge)) session.profileToldMillis = nowMillis
    if (after === undefined) roster.told.delete(session)
    else roster.told.set(session, after)
    if (isForAll(edge) || before.view?.profile !== after?.profile) edges.push(edge)
  }
  // Not before the end: what is added to a map while it is looked through is met again.
  for (const session of held) touch(state, session)
  return edges
}

/**
 * Another text of a profile is told once in a while, with what else has changed: else one session that flaps makes the broker
 * tell each of its changes to all. Until then it is told with the text that it had.
 */
const withoutHaste = (
  { rules }: MeshState,
  session: Session,
  told: PeerView | undefined,
  seen: PeerView | undefined,
  nowMillis: number,
): PeerView | undefined => {
  if (told?.profile === undefined || seen?.profile === undefined) return seen
  const sinceMillis = nowMillis - (session.profileToldMillis ?? 0)
  // A clock that was set back holds nothing up.
  const isEarly = sinceMillis >= 0 && sinceMillis < rules.limits.profileToldEveryMillis
  return told.profile.text !== seen.profile.text && isEarly ? { ...seen, profile: told.profile } : seen
}

/** It is one for everybody, and not only for a member whose key was added to a profile. */
const isForAll = ({ after, before }: Edge): boolean => before.isUncertain || !looksTheSame(before.view, after)

const hasNewsFor = (reader: PublicKey, edge: Edge): boolean => {
  const { after, before } = edge
  return isForAll(edge) || before.view?.profile?.keys.get(reader) !== after?.profile?.keys.get(reader)
}

const tell = (decision: Decision, edges: ReadonlyArray<Edge>): void => {
  const { actions, nowMillis, state } = decision
  const { roster } = state
  const after = roster.version
  roster.version += edges.filter(isForAll).length
  const frames = framesOf(state, edges, after, nowMillis)
  for (const connection of state.connections.values()) {
    const { peer, session, subscription } = connection
    if (subscription === undefined) continue
    if (isSlow(decision, connection, subscription)) {
      keepFor(state, subscription, edges)
      continue
    }
    const frame = frames(session.member.key)
    subscription.version = roster.version
    if (frame !== undefined) actions.push(Action.Tell({ peer, frame }))
  }
}

/** The frame that tells a reader of the edges: one for all, where no profile is to be told. */
const framesOf = (state: MeshState, edges: ReadonlyArray<Edge>, after: number, nowMillis: number) => {
  const { version } = state.roster
  const make = (reader: PublicKey | undefined): SharedFrame | undefined => {
    const news = reader === undefined ? edges : edges.filter((edge) => hasNewsFor(reader, edge))
    if (news.length === 0 && version === after) return undefined
    const changes = news.map((edge) => changeFor(state, edge, reader, nowMillis))
    return new SharedFrame({ type: "presence", after, version, changes })
  }
  const isOneForAll = edges.every((edge) => isForAll(edge) && !tellsProfile(edge))
  if (isOneForAll) {
    const shared = make(undefined)
    return () => shared
  }
  const made = new Map<PublicKey, SharedFrame | undefined>()
  return (reader: PublicKey): SharedFrame | undefined => {
    if (!made.has(reader)) made.set(reader, make(reader))
    return made.get(reader)
  }
}

const tellsProfile = ({ after, before }: Edge): boolean =>
  after?.profile !== undefined && (before.isUncertain || before.view?.profile !== after.profile)

/** Without a reader: of an edge that tells no profile. */
const changeFor = (
  state: MeshState,
  { after, before, session }: Edge,
  reader: PublicKey | undefined,
  nowMillis: number,
): PeerChange => {
  if (after === undefined) return { event: "left", peer: before.view?.peer ?? peerOf(state, session, nowMillis) }
  const event = before.view === undefined ? "joined" : "changed"
  const key = reader === undefined ? undefined : after.profile?.keys.get(reader)
  const isSame =
    !before.isUncertain &&
    before.view?.profile?.text === after.profile?.text &&
    (reader === undefined || before.view?.profile?.keys.get(reader) === key)
  if (after.profile !== undefined && isSame) return { event, peer: after.peer, sameProfile: true }
  return { event, peer: reader === undefined ? after.peer : shownTo(reader, after) }
}

const isSlow = ({ sockets, state }: Decision, { peer }: Connection, { behind, needsList }: Subscription): boolean =>
  needsList || behind.size > 0 || sockets.unreadBytes(peer) > state.rules.limits.presenceUnreadBytesMax

const keepFor = (state: MeshState, subscription: Subscription, edges: ReadonlyArray<Edge>): void => {
  if (subscription.needsList) return
  for (const { before, session } of edges) {
    if (!subscription.behind.has(session)) subscription.behind.set(session, before)
  }
  if (subscription.behind.size <= state.rules.limits.presenceBehindMax) return
  subscription.behind.clear()
  subscription.needsList = true
}

/** Those who were slow, and have read by now what they were sent. */
const catchUp = (decision: Decision): void => {
  const { actions, nowMillis, sockets, state } = decision
  const { presenceRetryMillis, presenceUnreadBytesMax } = state.rules.limits
  for (const connection of state.connections.values()) {
    const { peer, subscription } = connection
    if (subscription === undefined || (subscription.behind.size === 0 && !subscription.needsList)) continue
    if (sockets.unreadBytes(peer) > presenceUnreadBytesMax) {
      state.roster.dueAtMillis ??= nowMillis + presenceRetryMillis
      continue
    }
    actions.push(
      subscription.needsList
        ? Action.Send({ peer, frame: list(state, connection, { id: "" }, nowMillis) })
        : merged(state, connection, subscription, nowMillis),
    )
  }
}

const merged = (
  state: MeshState,
  { peer, session: { member } }: Connection,
  subscription: Subscription,
  nowMillis: number,
): Action => {
  const { roster } = state
  const edges = [...subscription.behind]
    .map(([session, before]): Edge => ({ session, before, after: roster.told.get(session) }))
    .filter((edge) => hasNewsFor(member.key, edge))
  const changes = edges.map((edge) => changeFor(state, edge, member.key, nowMillis))
  const frame = { type: "presence", after: subscription.version, version: roster.version, changes } as const
  subscription.behind.clear()
  subscription.version = roster.version
  return Action.Send({ peer, frame })
}
