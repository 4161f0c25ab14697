/**
 * The batch that there is nearly always, as one statement: messages that are accepted, acks and leases, and the epochs of
 * their meshes. One statement is one turn to the server, and a transaction by itself. Rows are given as arrays, one for each
 * column. What is here reads nothing that the same statement writes, since a statement sees what was there before it;
 * what would is written by the statements of `Batch.ts`, one after the other.
 *
 * Rows are found by an index first and then taken by their place: of a join the database thinks as the table was when the
 * statement was prepared, which is when it was empty.
 */
import { decodedBytes } from "@claudemesh/domain/Base64"
import { Effect } from "effect"
import type { SqlClient, SqlError } from "effect/unstable/sql"
import { type OwnedWrite, StoreError, type Write, Written } from "../MessageStore.ts"
import * as Rows from "../sql/Rows.ts"
import { firstResults } from "./AcceptWrites.ts"
import { Arrays } from "./Arrays.ts"
import { lastWords } from "./DeliveryWrites.ts"
import { fencedUnless, epochsOf, holdMeshes } from "./Owners.ts"

type Of<Tag extends Write["_tag"]> = Extract<Write, { readonly _tag: Tag }>

interface Parts {
  readonly accepts: ReadonlyArray<Of<"Accept">>
  readonly consumes: ReadonlyArray<Of<"Consume">>
  readonly leases: ReadonlyArray<Of<"Lease" | "Release">>
}

/** Undefined: something in it is of another kind, or about something else in it. */
const partsOf = (batch: ReadonlyArray<OwnedWrite>): Parts | undefined => {
  const accepts: Array<Of<"Accept">> = []
  const consumes: Array<Of<"Consume">> = []
  const leases: Array<Of<"Lease" | "Release">> = []
  for (const { write } of batch) {
    if (write._tag === "Accept") accepts.push(write)
    else if (write._tag === "Consume") consumes.push(write)
    else if (write._tag === "Lease" || write._tag === "Release") leases.push(write)
    else return undefined
  }
  const isApart =
    accepts.length === 0 || (consumes.length === 0 && leases.length === 0) || areApart(accepts, consumes, leases)
  // An ack that is leased in the same batch would be written twice by one statement.
  return isApart && (consumes.length === 0 || leases.length === 0) ? { accepts, consumes, leases } : undefined
}

const areApart = (accepts: Parts["accepts"], consumes: Parts["consumes"], leases: Parts["leases"]): boolean => {
  const accepted = new Set(accepts.map(({ message }) => Rows.seqKey(message.meshId, message.seq)))
  return (
    !consumes.some(({ meshId, seq }) => accepted.has(Rows.seqKey(meshId, seq))) &&
    !leases.some(({ deliveries, meshId }) => deliveries.some(({ seq }) => accepted.has(Rows.seqKey(meshId, seq))))
  )
}

/** `afterwards`: writes that are statements of their own. */
export const oneStatementWith =
  (sql: SqlClient.SqlClient, afterwards: Afterwards) => (batch: ReadonlyArray<OwnedWrite>) => {
    const parts = partsOf(batch)
    return parts && written(sql, batch, parts, afterwards)
  }

type Afterwards = (batch: ReadonlyArray<Write>) => Effect.Effect<unknown, SqlError.SqlError | StoreError>

