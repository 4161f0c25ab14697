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
import type { AuditEventName } from "../AuditEvents.ts"
import { Arrays } from "./Arrays.ts"

/** An event, and who has done it. */
export interface JournalEvent {
  readonly meshId: MeshId
  /** Of what takes one. */
  readonly seq?: number | undefined
  readonly atMillis: number
  readonly event: AuditEventName
  readonly memberId: MemberId | undefined
  readonly session?: string | undefined
  readonly messageId?: string | undefined
  readonly targetSpec?: string | undefined
  readonly priority?: string | undefined
  readonly bytes?: number | undefined
  readonly recipients?: number | undefined
  readonly messages?: ReadonlyArray<number> | undefined
}

/** Those who did something, of each mesh, each once. One of whom nothing is recorded in the end stays in the list. */
export class Actors {
  readonly #meshes = new Map<MeshId, { readonly places: Map<string, number>; readonly names: Array<string> }>()

  placeOf({ memberId, meshId, session }: Pick<JournalEvent, "meshId" | "memberId" | "session">): number | undefined {
    const of = this.#meshes.get(meshId) ?? { places: new Map<string, number>(), names: [] }
    if (of.names.length === 0) this.#meshes.set(meshId, of)
    if (memberId === undefined) return undefined
    const name = `${memberId}/${session ?? ""}`
    const known = of.places.get(name)
    if (known !== undefined) return known
    of.places.set(name, of.names.length)
    return of.names.push(JSON.stringify([memberId, session ?? null])) - 1
  }

  /** Given a mesh, its list. */
  listOf(arrays: Arrays, mesh: string): string {
    const meshes = arrays.texts([...this.#meshes.keys()])
    const lists = arrays.texts([...this.#meshes.values()].map(({ names }) => `[${names.join(",")}]`))
    return `(${lists})[array_position(${meshes}, ${mesh})]`
  }
}

/** Events as rows of mesh, number, time and text. `where`: which of them, of `r`, that has their meshes and numbers. */
export const eventRows = (
  arrays: Arrays,
  actors: Actors,
  events: ReadonlyArray<JournalEvent>,
  where: string,
): string => {
  const rows = [
    arrays.texts(events.map(({ meshId }) => meshId)),
    arrays.numbers(events.map(({ seq }) => seq ?? null)),
    arrays.numbers(events.map(({ atMillis }) => atMillis)),
    arrays.texts(events.map((one) => eventText({ ...one, seq: one.seq, actor: actors.placeOf(one) }))),
  ]
  return `SELECT r.mesh_id, r.seq, r.at, r.event FROM unnest(${rows.join(", ")}) AS r(mesh_id, seq, at, event) WHERE ${where}`
}

/** A part of a statement: a block for each mesh of which there is an event. */
export const journalOf = (arrays: Arrays, actors: Actors, rows: ReadonlyArray<string>): string =>
  // A join here took so much memory that the server gave it back after each statement and got it anew: 40 µs a message in batches of 16.
  `journaled AS (INSERT INTO mesh.audit_block (mesh_id, number, previous, hash, at, total, actors, events)
    SELECT mesh_id, number, previous, ${hashOf}, at, total, actors, events
    FROM (SELECT b.mesh_id, coalesce(h.number, 0) + 1 AS number, coalesce(h.hash, '${chainBegins}') AS previous, b.at,
        coalesce(h.total, 0) + b.count AS total, ${actors.listOf(arrays, "b.mesh_id")} AS actors, b.events
      FROM (SELECT r.mesh_id, max(r.at) AS at, count(*) AS count,
          '[' || string_agg(r.event, ',' ORDER BY r.seq, r.event COLLATE "C") || ']' AS events
        FROM (${rows.join(" UNION ALL ")}) AS r GROUP BY r.mesh_id) b
      LEFT JOIN LATERAL (SELECT h.number, h.hash, h.total FROM mesh.audit_block h WHERE h.mesh_id = b.mesh_id
        ORDER BY h.number DESC LIMIT 1) h ON true) n)`

const hashOf = `encode(sha256(convert_to(concat_ws(E'\\n', 'claudemesh-audit-v1', mesh_id, number, previous, at, total, octet_length(actors),
      octet_length(events), actors || events), 'UTF8')), 'hex')`

export const entryOf = (
  meshId: MeshId,
  seq: number | undefined,
  atMillis: number,
  event: AuditEventName,
  memberId?: MemberId,
): JournalEvent => ({ meshId, seq, atMillis, event, memberId })

export const journalEntries = (sql: SqlClient.SqlClient, entries: ReadonlyArray<JournalEvent>) => {
  const arrays = new Arrays()
  const actors = new Actors()
  const rows = eventRows(arrays, actors, entries, "true")
  return sql.unsafe(`WITH ${journalOf(arrays, actors, [rows])} SELECT 1`, arrays.parameters)
}
