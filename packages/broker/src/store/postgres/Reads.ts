/** What is read of the store: what an owner begins with, pages of an inbox, and what became of a message. */
import type { MeshId, MessageId } from "@claudemesh/domain/Ids"
import { Effect, Option } from "effect"
import type { SqlClient } from "effect/unstable/sql"
import type { DeliveryKey, InboxAddress, PageRequest } from "../MessageStore.ts"
import { inviteColumns, memberColumns, movedColumns, revocationColumns } from "../sql/Columns.ts"
import { canWrite, namesOf } from "../sql/Dialect.ts"
import { Arrays } from "./Arrays.ts"
import { ownersWith } from "./Owners.ts"
import { deliveryReportOf } from "./Reports.ts"
import * as Rows from "../sql/Rows.ts"
import { storeError, type Transaction } from "./Transaction.ts"

export const readsWith = (sql: SqlClient.SqlClient, transaction: Transaction) => {
  return {
    meshExists: (meshId: MeshId) => meshExists(sql, meshId),
    loadMesh: (meshId: MeshId) => transaction(readMesh(sql, meshId)),
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
  const lastSeq = yield* Rows.number(yield* sql`SELECT last_seq AS value FROM mesh.mesh WHERE id = ${meshId}`)
  const waiting = yield* Rows.waiting(
    yield* sql`SELECT member_id, session_id, priority, count(*) AS messages, coalesce(sum(characters), 0)::bigint AS characters
      FROM mesh.waiting WHERE mesh_id = ${meshId}
      GROUP BY member_id, session_id, priority ORDER BY member_id, session_id, priority`,
  )
  const subscriptions = yield* Rows.subscriptions(
    yield* sql`SELECT member_id, session_id, channel FROM mesh.channel_subscription
      WHERE mesh_id = ${meshId} ORDER BY member_id, session_id, channel`,
  )
  return Option.some({ mesh, members, invites, revocations, moved, sessions, lastSeq, epoch, subscriptions, waiting })
})

/** Of a message that several wait for, what is the same for all stands in its shared text. */
const ofMessage = [
  "id",
  "sender_member_id",
  "sender_session_id",
  "target_spec",
  "nonce",
  "ciphertext",
  "reply_to",
  "content_hash",
  "created_at",
]

const page = Effect.fnUntraced(function* (sql: SqlClient.SqlClient, request: PageRequest) {
  return Rows.pageOf(
    request,
    yield* sql<Rows.PageRow>`SELECT w.seq, w.expires_at, w.sealed_key, w.leased_at,
        ${sql.literal(ofMessage.map((name) => `coalesce(w.${name}, t.${name}) AS ${name}`).join(", "))}
      FROM (SELECT * FROM mesh.waiting WHERE mesh_id = ${request.meshId} AND member_id = ${request.inbox.memberId}
        AND session_id = ${Rows.sessionColumn(request.inbox)} AND priority = ${request.priority}
        AND seq > ${request.afterSeq} AND expires_at > ${request.nowMillis} ORDER BY seq LIMIT ${request.limit}) w
      LEFT JOIN LATERAL (SELECT * FROM mesh.group_text t
        WHERE w.ciphertext IS NULL AND t.mesh_id = w.mesh_id AND t.seq = w.seq OFFSET 0) t ON true
      ORDER BY w.seq`,
  )
}, Effect.mapError(storeError))

const backlog = Effect.fnUntraced(function* (
  sql: SqlClient.SqlClient,
  meshId: MeshId,
  inboxes: ReadonlyArray<InboxAddress>,
  nowMillis: number,
) {
  const arrays = new Arrays()
  const asked = inboxesOf(arrays, inboxes)
  return yield* Rows.backlog(
    yield* sql.unsafe(
      `SELECT count(*) AS messages, coalesce(sum(w.characters), 0)::bigint AS characters FROM ${asked}
        CROSS JOIN LATERAL (SELECT w.characters FROM mesh.waiting w WHERE w.mesh_id = ${arrays.text(meshId)} AND w.member_id = r.member_id
          AND w.session_id = r.session_id AND w.expires_at > ${arrays.number(nowMillis)} OFFSET 0) w`,
      arrays.parameters,
    ),
  )
}, Effect.mapError(storeError))

const inboxesOf = (arrays: Arrays, inboxes: ReadonlyArray<InboxAddress>): string =>
  `unnest(${arrays.texts(inboxes.map(({ memberId }) => memberId))}, ${arrays.texts(inboxes.map(Rows.sessionColumn))}) AS r(member_id, session_id)`

const countWaiting = Effect.fnUntraced(function* (
  sql: SqlClient.SqlClient,
  meshId: MeshId,
  inboxes: ReadonlyArray<InboxAddress>,
  except: ReadonlyArray<DeliveryKey>,
  nowMillis: number,
) {
  const arrays = new Arrays()
  const [mesh, now] = [arrays.text(meshId), arrays.number(nowMillis)]
  const asked = inboxesOf(arrays, inboxes)
  const left = `unnest(${arrays.texts(except.map(({ inbox }) => inbox.memberId))},
    ${arrays.texts(except.map(({ inbox }) => Rows.sessionColumn(inbox)))}, ${arrays.numbers(except.map(({ seq }) => seq))}) AS r(member_id, session_id, seq)`
  const waits = `SELECT 1 FROM mesh.waiting w WHERE w.mesh_id = ${mesh} AND w.member_id = r.member_id AND w.session_id = r.session_id
    AND w.expires_at > ${now}`
  // Taken away from the sum, and each found by its key: to look for each of the inbox's in the list takes forever.
  return yield* Rows.counts(
    yield* sql.unsafe(
      `SELECT member_id, session_id, sum(one) AS messages FROM (
          SELECT r.member_id, r.session_id, 1 AS one FROM ${asked} CROSS JOIN LATERAL (${waits} OFFSET 0) w
          UNION ALL
          SELECT r.member_id, r.session_id, -1 AS one FROM ${left}
            CROSS JOIN LATERAL (${waits} AND w.priority IN ('now', 'next', 'low') AND w.seq = r.seq OFFSET 0) w
        ) AS o GROUP BY member_id, session_id HAVING sum(one) > 0`,
      arrays.parameters,
    ),
  )
}, Effect.mapError(storeError))
