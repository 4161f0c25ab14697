/**
 * A batch of writes as the statements of one transaction: a fixed number of them, however large it is. What comes
 * later in the batch counts as later: an inbox is moved with all that was accepted before, and of what is said of one
 * session or channel the last word stands.
 */
import { Effect } from "effect"
import type { SqlClient } from "effect/unstable/sql"
import { Write, Written } from "../MessageStore.ts"
import { accept } from "./AcceptWrites.ts"
import { consume, eraseConsumed, isOfLease, lease, moveInboxes, movesOf } from "./DeliveryWrites.ts"
import { enrolWith } from "./EnrolmentWrites.ts"
import {
  attach,
  channelsAtTheEnd,
  detach,
  forget,
  joinChannels,
  leaveChannels,
  sessionsAtTheEnd,
} from "./SessionWrites.ts"

export const batchWith = (sql: SqlClient.SqlClient) => {
  const enrol = enrolWith(sql)

  return Effect.fnUntraced(function* (batch: ReadonlyArray<Write>) {
    const accepts = batch.filter(Write.$is("Accept"))
    const consumes = batch.filter(Write.$is("Consume"))
    const moved = movesOf(batch)
    const leases = batch.filter(isOfLease)
    const { attached, detached, forgotten } = sessionsAtTheEnd(batch)
    const { joined, left } = channelsAtTheEnd(batch)
    const outcome = accepts.length === 0 ? undefined : yield* accept(sql, accepts)
    // Before a move, which takes them along.
    if (leases.length > 0) yield* lease(sql, leases)
    if (consumes.length > 0) yield* consume(sql, consumes)
    const dropped = moved.length === 0 ? [] : yield* moveInboxes(sql, moved)
    const fewerWait = [...consumes, ...dropped]
    if (fewerWait.length > 0) yield* eraseConsumed(sql, fewerWait)
    if (forgotten.length > 0) yield* forget(sql, forgotten)
    if (attached.length > 0) yield* attach(sql, attached)
    if (detached.length > 0) yield* detach(sql, detached)
    if (joined.length > 0) yield* joinChannels(sql, joined)
    if (left.length > 0) yield* leaveChannels(sql, left)
    const invited = batch.filter(Write.$is("InviteAdded"))
    const enrolled = batch.filter(Write.$is("MemberJoined"))
    const revoked = batch.filter(Write.$is("KeyRevoked"))
    const moves = batch.filter(Write.$is("MeshMoved"))
    if (invited.length + enrolled.length + revoked.length + moves.length > 0) {
      yield* enrol(invited, enrolled, revoked, moves)
    }
    return batch.map((write) => (write._tag === "Accept" && outcome ? outcome(write) : Written.Done()))
  })
}