const written = Effect.fnUntraced(function* (
  sql: SqlClient.SqlClient,
  batch: ReadonlyArray<OwnedWrite>,
  parts: Parts,
  afterwards: Afterwards,
) {
  const { accepts, consumes, leases } = parts
  const arrays = new Arrays()
  const epochs = epochsOf(batch)
  const steps = [holdMeshes(arrays, epochs)]
  if (accepts.length > 0) steps.push(...accepting(arrays, accepts))
  if (consumes.length > 0) steps.push(...consuming(arrays, consumes))
  if (leases.length > 0) steps.push(...leasing(arrays, leases))
  const passed = [
    consumes.length === 0 ? "0" : "(SELECT count(*) FROM acked) - (SELECT count(*) FROM consumed)",
    leases.length === 0 ? "0" : "(SELECT count(*) FROM shown) - (SELECT count(*) FROM leased)",
  ].join(" + ")
  const outcome = `SELECT held.stale, ${passed} AS passed_by, ${
    accepts.length === 0
      ? "NULL AS mesh_id, NULL AS seq FROM held"
      : "accepted.mesh_id, accepted.seq FROM held LEFT JOIN accepted ON true"
  }`
  const rows = yield* sql.unsafe(`WITH ${steps.join(",\n")}\n${outcome}`, arrays.parameters)
  const { inserted, passedBy, stale } = yield* Rows.ofStatement(rows)
  yield* fencedUnless(stale === 0, epochs)
  // Somebody else, the retention sweep, has written to one of them between it was found and taken: it has another place.
  if (passedBy > 0) yield* afterwards([...consumes, ...leases])
  const isNew = ({ message }: Of<"Accept">) => inserted.has(Rows.seqKey(message.meshId, message.seq))
  const known = accepts.filter((one) => !isNew(one)).map(({ message }) => message.messageId)
  const first = known.length === 0 ? undefined : yield* firstResults(sql, new Set(known))
  // Whoever asks again is told that it is new.
  if (known.some((id) => first?.get(id) === undefined)) return yield* Effect.fail(removedMeanwhile)
  return batch.map(({ write }): Written => {
    if (write._tag !== "Accept" || isNew(write)) return Written.Done()
    return first?.get(write.message.messageId) ?? Written.Done()
  })
})

const removedMeanwhile = new StoreError({
  reason: "unavailable",
  cause: "a message that was known had its time over just now",
})

/** Nothing is written where a mesh has a later owner. */
const owned = "(SELECT stale FROM held) = 0"

const accepting = (arrays: Arrays, accepts: Parts["accepts"]): ReadonlyArray<string> => {
  const texts = (of: (accept: Of<"Accept">) => string | null | undefined) => arrays.texts(accepts.map(of))
  const numbers = (of: (accept: Of<"Accept">) => number) => arrays.numbers(accepts.map(of))
  const columns = {
    mesh_id: texts(({ message }) => message.meshId),
    seq: numbers(({ message }) => message.seq),
    id: texts(({ message }) => message.messageId),
    sender_member_id: texts(({ message }) => message.senderMemberId),
    sender_session_id: texts(({ message }) => message.senderSession),
    target_spec: texts(({ message }) => message.targetSpec),
    priority: texts(({ message }) => message.priority),
    nonce: texts(({ message }) => message.nonce),
    // Nobody would ever erase what nobody gets.
    ciphertext: texts(({ message, recipients }) => (recipients.length === 0 ? "" : message.ciphertext)),
    reply_to: texts(({ message }) => message.replyTo),
    content_hash: texts(({ message }) => message.contentHash),
    created_at: numbers(({ message }) => message.createdAtMillis),
    expires_at: numbers(({ message }) => message.expiresAtMillis),
  }
  const names = Object.keys(columns).join(", ")
  const audited = {
    bytes: numbers(({ message }) => decodedBytes(message.ciphertext)),
    recipients: numbers(({ recipients }) => recipients.length),
  }
  const { created_at, id, mesh_id, priority, sender_member_id, sender_session_id, seq, target_spec } = columns
  const deliveries = accepts.flatMap(({ message, recipients }) => recipients.map((one) => ({ message, ...one })))
  const delivered = {
    mesh_id: arrays.texts(deliveries.map(({ message }) => message.meshId)),
    seq: arrays.numbers(deliveries.map(({ message }) => message.seq)),
    member_id: arrays.texts(deliveries.map(({ inbox }) => inbox.memberId)),
    session_id: arrays.texts(deliveries.map(({ inbox }) => Rows.sessionColumn(inbox))),
    priority: arrays.texts(deliveries.map(({ message }) => message.priority)),
    sealed_key: arrays.texts(deliveries.map(({ sealedKey }) => sealedKey)),
  }
  const deliveryNames = Object.keys(delivered).join(", ")
  // Nearly always all are. Behind an OR the list is looked up in a hash; else it would be gone through for each row.
  const isNew = `((SELECT count(*) FROM accepted) = ${arrays.number(accepts.length)} OR (r.mesh_id, r.seq) IN (SELECT mesh_id, seq FROM accepted))`
  return [
    // In the order of the sequence, so that the first of two sends with one id is the one that counts.
    `accepted AS (INSERT INTO mesh.message (${names})
      SELECT ${names} FROM unnest(${Object.values(columns).join(", ")}) AS r(${names}) WHERE ${owned} ORDER BY seq
      ON CONFLICT (id) DO NOTHING RETURNING mesh_id, seq)`,
    `delivered AS (INSERT INTO mesh.delivery (${deliveryNames})
      SELECT ${deliveryNames} FROM unnest(${Object.values(delivered).join(", ")}) AS r(${deliveryNames})
      WHERE ${isNew})`,
    `audited AS (INSERT INTO mesh.audit_log (mesh_id, seq, event, at, actor_member_id, actor_session_id, message_id,
        target_spec, priority, ciphertext_bytes, recipients)
      SELECT mesh_id, seq, 'message_accepted', at, member, session, id, target_spec, priority, bytes, recipients
      FROM unnest(${[mesh_id, seq, created_at, sender_member_id, sender_session_id, id, target_spec, priority, audited.bytes, audited.recipients].join(", ")})
        AS r(mesh_id, seq, at, member, session, id, target_spec, priority, bytes, recipients)
      WHERE ${isNew})`,
  ]
}

