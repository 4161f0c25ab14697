/**
 * The answer to a pull: what else waits, counted in the store and not guessed. `remaining` is what this connection can
 * have with another pull, also out of another session's buffer; `elsewhere` is what only other sessions can show.
 */
import { elsewhereMax } from "@claudemesh/domain/Limits"
import type { Elsewhere } from "@claudemesh/domain/wire/BrokerFrame"
import { Exit } from "effect"
import type { DeliveryKey } from "../store/MessageStore.ts"
import type { Decision } from "../state/Decision.ts"
import { errorFrame } from "../state/ErrorReply.ts"
import { type Completion, Action, priorities } from "../state/MeshCommand.ts"
import type { Inbox, Unacked } from "../state/Inbox.ts"
import { type Connection, inboxesOf, type Session } from "../state/MeshState.ts"
import { isRecallable } from "./Recall.ts"

/** A pull ends when its budget or the window is used up, or when nothing more waits; until then it is silent. */
export const settlePull = (decision: Decision, connection: Connection): void => {
  const { actions, state } = decision
  const { peer, pull } = connection
  if (pull === undefined || !connection.ready) return
  const mayCome = (inbox: Inbox) =>
    priorities.some((priority) => inbox.isReading(priority) && connection.window.room(priority) > 0)
  const inboxes = inboxesOf(connection)
  if (pull.budget > 0 && inboxes.some(mayCome)) return
  connection.pull = undefined
  const others = othersOf(connection).filter(({ inbox }) => inbox.backlog.messages > 0)
  const counted = [...inboxes, ...others.slice(0, elsewhereMax).map(({ inbox }) => inbox)]
  const except = counted.flatMap((inbox) => notWaiting(connection, inbox))
  const upToSeq = state.committedSeq
  actions.push(
    Action.CountWaiting({
      inboxes: counted.map(({ address }) => address),
      except,
      next: { _tag: "Pulled", peer, id: pull.id, except, upToSeq },
    }),
  )
}

/** The member's other sessions: those that are there first, then those seen last. */
const othersOf = ({ session }: Connection): ReadonlyArray<Session> => {
  const seen = ({ connection, seenAtMillis }: Session) => connection?.lastActiveMillis ?? seenAtMillis
  return [...session.member.sessions.values()]
    .filter((other) => other !== session)
    .sort(
      (left, right) =>
        Number(right.connection !== undefined) - Number(left.connection !== undefined) || seen(right) - seen(left),
    )
}

/**
 * Of one of this connection's own inboxes: what it has in flight, what was acked and is not yet written as consumed,
 * and what it cannot have because another session is about to show it. Of another session's: what was acked.
 */
const notWaiting = (asking: Connection, inbox: Inbox): ReadonlyArray<DeliveryKey> => {
  const left = new Set(inbox.pushed)
  const holders = inbox.session === undefined ? inbox.member.connections : [inbox.session.connection]
  for (const holder of holders) {
    if (holder === undefined || holder === asking || holder.protocol === 1) continue
    for (const unacked of holder.window.messages) {
      if (unacked.inbox !== inbox) continue
      if (inbox.session !== undefined || isRecallable(asking, unacked)) left.delete(unacked.seq)
    }
  }
  return [...left].map((seq) => ({ inbox: inbox.address, seq }))
}

export const pulled = (
  decision: Decision,
  { counts, except, id, peer, upToSeq }: Extract<Completion, { readonly _tag: "Pulled" }>,
): void => {
  const { actions, nowMillis, state } = decision
  const connection = state.connections.get(peer)
  if (connection === undefined) return
  if (Exit.isFailure(counts)) {
    const refusal = errorFrame(2, "unavailable", "the broker cannot reach its database; pull again", id)
    actions.push(Action.Send({ peer, frame: refusal }))
    return
  }
  const countOf = ({ address }: Inbox): number =>
    counts.value.find(({ inbox }) => inbox.session === address.session)?.messages ?? 0
  const waited = inboxesOf(connection).reduce((sum, inbox) => sum + countOf(inbox), 0)
  const remaining = Math.max(0, waited - pushedSince(connection, except, upToSeq, nowMillis))
  const elsewhere = othersOf(connection)
    .map((other): Elsewhere => ({
      sessionId: other.sessionId,
      messages: countOf(other.inbox) + keptBy(connection, other, nowMillis),
    }))
    .filter(({ messages }) => messages > 0)
    .slice(0, elsewhereMax)
  actions.push(Action.Send({ peer, frame: { type: "ok", id, remaining, ...(elsewhere.length > 0 && { elsewhere }) } }))
}

/** Of what was counted: pushed here meanwhile, or to another session that keeps it. What was accepted meanwhile may have been counted, or not. */
const pushedSince = (
  asking: Connection,
  except: ReadonlyArray<DeliveryKey>,
  upToSeq: number,
  nowMillis: number,
): number => {
  const keyOf = ({ inbox, seq }: DeliveryKey) => `${inbox.session ?? ""}/${seq}`
  const notCounted = new Set(except.map(keyOf))
  const kept = [...asking.session.member.connections].flatMap((other) =>
    other === asking ? asking.window.messages : keptOn(asking, other, nowMillis),
  )
  return kept.filter(({ inbox, seq }) => seq <= upToSeq && !notCounted.has(keyOf({ inbox: inbox.address, seq }))).length
}

/** Of the member's inbox: what the other session has and the asking one cannot recall. */
const keptBy = (asking: Connection, { connection }: Session, nowMillis: number): number =>
  connection === undefined ? 0 : keptOn(asking, connection, nowMillis).length

/** What has expired waits nowhere. */
const keptOn = (asking: Connection, { protocol, window }: Connection, nowMillis: number): ReadonlyArray<Unacked> =>
  protocol === 1
    ? []
    : window.messages.filter(
        (unacked) =>
          unacked.inbox === asking.session.member.inbox &&
          unacked.expiresAtMillis > nowMillis &&
          !isRecallable(asking, unacked),
      )
