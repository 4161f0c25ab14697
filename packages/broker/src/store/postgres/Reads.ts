/** What is read of the store: what an owner begins with, pages of an inbox, and what became of a message. */
import type { MeshId, MessageId } from "@claudemesh/domain/Ids"
import { Effect, Option } from "effect"
import type { SqlClient } from "effect/unstable/sql"
import type { DeliveryKey, InboxAddress, PageRequest } from "../MessageStore.ts"
import { inviteColumns, memberColumns, messageColumns, movedColumns, revocationColumns } from "../sql/Columns.ts"
import { canWrite, namesOf, records } from "../sql/Dialect.ts"
import { ownersWith } from "./Owners.ts"
import * as Rows from "../sql/Rows.ts"
import { storeError, type Transaction } from "./Transaction.ts"

export const readsWith = (sql: SqlClient.SqlClient, transaction: Transaction) => {
  const owners = ownersWith(sql)
  return {
    meshExists: (meshId: MeshId) => meshExists(sql, meshId),
    loadMesh: (meshId: MeshId) => Effect.andThen(owners.beforeLoad(meshId), transaction(readMesh(sql, meshId))),
    page: (request: PageRequest) => page(sql, request),
    backlog: (meshId: MeshId, inboxes: ReadonlyArray<InboxAddress>, nowMillis: number) =>
      backlog(sql, meshId, inboxes, nowMillis),
    countWaiting: (
      meshId: MeshId,
      inboxes: ReadonlyArray<InboxAddress>,
      except: ReadonlyArray<DeliveryKey>,
      nowMillis: number,
    ) => countWaiting(sql, meshId, inboxes, except, nowMillis),
    deliveryReportOf: (meshId: MeshId, messageId: MessageId) => deliveryReportOf(sql, meshId, messageId),
    ping: sql`SELECT max(migration_id) FROM mesh.migration`.pipe(Effect.asVoid, Effect.mapError(storeError)),
    probe: canWrite(sql).pipe(Effect.mapError(storeError)),
  }
}

const meshExists = (sql: SqlClient.SqlClient, meshId: MeshId) =>
  sql`SELECT 1 FROM mesh.mesh WHERE id = ${meshId}`.pipe(
    Effect.map((found) => found.length > 0),
    Effect.mapError(storeError),
  )

/** In one transaction, while nobody else writes to the mesh: all of it is of one moment, and no commit is still on its way. */
const readMesh = Effect.fnUntraced(function* (sql: SqlClient.SqlClient, meshId: MeshId) {
  yield* ownersWith(sql).takeOver(meshId)
  const [mesh] = yield* Rows.meshes(
    yield* sql`SELECT id, slug, name, owner_public_key, allow_unsealed FROM mesh.mesh WHERE id = ${meshId}`,
  )
  if (mesh === undefined) return Option.none()
  const members = yield* Rows.members(
    yield* sql`SELECT ${namesOf(sql, memberColumns)} FROM mesh.member
      WHERE mesh_id = ${meshId} ORDER BY id`,
  )
  const invites = yield* Rows.invites(
    yield* sql`SELECT ${namesOf(sql, inviteColumns)} FROM mesh.invite
      WHERE mesh_id = ${meshId} ORDER BY expires_millis, public_key`,
  )
  const revocations = yield* Rows.revocations(
    yield* sql`SELECT ${namesOf(sql, revocationColumns)} FROM mesh.revocation
      WHERE mesh_id = ${meshId} ORDER BY version`,
  )
  const [moved] = yield* Rows.moves(
    yield* sql`SELECT ${namesOf(sql, movedColumns)} FROM mesh.moved
      WHERE mesh_id = ${meshId} ORDER BY version DESC LIMIT 1`,
  )
  const sessions = yield* Rows.sessions(
    yield* sql`SELECT member_id, session_id, protocol, attached_at, detached_at FROM mesh.session
      WHERE mesh_id = ${meshId} ORDER BY member_id, session_id`,
  )
  const epoch = yield* Rows.number(yield* sql`SELECT owner_epoch AS value FROM mesh.mesh WHERE id = ${meshId}`)
  const lastSeq = yield* Rows.number(
    yield* sql`SELECT coalesce(max(seq), 0) AS value FROM mesh.audit_log WHERE mesh_id = ${meshId}`,
  )
  const waiting = yield* Rows.waiting(
    yield* sql`SELECT d.member_id, d.session_id, d.priority, count(*) AS messages,
        coalesce(sum(octet_length(m.ciphertext)), 0) AS characters
      FROM mesh.delivery d JOIN mesh.message m ON m.mesh_id = d.mesh_id AND m.seq = d.seq
      WHERE d.mesh_id = ${meshId} AND d.consumed_at IS NULL AND m.ciphertext <> ''
      GROUP BY d.member_id, d.session_id, d.priority ORDER BY d.member_id, d.session_id, d.priority`,
  )
  const subscriptions = yield* Rows.subscriptions(
    yield* sql`SELECT member_id, session_id, channel FROM mesh.channel_subscription
      WHERE mesh_id = ${meshId} ORDER BY member_id, session_id, channel`,
  )
  return Option.some({ mesh, members, invites, revocations, moved, sessions, lastSeq, epoch, subscriptions, waiting })
})