/** What has to be found of deliveries, each with a time: `r` is what is asked for, `place` where it is. */
const placesOf = (name: string, table: string): string =>
  `${name} AS MATERIALIZED (SELECT r.at, d.place FROM ${table} AS r(mesh_id, seq, member_id, session_id, at)
    CROSS JOIN LATERAL (SELECT d.ctid AS place FROM mesh.delivery d WHERE d.mesh_id = r.mesh_id AND d.seq = r.seq
      AND d.member_id = r.member_id AND d.session_id = r.session_id AND d.consumed_at IS NULL OFFSET 0) d WHERE ${owned})`

const consuming = (arrays: Arrays, consumes: Parts["consumes"]): ReadonlyArray<string> => {
  // One statement writes a row once.
  const once = [
    ...new Map(
      consumes.map((one) => [
        `${Rows.seqKey(one.meshId, one.seq)}/${one.inbox.memberId}/${Rows.sessionColumn(one.inbox)}`,
        one,
      ]),
    ).values(),
  ]
  const asked = [
    arrays.texts(once.map(({ meshId }) => meshId)),
    arrays.numbers(once.map(({ seq }) => seq)),
    arrays.texts(once.map(({ inbox }) => inbox.memberId)),
    arrays.texts(once.map(({ inbox }) => Rows.sessionColumn(inbox))),
    arrays.numbers(once.map(({ atMillis }) => atMillis)),
  ]
  return [
    placesOf("acked", `unnest(${asked.join(", ")})`),
    `consumed AS (UPDATE mesh.delivery d SET consumed_at = acked.at, sealed_key = NULL FROM acked
      WHERE d.ctid = ANY (ARRAY(SELECT place FROM acked)) AND d.ctid = acked.place RETURNING d.mesh_id, d.seq, d.member_id, d.session_id)`,
    // With its last recipient a message's ciphertext goes; what is left is its metadata.
    // So many waited as this statement began.
    `erased AS (UPDATE mesh.message SET ciphertext = '' WHERE ctid = ANY (ARRAY(
      SELECT m.place FROM (SELECT mesh_id, seq, count(*) AS times FROM consumed GROUP BY mesh_id, seq) c
      CROSS JOIN LATERAL (SELECT m.ctid AS place FROM mesh.message m WHERE m.mesh_id = c.mesh_id AND m.seq = c.seq OFFSET 0) m
      WHERE c.times = (SELECT count(*) FROM mesh.delivery d
        WHERE d.mesh_id = c.mesh_id AND d.seq = c.seq AND d.consumed_at IS NULL))))`,
  ]
}

const leasing = (arrays: Arrays, leases: Parts["leases"]): ReadonlyArray<string> => {
  const words = lastWords(leases)
  const asked = [
    arrays.texts(words.map((word) => word.mesh_id)),
    arrays.numbers(words.map((word) => word.seq)),
    arrays.texts(words.map((word) => word.member_id)),
    arrays.texts(words.map((word) => word.session_id)),
    arrays.numbers(words.map((word) => word.at)),
  ]
  return [
    placesOf("shown", `unnest(${asked.join(", ")})`),
    `leased AS (UPDATE mesh.delivery d SET leased_at = CASE WHEN d.leased_at = ${Rows.leasedForGood} THEN d.leased_at ELSE shown.at END
      FROM shown WHERE d.ctid = ANY (ARRAY(SELECT place FROM shown)) AND d.ctid = shown.place
      RETURNING d.seq)`,
  ]
}
