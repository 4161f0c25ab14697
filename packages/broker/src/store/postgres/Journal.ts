/** The audit: a row for each mesh and commit, written in the transaction that it records (I18). */
import type { MemberId, MeshId } from "@claudemesh/domain/Ids"
import type { SqlClient } from "effect/unstable/sql"
import { Arrays } from "./Arrays.ts"

/** Arrays, as they stand in the statement. */
interface Entries {
  readonly mesh_id: string
  readonly seq: string
  /** An array, or one for all. */
  readonly event: string
  readonly at: string
  readonly member: string
  readonly session: string
  readonly message: string
  readonly spec: string
  readonly priority: string
  readonly bytes: string
  readonly recipients: string
  /** Which of them, of `r`. */
  readonly where: string
}

/** A part of a statement. */
export const journalOf = ({ event, where, ...columns }: Entries): string => {
  const isOne = event.startsWith("'")
  const arrays = { ...columns, ...(isOne ? {} : { event }) }
  const names = Object.keys(arrays).join(", ")
  return `journaled AS (INSERT INTO mesh.journal (mesh_id, last_seq, at, seqs, events, ats, members, sessions, messages, specs, priorities, bytes, recipients)
    SELECT mesh_id, max(seq), max(at), array_agg(seq), array_agg(${isOne ? `${event}::text` : "event"}), array_agg(at), array_agg(member), array_agg(session),
      array_agg(message), array_agg(spec), array_agg(priority), array_agg(bytes), array_agg(recipients)
    FROM (SELECT * FROM unnest(${Object.values(arrays).join(", ")}) AS r(${names}) WHERE ${where} ORDER BY seq) r GROUP BY mesh_id)`
}

/** What is not of a message. */
export interface Entry {
  readonly meshId: MeshId
  readonly seq: number
  readonly atMillis: number
  readonly event: string
  readonly memberId: MemberId | undefined
  /** Of a mesh that was made: with how many members. */
  readonly recipients: number | null
}

export const entryOf = (meshId: MeshId, seq: number, atMillis: number, event: string, memberId?: MemberId): Entry => ({
  meshId,
  seq,
  atMillis,
  event,
  memberId,
  recipients: null,
})

export const journalEntries = (sql: SqlClient.SqlClient, entries: ReadonlyArray<Entry>) => {
  const arrays = new Arrays()
  const none = arrays.texts(entries.map(() => null))
  const journaled = journalOf({
    mesh_id: arrays.texts(entries.map(({ meshId }) => meshId)),
    seq: arrays.numbers(entries.map(({ seq }) => seq)),
    event: arrays.texts(entries.map(({ event }) => event)),
    at: arrays.numbers(entries.map(({ atMillis }) => atMillis)),
    member: arrays.texts(entries.map(({ memberId }) => memberId)),
    session: none,
    message: none,
    spec: none,
    priority: none,
    bytes: arrays.numbers(entries.map(() => null)),
    recipients: arrays.numbers(entries.map(({ recipients }) => recipients)),
    where: "true",
  })
  return sql.unsafe(`WITH ${journaled} SELECT 1`, arrays.parameters)
}
