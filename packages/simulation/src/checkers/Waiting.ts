/**
 * When nothing moves: what the broker answers to a pull, of what else waits for the member and where, held against what
 * is in the store and what its connections have.
 */
import { SqliteHandle } from "@claudemesh/broker/store/sqlite/Handle"
import { addressOf, messageKey, priorityName, seqOf } from "@claudemesh/broker/store/sqlite/Layout"
import type { MemberId, MeshId, MessageId, SessionId } from "@claudemesh/domain/Ids"
import { Effect } from "effect"
import { isGroup } from "../History.ts"
import type { Window } from "./Window.ts"

/** A delivery that waits: not acked, and not expired. */
export interface Waiting {
  readonly mesh: MeshId
  readonly member: MemberId
  /** Of its inbox: empty where that is the member's. */
  readonly session: SessionId | ""
  readonly messageId: MessageId
  readonly target: string
  readonly priority: string
  readonly sender: MemberId
  readonly senderSession: SessionId
}

/** From the tables of the embedded store: the views over them are for who looks, and too slow for so many. */
const waitingSql = `SELECT i.mesh_id AS mesh, i.member_id AS member, i.session_id AS session, lower(hex(a.id)) AS "messageId",
    coalesce(w.target_spec, g.target_spec) AS target, ${priorityName("a.priority")} AS priority, s.member_id AS sender,
    s.session_id AS "senderSession"
  FROM mesh.waiting w JOIN mesh.address i ON i.number = ${addressOf("w.key")}
  JOIN mesh.address n ON n.mesh_id = i.mesh_id AND n.member_id = '' AND n.session_id = ''
  JOIN mesh.accepted a ON a.key = ${messageKey("n.number", seqOf("w.key"))} JOIN mesh.address s ON s.number = a.sender
  LEFT JOIN mesh.group_text g ON g.key = a.key WHERE a.expires_at > ?`

export const waitingAt = (brokerMillis: number) =>
  Effect.map(SqliteHandle, ({ database }) => {
    using waiting = database.prepare<Waiting, [number]>(waitingSql)
    return waiting.all(brokerMillis)
  })

export interface Asker {
  readonly mesh: MeshId
  readonly member: MemberId
  readonly id: SessionId
}

export interface Answer {
  readonly remaining: number
  readonly elsewhere: ReadonlyArray<{ readonly sessionId: SessionId; readonly messages: number }>
}

/** Where each message is that waits for a member, as one of its sessions sees it. */
const placesOf = (asker: Asker, waiting: ReadonlyArray<Waiting>, windows: ReadonlyArray<Window>) => {
  const own = waiting.filter(({ member, mesh }) => mesh === asker.mesh && member === asker.member)
  const holders = windows.filter(
    ({ authenticated }) => authenticated?.mesh === asker.mesh && authenticated.member === asker.member,
  )
  const isInOwnInbox = (session: SessionId, messageId: MessageId) =>
    own.some((one) => one.session === session && one.messageId === messageId)
  return own.map(({ messageId, sender, senderSession, session }): SessionId | "here" | "waits" => {
    const isAskers = session === "" || session === asker.id
    if (!isAskers) return session
    const holder = holders.find(
      ({ authenticated, unacked }) =>
        authenticated !== undefined &&
        unacked.has(messageId) &&
        (session === "" ? !isInOwnInbox(authenticated.session, messageId) : authenticated.session === session),
    )
    if (holder?.authenticated === undefined) return "waits"
    if (holder.authenticated.session === asker.id) return "here"
    const isBySelf = sender === asker.member && senderSession === asker.id
    return holder.leased.has(messageId) || isBySelf ? holder.authenticated.session : "waits"
  })
}

const inWords = (counts: ReadonlyMap<string, number>): string =>
  [...counts]
    .toSorted(([left], [right]) => (left < right ? -1 : 1))
    .map(([where, count]) => `${count} ${where}`)
    .join(", ")

export const checkWaiting = (
  asker: Asker,
  { elsewhere, remaining }: Answer,
  waiting: ReadonlyArray<Waiting>,
  windows: ReadonlyArray<Window>,
): ReadonlyArray<string> => {
  const truth = new Map<string, number>()
  for (const place of placesOf(asker, waiting, windows)) {
    if (place !== "here") truth.set(place, (truth.get(place) ?? 0) + 1)
  }
  const said = new Map<string, number>(elsewhere.map(({ messages, sessionId }) => [sessionId, messages]))
  if (remaining > 0) said.set("waits", remaining)
  return inWords(said) === inWords(truth)
    ? []
    : [`${asker.id} is told that what waits is: ${inWords(said) || "nothing"}; it is: ${inWords(truth) || "nothing"}`]
}

/** Somebody could have it: it is not for a session alone that will never be there again. */
export const canBeHad = ({ member, mesh, session, target }: Waiting, gone: (inbox: Asker) => boolean): boolean =>
  session === "" || isGroup(target) || !gone({ mesh, member, id: session })
