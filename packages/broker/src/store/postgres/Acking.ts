/** Acks and leases, as parts of one statement. An ack takes the row with its text, and leaves a receipt; a shared text goes with the last of them (I8). */
import type { Write } from "../MessageStore.ts"
import * as Rows from "../sql/Rows.ts"
import type { Actors } from "./Journal.ts"
import { owned, rowsOf } from "./Accepting.ts"
import type { Arrays } from "./Arrays.ts"
import { receiptsTogether } from "./Layout.ts"

export type Consume = Extract<Write, { readonly _tag: "Consume" }>
export type OfLease = Extract<Write, { readonly _tag: "Lease" | "Release" }>

/** Acks of one inbox, priority and time, in the order of their numbers. */
type Run = Omit<Consume, "seqs"> & { readonly seqs: Array<number> }

/** One statement takes a row once: said again it counts for nothing. */
const runsOf = (consumes: ReadonlyArray<Consume>): ReadonlyArray<Run> => {
  const [runs, taken] = [new Map<string, Run>(), new Map<string, Set<number>>()]
  for (const { seqs, ...one } of consumes) {
    const inbox = `${one.meshId}/${one.inbox.memberId}/${Rows.sessionColumn(one.inbox)}/${one.priority}`
    const key = `${inbox}/${one.atMillis}`
    const [run, of] = [runs.get(key) ?? { ...one, seqs: [] }, taken.get(inbox) ?? new Set<number>()]
    for (const seq of seqs) {
      if (of.has(seq)) continue
      of.add(seq)
      run.seqs.push(seq)
    }
    runs.set(key, run)
    taken.set(inbox, of)
  }
  const found = [...runs.values()].filter(({ seqs }) => seqs.length > 0)
  for (const { seqs } of found) seqs.sort((one, other) => one - other)
  return found.toSorted((one, other) => (one.seqs[0] ?? 0) - (other.seqs[0] ?? 0))
}

export const consuming = (arrays: Arrays, actors: Actors, consumes: ReadonlyArray<Consume>): ReadonlyArray<string> => {
  const runs = runsOf(consumes)
  const { names, rows } = rowsOf({
    mesh_id: arrays.texts(runs.map(({ meshId }) => meshId)),
    // An array of arrays has to be as long in each row: they are texts, which are read as arrays there.
    seqs: arrays.texts(runs.map(({ seqs }) => `{${seqs.join(",")}}`)),
    member_id: arrays.texts(runs.map(({ inbox }) => inbox.memberId)),
    session_id: arrays.texts(runs.map(({ inbox }) => Rows.sessionColumn(inbox))),
    at: arrays.numbers(runs.map(({ atMillis }) => atMillis)),
    priority: arrays.texts(runs.map(({ priority }) => priority)),
    actor: arrays.numbers(runs.map(({ inbox, meshId }) => actors.placeOf({ meshId, ...inbox }) ?? null)),
  })
  return [
    // The numbers of an inbox are mostly a run: one search of the index finds all of them, where one for each took a third more.
    `acked AS MATERIALIZED (SELECT ${names.replace("seqs", "d.seq")}, d.place, d.expires_at FROM ${rows}
      CROSS JOIN LATERAL (SELECT w.seq, w.ctid AS place, w.expires_at FROM mesh.waiting w WHERE w.mesh_id = r.mesh_id AND w.member_id = r.member_id
        AND w.session_id = r.session_id AND w.priority = r.priority AND w.seq = ANY (r.seqs::bigint[]) OFFSET 0) d WHERE ${owned})`,
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
  const { rows } = rowsOf({
    mesh_id: arrays.texts(words.map(({ mesh }) => mesh)),
    seq: arrays.numbers(words.map(({ seq }) => seq)),
    member_id: arrays.texts(words.map(({ member }) => member)),
    session_id: arrays.texts(words.map(({ session }) => session)),
    at: arrays.numbers(words.map(({ at }) => at)),
  })
  return [
    // What is leased does not say its priority.
    `shown AS MATERIALIZED (SELECT r.at, d.place FROM ${rows}
      CROSS JOIN LATERAL (SELECT w.ctid AS place FROM mesh.waiting w WHERE w.mesh_id = r.mesh_id AND w.member_id = r.member_id
        AND w.session_id = r.session_id AND w.priority IN ('now', 'next', 'low') AND w.seq = r.seq OFFSET 0) d WHERE ${owned})`,
    // A join would go through all of them for each.
    `leased AS (UPDATE mesh.waiting w SET leased_at = CASE WHEN w.leased_at = 0 THEN 0
        ELSE ((SELECT jsonb_object_agg(place::text, at) FROM shown) ->> w.ctid::text)::bigint END
      WHERE w.ctid = ANY (ARRAY(SELECT place FROM shown)) RETURNING w.seq)`,
  ]
}
