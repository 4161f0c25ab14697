/** Acks and leases, as parts of one statement. An ack takes the row with its text, and leaves a receipt; a shared text goes with the last of them (I8). */
import type { Write } from "../MessageStore.ts"
import * as Rows from "../sql/Rows.ts"
import type { Actors } from "./Journal.ts"
import { owned } from "./Accepting.ts"
import type { Arrays } from "./Arrays.ts"
import { receiptsTogether } from "./Layout.ts"

export type Consume = Extract<Write, { readonly _tag: "Consume" }>
export type OfLease = Extract<Write, { readonly _tag: "Lease" | "Release" }>

/** Where the rows are that are asked for, each with a time. `priorities`: those that one may have, by `r`. */
const placesOf = (name: string, asked: ReadonlyArray<string>, more: string, priorities: string): string =>
  `${name} AS MATERIALIZED (SELECT r.*, d.place, d.expires_at FROM unnest(${asked.join(", ")}) AS r(mesh_id, seq, member_id, session_id, at${more})
    CROSS JOIN LATERAL (SELECT w.ctid AS place, w.expires_at FROM mesh.waiting w WHERE w.mesh_id = r.mesh_id AND w.member_id = r.member_id
      AND w.session_id = r.session_id AND w.priority IN (${priorities}) AND w.seq = r.seq OFFSET 0) d WHERE ${owned})`

export const consuming = (arrays: Arrays, actors: Actors, consumes: ReadonlyArray<Consume>): ReadonlyArray<string> => {
  // One statement takes a row once.
  const once = new Map<string, Omit<Consume, "seqs"> & { readonly seq: number }>()
  for (const { seqs, ...one } of consumes) {
    const of = `${one.meshId}/${one.inbox.memberId}/${Rows.sessionColumn(one.inbox)}`
    for (const seq of seqs) {
      const key = `${of}/${seq}`
      if (!once.has(key)) once.set(key, { ...one, seq })
    }
  }
  const all = [...once.values()].toSorted((one, other) => one.seq - other.seq)
  return [
    placesOf(
      "acked",
      [
        arrays.texts(all.map(({ meshId }) => meshId)),
        arrays.numbers(all.map(({ seq }) => seq)),
        arrays.texts(all.map(({ inbox }) => inbox.memberId)),
        arrays.texts(all.map(({ inbox }) => Rows.sessionColumn(inbox))),
        arrays.numbers(all.map(({ atMillis }) => atMillis)),
        arrays.texts(all.map(({ priority }) => priority)),
        arrays.numbers(all.map(({ inbox, meshId }) => actors.placeOf({ meshId, ...inbox }) ?? null)),
      ],
      ", priority, actor",
      "r.priority",
    ),
    `gone AS (DELETE FROM mesh.waiting WHERE ctid = ANY (ARRAY(SELECT place FROM acked))
      RETURNING ctid AS place, mesh_id, seq, ciphertext IS NULL AS is_shared)`,
    `received AS (INSERT INTO mesh.consumed (mesh_id, bucket, at, expires_at, seqs, members, sessions, ats)
      SELECT mesh_id, seq / ${receiptsTogether}, max(at), max(expires_at), array_agg(seq), array_agg(member_id), array_agg(session_id), array_agg(at)
      FROM acked GROUP BY mesh_id, seq / ${receiptsTogether})`,
    ...lowering("gone"),
  ]
}

/**
 * What was consumed, as an event for each inbox (`Journal.ts`): its text is made here, since only the statement knows what was there. What was passed
 * by is consumed by the next statement. The numbers come in the order in which they were asked for; to sort them here as well took 3 µs a message.
 */
export const consumedRows = `SELECT mesh_id, NULL::bigint AS seq, max(at) AS at, concat('[null,', max(at), ',"messages_consumed",', actor, ',null,null,null,null,',
    count(*), ',[', string_agg(seq::text, ','), ']]') AS event
  FROM acked WHERE (SELECT count(*) FROM acked) = (SELECT count(*) FROM gone) OR place IN (SELECT place FROM gone) GROUP BY mesh_id, actor`

/** Of rows of `mesh.waiting` that have gone: what they shared is needed by so many fewer. */
export const lowering = (gone: string): ReadonlyArray<string> => [
  `fewer AS MATERIALIZED (SELECT g.times, t.place, t.remaining
    FROM (SELECT mesh_id, seq, count(*) AS times FROM ${gone} WHERE is_shared GROUP BY mesh_id, seq) g
    CROSS JOIN LATERAL (SELECT t.ctid AS place, t.remaining FROM mesh.group_text t WHERE t.mesh_id = g.mesh_id AND t.seq = g.seq OFFSET 0) t)`,
  `ended AS (DELETE FROM mesh.group_text WHERE ctid = ANY (ARRAY(SELECT place FROM fewer WHERE remaining <= times))
    RETURNING mesh_id, seq)`,
  `lowered AS (UPDATE mesh.group_text t SET remaining = t.remaining - fewer.times FROM fewer
    WHERE t.ctid = ANY (ARRAY(SELECT place FROM fewer WHERE remaining > times)) AND t.ctid = fewer.place)`,
]

/** Leased at a time, or no more: what was said last of each delivery. What a dropped one has left its mark on (0) may have been shown for good. */
export const leasing = (arrays: Arrays, leases: ReadonlyArray<OfLease>): ReadonlyArray<string> => {
  const last = new Map(
    leases.flatMap((one) =>
      one.deliveries.map(({ inbox, seq }) => {
        const session = Rows.sessionColumn(inbox)
        const at = one._tag === "Lease" ? one.atMillis : null
        const row = { mesh: one.meshId, seq, member: inbox.memberId, session, at }
        return [`${Rows.seqKey(one.meshId, seq)}/${inbox.memberId}/${session}`, row] as const
      }),
    ),
  )
  const words = [...last.values()]
  return [
    // What is leased does not say its priority.
    placesOf(
      "shown",
      [
        arrays.texts(words.map(({ mesh }) => mesh)),
        arrays.numbers(words.map(({ seq }) => seq)),
        arrays.texts(words.map(({ member }) => member)),
        arrays.texts(words.map(({ session }) => session)),
        arrays.numbers(words.map(({ at }) => at)),
      ],
      "",
      "'now', 'next', 'low'",
    ),
    // A join would go through all of them for each.
    `leased AS (UPDATE mesh.waiting w SET leased_at = CASE WHEN w.leased_at = 0 THEN 0
        ELSE ((SELECT jsonb_object_agg(place::text, at) FROM shown) ->> w.ctid::text)::bigint END
      WHERE w.ctid = ANY (ARRAY(SELECT place FROM shown)) RETURNING w.seq)`,
  ]
}