const page = Effect.fnUntraced(function* (sql: SqlClient.SqlClient, request: PageRequest) {
  return yield* Rows.messages(
    yield* sql`SELECT ${sql.literal(
      Object.keys(messageColumns)
        .map((name) => `m.${name}`)
        .join(", "),
    )}, d.sealed_key, d.leased_at
      FROM mesh.delivery d JOIN mesh.message m ON m.mesh_id = d.mesh_id AND m.seq = d.seq
      WHERE d.mesh_id = ${request.meshId} AND d.member_id = ${request.inbox.memberId}
        AND d.session_id = ${Rows.sessionColumn(request.inbox)} AND d.priority = ${request.priority}
        AND d.seq > ${request.afterSeq} AND d.consumed_at IS NULL AND m.expires_at > ${request.nowMillis} AND m.ciphertext <> ''
      ORDER BY d.seq LIMIT ${request.limit}`,
  )
}, Effect.mapError(storeError))

const backlog = Effect.fnUntraced(function* (
  sql: SqlClient.SqlClient,
  meshId: MeshId,
  inboxes: ReadonlyArray<InboxAddress>,
  nowMillis: number,
) {
  // CROSS JOIN has SQLite begin with the inboxes asked for, and not with all that waits in the mesh.
  return yield* Rows.backlog(
    yield* sql`SELECT count(*) AS messages, coalesce(sum(octet_length(m.ciphertext)), 0) AS characters
      FROM ${records(
        sql,
        inboxes.map((inbox) => ({ member_id: inbox.memberId, session_id: Rows.sessionColumn(inbox) })),
        { member_id: "text", session_id: "text" },
      )}
      CROSS JOIN mesh.delivery d CROSS JOIN mesh.message m
      WHERE d.mesh_id = ${meshId} AND d.member_id = r.member_id AND d.session_id = r.session_id
        AND d.consumed_at IS NULL AND m.mesh_id = d.mesh_id AND m.seq = d.seq AND m.expires_at > ${nowMillis}`,
  )
}, Effect.mapError(storeError))

const countWaiting = Effect.fnUntraced(function* (
  sql: SqlClient.SqlClient,
  meshId: MeshId,
  inboxes: ReadonlyArray<InboxAddress>,
  except: ReadonlyArray<DeliveryKey>,
  nowMillis: number,
) {
  const rows = inboxes.map((inbox) => ({ member_id: inbox.memberId, session_id: Rows.sessionColumn(inbox) }))
  const left = except.map(({ inbox, seq }) => ({
    member_id: inbox.memberId,
    session_id: Rows.sessionColumn(inbox),
    seq,
  }))
  const waits = sql`d.mesh_id = ${meshId} AND d.member_id = r.member_id AND d.session_id = r.session_id
    AND d.consumed_at IS NULL AND m.mesh_id = d.mesh_id AND m.seq = d.seq
    AND m.expires_at > ${nowMillis} AND m.ciphertext <> ''`
  const where = { member_id: "text", session_id: "text" } as const
  // Taken away from the sum, and each found by its key: to look for each of the inbox's in the list takes forever.
  return yield* Rows.counts(
    yield* sql`SELECT member_id, session_id, sum(one) AS messages FROM (
        SELECT d.member_id, d.session_id, 1 AS one FROM ${records(sql, rows, where)}
          CROSS JOIN mesh.delivery d CROSS JOIN mesh.message m WHERE ${waits}
        UNION ALL
        SELECT d.member_id, d.session_id, -1 AS one FROM ${records(sql, left, { ...where, seq: "bigint" })}
          CROSS JOIN mesh.delivery d CROSS JOIN mesh.message m WHERE d.seq = r.seq AND ${waits}
      ) AS o GROUP BY member_id, session_id HAVING sum(one) > 0`,
  )
}, Effect.mapError(storeError))

const deliveryReportOf = Effect.fnUntraced(function* (sql: SqlClient.SqlClient, meshId: MeshId, messageId: MessageId) {
  const found = yield* Rows.deliveryReport(
    yield* sql`SELECT m.seq, m.sender_member_id, m.priority, m.expires_at, d.member_id, d.session_id, d.consumed_at
      FROM mesh.message m LEFT JOIN mesh.delivery d ON d.mesh_id = m.mesh_id AND d.seq = m.seq
      WHERE m.id = ${messageId} AND m.mesh_id = ${meshId} ORDER BY d.member_id, d.session_id`,
  )
  return Option.fromUndefinedOr(found)
}, Effect.mapError(storeError))
