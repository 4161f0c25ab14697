/**
 * Who is there, as everybody may see it: a session is in it from its first attachment until its lease ends (I4). What was
 * told of each session is remembered, so that a change is told on its edge alone, and once: what comes and goes within
 * `presenceWindowMillis` is not told at all. Whatever may change what is seen of a session touches it here.
 */
import type { PublicKey } from "@claudemesh/domain/Ids"
import { isoFromMillis } from "@claudemesh/domain/IsoTime"
import type { Peer } from "@claudemesh/domain/wire/BrokerFrame"
import { type MeshState, type PeerView, type Session, statusOf, wakeBy } from "../state/MeshState.ts"

export const touch = ({ roster }: MeshState, session: Session): void => {
  if (!roster.touched.has(session)) roster.touched.set(session, false)
}

/** What a new owner of the mesh begins with: nobody is there yet to be told. */
export const beginRoster = (state: MeshState, nowMillis: number): void => {
  for (const session of liveSessions(state)) {
    const view = viewOf(state, session, nowMillis)
    if (view !== undefined) state.roster.told.set(session, view)
  }
  state.roster.touched.clear()
}

/** At the end of each decision: what was touched is told soon, together with what else is touched until then. */
export const scheduleTelling = ({ roster, rules }: MeshState, nowMillis: number): void => {
  if (roster.touched.size === 0) return
  const soonMillis = nowMillis + rules.limits.presenceWindowMillis
  roster.dueAtMillis = Math.min(roster.dueAtMillis ?? soonMillis, soonMillis)
}

export const peerOf = (state: MeshState, session: Session, nowMillis: number): PeerView["peer"] => {
  const { dndUntilMillis, source, status } = statusOf(state, session, nowMillis)
  return {
    pubkey: session.member.key,
    memberId: session.member.record.memberId,
    displayName: session.displayName,
    sessionId: session.sessionId,
    attached: session.attached,
    status,
    ...(source !== undefined && { statusSource: source }),
    ...(dndUntilMillis !== undefined && { dndUntil: isoFromMillis(dndUntilMillis) }),
    protocol: session.connection?.protocol ?? 2,
  }
}

/** Undefined: it is not there. */
export const viewOf = (state: MeshState, session: Session, nowMillis: number): PeerView | undefined =>
  session.live ? { peer: peerOf(state, session, nowMillis), profile: session.profile } : undefined

/** But for the keys of the profile, which are a change for those alone who are given one. */
export const looksTheSame = (left: PeerView | undefined, right: PeerView | undefined): boolean =>
  left === undefined || right === undefined
    ? left === right
    : left.profile?.text === right.profile?.text &&
      left.peer.attached === right.peer.attached &&
      left.peer.status === right.peer.status &&
      left.peer.statusSource === right.peer.statusSource &&
      left.peer.dndUntil === right.peer.dndUntil &&
      left.peer.displayName === right.peer.displayName &&
      left.peer.protocol === right.peer.protocol

/** What of a profile a reader is shown, where it was sealed to that reader. */
export const profileFor = (reader: PublicKey, { profile }: PeerView): Peer["profile"] => {
  const sealedKey = profile?.keys.get(reader)
  return profile === undefined || sealedKey === undefined
    ? undefined
    : { nonce: profile.text.nonce, ciphertext: profile.text.ciphertext, sealedKey }
}

/** With its profile, where that was sealed to the reader. */
export const shownTo = (reader: PublicKey, view: PeerView): Peer => {
  const profile = profileFor(reader, view)
  return profile === undefined ? view.peer : { ...view.peer, profile }
}

/**
 * Somebody was given a list of these, so whatever it shows that was not told yet is told next, also if it is over by then;
 * and so is whatever it does not show.
 */
export const listWasGiven = (state: MeshState, listed: Iterable<Session>, nowMillis: number): void => {
  const { told, touched } = state.roster
  for (const session of touched.keys()) touched.set(session, true)
  for (const session of listed) {
    if (!looksTheSame(told.get(session), viewOf(state, session, nowMillis))) touched.set(session, true)
  }
}

export function* liveSessions({ connections, expectedBack }: MeshState): Generator<Session> {
  for (const { session } of connections.values()) if (session.attached) yield session
  yield* expectedBack
}

/** A status ends by itself: that is seen when its time has come. */
export const watchStatus = (state: MeshState, session: Session, nowMillis: number): void => {
  const { untilMillis } = statusOf(state, session, nowMillis)
  if (untilMillis !== undefined) wakeBy(state, untilMillis)
  const told = state.roster.told.get(session)
  if (told !== undefined && !looksTheSame(told, viewOf(state, session, nowMillis))) touch(state, session)
}
