/**
 * What changes who is in a mesh, as statements of a batch. A record that is there already, exactly so, was written by an
 * attempt whose outcome its owner did not hear of: it is not written again, nothing is counted twice, and it has no second
 * audit row. Another record under the same key, id or version was written by another owner, and is refused like a
 * sequence number that is taken.
 */
import type { MeshId } from "@claudemesh/domain/Ids"
import { Effect } from "effect"
import type { SqlClient } from "effect/unstable/sql"
import type { Write } from "../MessageStore.ts"
import { type EnrolmentTable, enrolmentTables, memberColumns } from "../sql/Columns.ts"
import { insertInto, namesOf, records } from "../sql/Dialect.ts"
import { inviteTarget } from "../AuditEvents.ts"
import * as Rows from "../sql/Rows.ts"
import { entryOf, type JournalEvent } from "./Journal.ts"
import { fenced } from "./Owners.ts"

type Added = Extract<Write, { readonly _tag: "InviteAdded" }>
type Joined = Extract<Write, { readonly _tag: "MemberJoined" }>
type Revoked = Extract<Write, { readonly _tag: "KeyRevoked" }>
type Moved = Extract<Write, { readonly _tag: "MeshMoved" }>

export const enrolWith = (sql: SqlClient.SqlClient) => {
  /** Gives those of the writes whose rows are new. */
  const insertNew = Effect.fnUntraced(function* <A extends Added | Joined | Moved | Revoked>(
    table: EnrolmentTable,
    writes: ReadonlyArray<A>,
    rowOf: (write: A) => Parameters<typeof records>[1][number],
  ) {
    if (writes.length === 0) return writes
    const rows = writes.map(rowOf)
    const names = namesOf(sql, table.columns)
    const key = sql.literal(table.key)
    // Waits for a commit of the same record that is still on its way.
    const inserted = yield* Rows.enrolled(
      yield* sql`INSERT INTO mesh.${sql.literal(table.name)} (${names})
        SELECT ${names} FROM ${records(sql, rows, table.columns)} WHERE true
        ON CONFLICT DO NOTHING RETURNING mesh_id, CAST(${key} AS text) AS record_key`,
    )
    if (inserted.size === writes.length) return writes
    const keyAt = (row: (typeof rows)[number]) => Rows.enrolledKey(String(row["mesh_id"]), String(row[table.key]))
    const sames = table.proof.map((column) => `known.${column} = r.${column}`).join(" AND ")
    const known = yield* Rows.enrolled(
      yield* sql`SELECT r.mesh_id AS mesh_id, CAST(r.${key} AS text) AS record_key
        FROM ${records(sql, rows, table.columns)} JOIN mesh.${sql.literal(table.name)} known
        ON known.mesh_id = r.mesh_id AND known.${key} = r.${key} AND ${sql.literal(sames)}`,
    )
    const strange = rows.filter((row) => !known.has(keyAt(row)))
    // Its key is taken, which is what the database says now.
    if (strange.length > 0) yield* insertInto(sql, table.name, table.columns, strange)
    return writes.filter((write) => inserted.has(keyAt(rowOf(write))))
  })

  /** The table refuses more uses than there are. */
  const countUses = (joined: ReadonlyArray<Joined>) => {
    const rows = joined.map(memberRowOf)
    return sql`UPDATE mesh.invite SET used = used + (SELECT count(*) FROM ${records(sql, rows, memberColumns)}
        WHERE r.mesh_id = invite.mesh_id AND r.invite = invite.public_key)
      WHERE (mesh_id, public_key) IN (SELECT r.mesh_id, r.invite FROM ${records(sql, rows, memberColumns)})`
  }

  return Effect.fnUntraced(function* (
    added: ReadonlyArray<Added>,
    joined: ReadonlyArray<Joined>,
    revoked: ReadonlyArray<Revoked>,
    moved: ReadonlyArray<Moved>,
    lastSeqs: ReadonlyMap<MeshId, number>,
  ) {
    const newInvites = yield* insertNew(enrolmentTables.invites, added, ({ invite }) => Rows.inviteRow(invite, 0))
    const newMembers = yield* insertNew(enrolmentTables.members, joined, memberRowOf)
    if (newMembers.length > 0) yield* countUses(newMembers)
    const newRevocations = yield* insertNew(enrolmentTables.revocations, revoked, ({ revocation }) =>
      Rows.revocationRow(revocation),
    )
    const newMoves = yield* insertNew(enrolmentTables.moves, moved, (write) => Rows.movedRow(write.moved))
    const numbered = numberedEvents(newInvites, newMembers, newRevocations, newMoves)
    const taken = numbered.find(({ meshId, seq }) => seq <= (lastSeqs.get(meshId) ?? 0))
    // Another owner has given that number.
    if (taken !== undefined) return yield* Effect.fail(fenced(taken.meshId))
    const used = newMembers.map(({ atMillis, certificate: { invite, memberId }, meshId }) => ({
      ...entryOf(meshId, undefined, atMillis, "invite_used", memberId),
      targetSpec: inviteTarget(invite),
    }))
    return { numbered, used }
  })
}

const numberedEvents = (
  invites: ReadonlyArray<Added>,
  members: ReadonlyArray<Joined>,
  revocations: ReadonlyArray<Revoked>,
  moves: ReadonlyArray<Moved>,
): ReadonlyArray<JournalEvent & { readonly seq: number }> => [
  ...invites.map(({ atMillis, invite, meshId, seq }) => ({
    ...entryOf(meshId, seq, atMillis, "invite_added"),
    seq,
    targetSpec: inviteTarget(invite.publicKey),
  })),
  ...members.map(({ atMillis, certificate, meshId, seq }) => ({
    ...entryOf(meshId, seq, atMillis, "member_joined", certificate.memberId),
    seq,
  })),
  ...revocations.map(({ atMillis, revocation, seq }) => ({
    ...entryOf(revocation.meshId, seq, atMillis, "key_revoked"),
    seq,
  })),
  ...moves.map(({ atMillis, moved: { meshId }, seq }) => ({ ...entryOf(meshId, seq, atMillis, "mesh_moved"), seq })),
]

const memberRowOf = ({ atMillis, certificate, meshId }: Joined) =>
  Rows.memberRow(meshId, { ...certificate, certificate }, atMillis)
