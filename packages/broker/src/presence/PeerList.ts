/**
 * The sessions that are there, for one who asks: a page at a time, in the order of keys and session ids, or all of them as
 * one list of a bounded length, for clients that know no pages. A page, or a list, has no more of profiles than a socket may
 * leave unread: a page ends before that, and a list has some without theirs.
 */
import type { PublicKey, SessionId } from "@claudemesh/domain/Ids"
import type { Peer } from "@claudemesh/domain/wire/BrokerFrame"
import { parsePeersCursor, type PeersCursor, peersCursorOf } from "@claudemesh/domain/wire/PeersCursor"
import type { Member, MeshState, PeerView, Session } from "../state/MeshState.ts"
import { liveSessions, profileFor, shownTo, viewOf } from "./Roster.ts"

export interface PeerList {
  readonly sessions: ReadonlyArray<Session>
  readonly peers: ReadonlyArray<Peer>
  /** Behind which there are more. */
  readonly more: PeersCursor | undefined
}

interface Listed {
  readonly session: Session
  readonly view: PeerView
  /** Of the profile that the reader is shown. */
  readonly characters: number
}

const listedFor = (state: MeshState, reader: PublicKey, session: Session, nowMillis: number): ReadonlyArray<Listed> => {
  const view = viewOf(state, session, nowMillis)
  if (view === undefined) return []
  const profile = profileFor(reader, view)
  const characters =
    profile === undefined ? 0 : profile.nonce.length + profile.ciphertext.length + profile.sealedKey.length
  return [{ session, view, characters }]
}

const byKey = (left: Member, right: Member): number => (left.key < right.key ? -1 : 1)
const byId = (left: Session, right: Session): number => (left.sessionId < right.sessionId ? -1 : 1)

/** Those behind a cursor, in order. What came and went meanwhile moves nothing: the cursor is a place, not a count. */
function* behind(state: MeshState, after: PeersCursor): Generator<Session> {
  const [key, sessionId] = parsePeersCursor(after)
  const members = [...state.members.values()].filter((member) => member.key >= key)
  for (const member of members.toSorted(byKey)) {
    const live = [...member.sessions.values()].filter((session) => session.live)
    for (const session of live.toSorted(byId)) if (member.key > key || session.sessionId > sessionId) yield session
  }
}

const cursorOf = ({ member, sessionId }: { readonly member: Member; readonly sessionId: SessionId }): PeersCursor =>
  peersCursorOf(member.key, sessionId)

/** At least one session, if there is any behind the cursor. */
export const pageOf = (
  state: MeshState,
  reader: PublicKey,
  { after, limit }: { readonly after: PeersCursor; readonly limit: number },
  nowMillis: number,
): PeerList => {
  const { listPageMax, profileCharactersAtOnceMax } = state.rules.limits
  const sessions: Array<Session> = []
  const peers: Array<Peer> = []
  let characters = 0
  for (const session of behind(state, after)) {
    for (const listed of listedFor(state, reader, session, nowMillis)) {
      characters += listed.characters
      const isFull = peers.length >= Math.min(limit, listPageMax) || characters > profileCharactersAtOnceMax
      const last = sessions.at(-1)
      if (isFull && last !== undefined) return { sessions, peers, more: cursorOf(last) }
      sessions.push(session)
      peers.push(shownTo(reader, listed.view))
    }
  }
  return { sessions, peers, more: undefined }
}

/** All of them, where that are not too many. Else pages begin anew, with those that have no place in it. */
export const wholeListOf = (state: MeshState, reader: PublicKey, nowMillis: number): PeerList => {
  const { peersListedMax, profileCharactersAtOnceMax } = state.rules.limits
  const all = [...liveSessions(state)].flatMap((session) => listedFor(state, reader, session, nowMillis))
  const isTooLong = all.length > peersListedMax
  const listed = isTooLong ? fairly(all).slice(0, peersListedMax) : all
  const hidden = withoutProfile(listed, profileCharactersAtOnceMax)
  return {
    sessions: listed.map(({ session }) => session),
    peers: listed.map(({ session, view }) => (hidden.has(session) ? view.peer : shownTo(reader, view))),
    more: isTooLong ? "" : undefined,
  }
}

/**
 * The session that each member used last comes first, then the second of each: many sessions of one member are left out
 * for its own, and for nobody else's.
 */
const fairly = (listed: ReadonlyArray<Listed>): ReadonlyArray<Listed> => {
  const seen = new Map<Member, number>()
  return listed
    .toSorted((left, right) => lastActiveMillis(right.session) - lastActiveMillis(left.session))
    .map((one) => {
      const rank = seen.get(one.session.member) ?? 0
      seen.set(one.session.member, rank + 1)
      return { one, rank }
    })
    .toSorted((left, right) => left.rank - right.rank)
    .map(({ one }) => one)
}

/** Those whose profile one list has no room for: a list that is longer than a socket may leave unread would end the socket. */
const withoutProfile = (listed: ReadonlyArray<Listed>, charactersMax: number): ReadonlySet<Session> => {
  const hidden = new Set<Session>()
  if (listed.reduce((sum, { characters }) => sum + characters, 0) <= charactersMax) return hidden
  let room = charactersMax
  for (const { characters, session } of fairly(listed.filter((one) => one.characters > 0))) {
    if (characters <= room) room -= characters
    else hidden.add(session)
  }
  return hidden
}

const lastActiveMillis = ({ connection, seenAtMillis }: Session): number => connection?.lastActiveMillis ?? seenAtMillis
