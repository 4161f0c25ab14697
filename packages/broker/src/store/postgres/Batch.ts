/**
 * A batch that is not one statement, as the statements of one transaction: a fixed number of them, however large it is. What
 * comes later in the batch counts as later: an inbox is moved with all that was accepted before, and of what is said of one
 * session or channel the last word stands.
 */
import type { MeshId } from "@claudemesh/domain/Ids"
import { Effect } from "effect"
import type { SqlClient } from "effect/unstable/sql"
import { type OwnedWrite, Write, Written } from "../MessageStore.ts"
import { enrolWith } from "./EnrolmentWrites.ts"
import { journalEntries } from "./Journal.ts"
import { movesOf } from "../MovesOf.ts"
import { moveInboxes } from "./Moves.ts"
import { arePastEach, fenced, ownersWith } from "./Owners.ts"
import { partsOf, writeParts } from "./OneStatement.ts"
import {
  attach,
  channelsAtTheEnd,
  detach,
  forget,
  joinChannels,
  leaveChannels,
  refusals,
  sessionsAtTheEnd,
} from "./SessionWrites.ts"

const nothing = { accepts: [], consumes: [], leases: [] }

export const batchWith = (sql: SqlClient.SqlClient) => {
  const enrol = enrolWith(sql)
  const owners = ownersWith(sql)

  return Effect.fnUntraced(function* (owned: ReadonlyArray<OwnedWrite>) {
    const lastSeqs = yield* owners.hold(owned)
    const batch = owned.map(({ write }) => write)
    const { accepts, consumes, leases } = partsOf(batch)
    const [accept] = accepts
    if (accept !== undefined && !arePastEach(accepts)) return yield* Effect.fail(fenced(accept.message.meshId))
    const moved = movesOf(batch)
    const { attached, detached, forgotten } = sessionsAtTheEnd(batch)
    const { joined, left } = channelsAtTheEnd(batch)
    const outcome = accepts.length === 0 ? undefined : yield* writeParts(sql, { ...nothing, accepts })
    // Before a move, which takes them along.
    if (leases.length > 0) yield* writeParts(sql, { ...nothing, leases })
    if (consumes.length > 0) yield* writeParts(sql, { ...nothing, consumes })
    if (moved.length > 0) yield* moveInboxes(sql, moved)
    if (forgotten.length > 0) yield* forget(sql, forgotten)
    const events = [...refusals(batch.filter(Write.$is("Refused")))]
    if (attached.length > 0) events.push(...(yield* attach(sql, attached)))
    if (detached.length > 0) events.push(...(yield* detach(sql, detached)))
    if (joined.length > 0) events.push(...(yield* joinChannels(sql, joined)))
    if (left.length > 0) events.push(...(yield* leaveChannels(sql, left)))
    const invited = batch.filter(Write.$is("InviteAdded"))
    const enrolled = batch.filter(Write.$is("MemberJoined"))
    const revoked = batch.filter(Write.$is("KeyRevoked"))
    const moves = batch.filter(Write.$is("MeshMoved"))
    const { numbered, used } =
      invited.length + enrolled.length + revoked.length + moves.length === 0
        ? { numbered: [], used: [] }
        : yield* enrol(invited, enrolled, revoked, moves, lastSeqs)
    events.push(...numbered, ...used)
    if (events.length > 0) yield* journalEntries(sql, events)
    const taken = new Map<MeshId, number>()
    for (const { meshId, seq } of [...accepts.map(({ message }) => message), ...numbered]) {
      taken.set(meshId, Math.max(seq, taken.get(meshId) ?? seq))
    }
    yield* owners.raise(taken)
    return batch.map((write) => (write._tag === "Accept" && outcome ? outcome(write) : Written.Done()))
  })
}
