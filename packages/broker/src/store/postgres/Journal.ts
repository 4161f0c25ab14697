/**
 * The audit: a block for each mesh and statement, written in the transaction that it records (I18), and chained to the mesh's block before (I29).
 * Which messages are new is known to the database alone, so it puts the block together and hashes it, as `AuditBlock.ts` of the domain says.
 *
 * The head that a statement sees is that of its beginning. The owner of a mesh writes one statement after the other; where another's was still being
 * committed, the number is taken, so no chain can fork, and the statement is run again (`Transaction.ts`).
 */
import { chainBegins, eventText } from "@claudemesh/domain/audit/AuditBlock"
import type { MemberId, MeshId } from "@claudemesh/domain/Ids"
import type { SqlClient } from "effect/unstable/sql"
import { Arrays } from "./Arrays.ts"

/** An event, and who has done it. */
export interface JournalEvent {
  readonly meshId: MeshId
  readonly seq: number
  readonly atMillis: number
  readonly event: string
  readonly memberId: MemberId | undefined
  readonly session?: string | undefined
  readonly messageId?: string | undefined
  readonly targetSpec?: string | undefined
  readonly priority?: string | undefined
  readonly bytes?: number | undefined
  readonly recipients?: number | undefined
}

/** A part of a statement. `where`: which of the events, of `r`, that has their meshes and numbers. An actor of none of them stays in the list. */
export const journalOf = (arrays: Arrays, events: ReadonlyArray<JournalEvent>, where: string): string => {
  const actors = new Map<MeshId, Map<string, number>>()
  const placeOf = ({ meshId, memberId, session }: JournalEvent): number | undefined => {
    const places = actors.get(meshId) ?? new Map<string, number>()
    actors.set(meshId, places)
    if (memberId === undefined) return undefined
    const name = JSON.stringify([memberId, session ?? null])
    const place = places.get(name) ?? places.size
    places.set(name, place)
    return place
  }
  const texts = events.map((one) => eventText({ ...one, actor: placeOf(one) }))
  const rows = [
    arrays.texts(events.map(({ meshId }) => meshId)),
    arrays.numbers(events.map(({ seq }) => seq)),
    arrays.numbers(events.map(({ atMillis }) => atMillis)),
    arrays.texts(texts),
  ]
  const meshes = arrays.texts([...actors.keys()])
  const lists = arrays.texts([...actors.values()].map((places) => `[${[...places.keys()].join(",")}]`))
  // A join here took so much memory that the server gave it back after each statement and got it anew: 40 µs a message in batches of 16.
  return `journaled AS (INSERT INTO mesh.audit_block (mesh_id, number, previous, hash, at, total, actors, events)
    SELECT mesh_id, number, previous, ${hashOf}, at, total, actors, events
    FROM (SELECT b.mesh_id, coalesce(h.number, 0) + 1 AS number, coalesce(h.hash, '${chainBegins}') AS previous, b.at,
        coalesce(h.total, 0) + b.count AS total, (${lists})[array_position(${meshes}, b.mesh_id)] AS actors, b.events
      FROM (SELECT r.mesh_id, max(r.at) AS at, count(*) AS count, '[' || string_agg(r.event, ',' ORDER BY r.seq) || ']' AS events
        FROM unnest(${rows.join(", ")}) AS r(mesh_id, seq, at, event) WHERE ${where} GROUP BY r.mesh_id) b
      LEFT JOIN LATERAL (SELECT h.number, h.hash, h.total FROM mesh.audit_block h WHERE h.mesh_id = b.mesh_id
        ORDER BY h.number DESC LIMIT 1) h ON true) n)`
}

const hashOf = `encode(sha256(convert_to(concat_ws(E'\\n', 'claudemesh-audit-v1', mesh_id, number, previous, at, total, octet_length(actors),
      octet_length(events), actors || events), 'UTF8')), 'hex')`

export const entryOf = (
  meshId: MeshId,
  seq: number,
  atMillis: number,
  event: string,
  memberId?: MemberId,
): JournalEvent => ({ meshId, seq, atMillis, event, memberId })

export const journalEntries = (sql: SqlClient.SqlClient, entries: ReadonlyArray<JournalEvent>) => {
  const arrays = new Arrays()
  const journaled = journalOf(arrays, entries, "true")
  return sql.unsafe(`WITH ${journaled} SELECT 1`, arrays.parameters)
}
