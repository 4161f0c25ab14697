/**
 * The one implementation of the store, in SQL that is the same for SQLite and Postgres. A batch takes a fixed
 * number of statements however large it is. Rows are decoded in `Rows.ts`.
 */
import type { MeshId, MessageId } from "@claudemesh/domain/Ids"
import { decodedBytes } from "@claudemesh/domain/Base64"
import { Effect, Equal, Layer, Option } from "effect"
import { SqlClient, SqlError } from "effect/unstable/sql"
import {
  type InboxAddress,
  type MemberRecord,
  type MeshRecord,
  MessageStore,
  type PageRequest,
  StoreError,
  Write,
  Written,
} from "../MessageStore.ts"
import { type Column, endFailedTransaction, isKeyTaken, records } from "./Dialect.ts"
import { retireWith } from "./Retire.ts"
import * as Rows from "./Rows.ts"

type Accept = Extract<Write, { readonly _tag: "Accept" }>

const messageColumns = {
  mesh_id: "text",
  seq: "bigint",
  id: "text",
  sender_member_id: "text",
  sender_session_id: "text",
  target_spec: "text",
  priority: "text",
  nonce: "text",
  ciphertext: "text",
  reply_to: "text",
  content_hash: "text",
  created_at: "bigint",
  expires_at: "bigint",
} as const satisfies Record<string, Column>

const deliveryColumns = {
  mesh_id: "text",
  seq: "bigint",
  member_id: "text",
  session_id: "text",
  priority: "text",
  sealed_key: "text",
} as const satisfies Record<string, Column>

const auditColumns = {
  mesh_id: "text",
  seq: "bigint",
  event: "text",
  at: "bigint",
  actor_member_id: "text",
  actor_session_id: "text",
  message_id: "text",
  target_spec: "text",
  priority: "text",
  ciphertext_bytes: "bigint",
  recipients: "bigint",
} as const satisfies Record<string, Column>

const consumeColumns = {
  mesh_id: "text",
  seq: "bigint",
  member_id: "text",
  session_id: "text",
  at: "bigint",
} as const satisfies Record<string, Column>

const attachColumns = {
  mesh_id: "text",
  member_id: "text",
  session_id: "text",
  protocol: "bigint",
  at: "bigint",
} as const satisfies Record<string, Column>

const detachColumns = {
  mesh_id: "text",
  member_id: "text",
  session_id: "text",
  at: "bigint",
} as const satisfies Record<string, Column>

/** `''` stands for the member's own inbox: a primary key takes no NULL. */
const sessionColumn = (inbox: InboxAddress): string => inbox.session ?? ""

const storeError = (error: SqlError.SqlError): StoreError => {
  const { reason } = error
  if (isKeyTaken(error)) return new StoreError({ reason: "fenced", cause: error })
  // A constraint or a value the database cannot take; everything else may pass by itself.
  const rejected = reason._tag === "ConstraintError" || reason._tag === "SqlSyntaxError"
  return new StoreError({ reason: rejected ? "rejected" : "unavailable", cause: error })
}

export const sqlMessageStore = Layer.effect(
  MessageStore,
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient

    /** A COMMIT or ROLLBACK that fails comes as a defect: what became of the transaction is then not known. */
    const transaction = <A>(body: Effect.Effect<A, SqlError.SqlError>): Effect.Effect<A, StoreError> =>
      sql.withTransaction(body).pipe(
        Effect.mapError(storeError),
        Effect.catchDefect((defect) =>
          SqlError.isSqlError(defect)
            ? Effect.andThen(
                endFailedTransaction(sql),
                Effect.fail(new StoreError({ reason: "unavailable", cause: defect })),
              )
            : Effect.die(defect),
        ),
      )

    /** Inserts the messages whose id is new, each with its deliveries and its audit row. */
    const accept = Effect.fnUntraced(function* (accepts: ReadonlyArray<Accept>) {
      const messages = accepts.map(({ message, recipients }) => ({
        mesh_id: message.meshId,
        seq: message.seq,
        id: message.messageId,
        sender_member_id: message.senderMemberId,
        sender_session_id: message.senderSession,
        target_spec: message.targetSpec,
        priority: message.priority,
        nonce: message.nonce,
        // Nobody would ever erase what nobody gets.
        ciphertext: recipients.length === 0 ? "" : message.ciphertext,
        reply_to: message.replyTo ?? null,
        content_hash: message.contentHash,
        created_at: message.createdAtMillis,
        expires_at: message.expiresAtMillis,
      }))
      const columns = sql.literal(Object.keys(messageColumns).join(", "))
      // Inserting in sequence order makes the first of two sends with one id the one that counts.
      const inserted = yield* Rows.seqs(
        yield* sql`INSERT INTO mesh.message (${columns})
          SELECT ${columns} FROM ${records(sql, messages, messageColumns)} WHERE true ORDER BY seq
          ON CONFLICT (id) DO NOTHING RETURNING mesh_id, seq`,
      )
      const isNew = (accept: Accept) => inserted.has(Rows.seqKey(accept.message.meshId, accept.message.seq))
      const fresh = accepts.filter(isNew)
      if (fresh.length > 0) {
        yield* insert(
          "delivery",
          deliveryColumns,
          fresh.flatMap(({ message, recipients }) =>
            recipients.map(({ inbox, sealedKey }) => ({
              mesh_id: message.meshId,
              seq: message.seq,
              member_id: inbox.memberId,
              session_id: sessionColumn(inbox),
              priority: message.priority,
              sealed_key: sealedKey ?? null,
            })),
          ),
        )
        yield* insert(
          "audit_log",
          auditColumns,
          fresh.map(({ message, recipients }) => ({
            mesh_id: message.meshId,
            seq: message.seq,
            event: "message_accepted",
            at: message.createdAtMillis,
            actor_member_id: message.senderMemberId,
            actor_session_id: message.senderSession,
            message_id: message.messageId,
            target_spec: message.targetSpec,
            priority: message.priority,
            ciphertext_bytes: decodedBytes(message.ciphertext),
            recipients: recipients.length,
          })),
        )
      }
      const duplicates =
        fresh.length === accepts.length
          ? new Map<string, Written>()
          : yield* firstResults(new Set(accepts.filter((one) => !isNew(one)).map((one) => one.message.messageId)))
      // Of several with one id in the batch the first is new, and only the others are duplicates.
      return (one: Accept): Written =>
        isNew(one) ? Written.Done() : (duplicates.get(one.message.messageId) ?? Written.Done())
    })

    const insert = (
      table: string,
      columns: Record<string, Column>,
      values: ReadonlyArray<Readonly<Record<string, string | number | null>>>,
    ) => {
      const names = sql.literal(Object.keys(columns).join(", "))
      return sql`INSERT INTO mesh.${sql.literal(table)} (${names}) SELECT ${names} FROM ${records(sql, values, columns)}`
    }

    const firstResults = Effect.fnUntraced(function* (messageIds: ReadonlySet<string>) {
      const found = yield* Rows.accepted(
        yield* sql`SELECT m.id, m.content_hash, d.member_id, d.consumed_at
          FROM ${records(
            sql,
            [...messageIds].map((id) => ({ id })),
            { id: "text" },
          )}
          JOIN mesh.message m ON m.id = r.id
          LEFT JOIN mesh.delivery d ON d.mesh_id = m.mesh_id AND d.seq = m.seq`,
      )
      const results = new Map<string, Extract<Written, { readonly _tag: "Duplicate" }>>()
      for (const row of found) {
        const before = results.get(row.id)?.recipients ?? []
        const recipients =
          row.member_id === null ? before : [...before, { memberId: row.member_id, consumed: row.consumed_at !== null }]
        results.set(row.id, Written.Duplicate({ contentHash: row.content_hash, recipients }))
      }
      return results
    })

    const consume = (values: ReadonlyArray<Extract<Write, { readonly _tag: "Consume" }>>) =>
      sql`UPDATE mesh.delivery SET consumed_at = r.at, sealed_key = NULL
        FROM ${records(
          sql,
          values.map((one) => ({
            mesh_id: one.meshId,
            seq: one.seq,
            member_id: one.inbox.memberId,
            session_id: sessionColumn(one.inbox),
            at: one.atMillis,
          })),
          consumeColumns,
        )}
        WHERE delivery.mesh_id = r.mesh_id AND delivery.seq = r.seq AND delivery.member_id = r.member_id
          AND delivery.session_id = r.session_id AND delivery.consumed_at IS NULL`

    const attach = (values: ReadonlyArray<Extract<Write, { readonly _tag: "SessionAttached" }>>) =>
      sql`INSERT INTO mesh.session (mesh_id, member_id, session_id, protocol, attached_at, detached_at)
        SELECT mesh_id, member_id, session_id, protocol, at, NULL
        FROM ${records(
          sql,
          values.map((one) => ({
            mesh_id: one.meshId,
            member_id: one.memberId,
            session_id: one.session,
            protocol: one.protocol,
            at: one.atMillis,
          })),
          attachColumns,
        )} WHERE true
        ON CONFLICT (mesh_id, member_id, session_id)
        DO UPDATE SET protocol = excluded.protocol, attached_at = excluded.attached_at, detached_at = NULL`

    const detach = (values: ReadonlyArray<Extract<Write, { readonly _tag: "SessionDetached" }>>) =>
      sql`UPDATE mesh.session SET detached_at = r.at
        FROM ${records(
          sql,
          values.map((one) => ({
            mesh_id: one.meshId,
            member_id: one.memberId,
            session_id: one.session,
            at: one.atMillis,
          })),
          detachColumns,
        )}
        WHERE session.mesh_id = r.mesh_id AND session.member_id = r.member_id AND session.session_id = r.session_id
          AND session.attached_at <= r.at`

    /** With its last recipient a message's ciphertext goes; what is left is its metadata. */
    const eraseConsumed = (values: ReadonlyArray<Extract<Write, { readonly _tag: "Consume" }>>) => {
      // A group message is consumed by many in one batch: it is looked at once.
      const messages = new Map(values.map(({ meshId, seq }) => [Rows.seqKey(meshId, seq), { mesh_id: meshId, seq }]))
      return sql`UPDATE mesh.message SET ciphertext = ''
        FROM ${records(sql, [...messages.values()], { mesh_id: "text", seq: "bigint" })}
        WHERE message.mesh_id = r.mesh_id AND message.seq = r.seq AND NOT EXISTS (
          SELECT 1 FROM mesh.delivery d WHERE d.mesh_id = r.mesh_id AND d.seq = r.seq AND d.consumed_at IS NULL)`
    }

    const moveInboxes = Effect.fnUntraced(function* (
      values: ReadonlyArray<Extract<Write, { readonly _tag: "InboxMoved" }>>,
    ) {
      const moved = records(
        sql,
        values.map((one) => ({
          mesh_id: one.meshId,
          member_id: one.memberId,
          session_id: one.session,
          only_groups: one.what === "groups" ? 1 : 0,
        })),
        { mesh_id: "text", member_id: "text", session_id: "text", only_groups: "bigint" },
      )
      const toGroup = sql.literal("(m.target_spec = '*' OR m.target_spec LIKE '#%' OR m.target_spec LIKE 'tag:%')")
      // What the member has already: it sent it, or another of its inboxes has it. Of two that move, one stays.
      yield* sql`DELETE FROM mesh.delivery WHERE consumed_at IS NULL AND EXISTS (
        SELECT 1 FROM ${moved} JOIN mesh.message m ON m.mesh_id = r.mesh_id
        WHERE r.mesh_id = delivery.mesh_id AND r.member_id = delivery.member_id AND r.session_id = delivery.session_id
          AND m.seq = delivery.seq AND (r.only_groups = 0 OR ${toGroup})
          AND ((m.sender_member_id = r.member_id AND ${toGroup}) OR EXISTS (
            SELECT 1 FROM mesh.delivery o
            WHERE o.mesh_id = delivery.mesh_id AND o.seq = delivery.seq AND o.member_id = delivery.member_id
              AND o.session_id <> delivery.session_id
              AND (o.consumed_at IS NOT NULL OR o.session_id < delivery.session_id OR NOT EXISTS (
                SELECT 1 FROM ${moved} WHERE r.mesh_id = o.mesh_id AND r.member_id = o.member_id
                  AND r.session_id = o.session_id)))))`
      yield* sql`UPDATE mesh.delivery SET session_id = '' WHERE consumed_at IS NULL AND EXISTS (
        SELECT 1 FROM ${moved} JOIN mesh.message m ON m.mesh_id = r.mesh_id
        WHERE r.mesh_id = delivery.mesh_id AND r.member_id = delivery.member_id AND r.session_id = delivery.session_id
          AND m.seq = delivery.seq AND (r.only_groups = 0 OR ${toGroup}))`
    })

    const joinChannels = (values: ReadonlyArray<Extract<Write, { readonly _tag: "ChannelJoined" }>>) =>
      sql`INSERT INTO mesh.channel_subscription (mesh_id, member_id, session_id, channel, joined_at)
        SELECT mesh_id, member_id, session_id, channel, at
        FROM ${records(
          sql,
          values.map((one) => ({
            mesh_id: one.meshId,
            member_id: one.memberId,
            session_id: one.session,
            channel: one.channel,
            at: one.atMillis,
          })),
          { mesh_id: "text", member_id: "text", session_id: "text", channel: "text", at: "bigint" },
        )} WHERE true
        ON CONFLICT (mesh_id, member_id, session_id, channel) DO NOTHING`

    const leaveChannels = (values: ReadonlyArray<Extract<Write, { readonly _tag: "ChannelLeft" }>>) =>
      sql`DELETE FROM mesh.channel_subscription WHERE EXISTS (
        SELECT 1 FROM ${records(
          sql,
          values.map((one) => ({
            mesh_id: one.meshId,
            member_id: one.memberId,
            session_id: one.session,
            channel: one.channel,
          })),
          { mesh_id: "text", member_id: "text", session_id: "text", channel: "text" },
        )}
        WHERE r.mesh_id = channel_subscription.mesh_id AND r.member_id = channel_subscription.member_id
          AND r.session_id = channel_subscription.session_id AND r.channel = channel_subscription.channel)`

    /** The last word of each session on each channel in the batch. */
    const channelsAtTheEnd = (batch: ReadonlyArray<Write>) => {
      const last = new Map<string, Extract<Write, { readonly _tag: "ChannelJoined" | "ChannelLeft" }>>()
      for (const write of batch) {
        if (write._tag !== "ChannelJoined" && write._tag !== "ChannelLeft") continue
        last.set(`${write.meshId}/${write.memberId}/${write.session}#${write.channel}`, write)
      }
      const all = [...last.values()]
      return { joined: all.filter(Write.$is("ChannelJoined")), left: all.filter(Write.$is("ChannelLeft")) }
    }

    /**
     * The last attachment of each session in the batch, and the detachment that came after it: one statement cannot
     * write a row twice, and attachments are written first.
     */
    const sessionsAtTheEnd = (batch: ReadonlyArray<Write>) => {
      const attached = new Map<string, Extract<Write, { readonly _tag: "SessionAttached" }>>()
      const detached = new Map<string, Extract<Write, { readonly _tag: "SessionDetached" }>>()
      for (const write of batch) {
        if (write._tag !== "SessionAttached" && write._tag !== "SessionDetached") continue
        const key = `${write.meshId}/${write.memberId}/${write.session}`
        if (write._tag === "SessionDetached") detached.set(key, write)
        else {
          attached.set(key, write)
          detached.delete(key)
        }
      }
      return { attached: [...attached.values()], detached: [...detached.values()] }
    }

    const commit = Effect.fnUntraced(function* (batch: ReadonlyArray<Write>) {
      const accepts = batch.filter(Write.$is("Accept"))
      const consumes = batch.filter(Write.$is("Consume"))
      const moved = batch.filter(Write.$is("InboxMoved"))
      const { attached, detached } = sessionsAtTheEnd(batch)
      const { joined, left } = channelsAtTheEnd(batch)
      const outcome = accepts.length === 0 ? undefined : yield* accept(accepts)
      if (consumes.length > 0) {
        yield* consume(consumes)
        yield* eraseConsumed(consumes)
      }
      if (moved.length > 0) yield* moveInboxes(moved)
      if (attached.length > 0) yield* attach(attached)
      if (detached.length > 0) yield* detach(detached)
      if (joined.length > 0) yield* joinChannels(joined)
      if (left.length > 0) yield* leaveChannels(left)
      return batch.map((write) => (write._tag === "Accept" && outcome ? outcome(write) : Written.Done()))
    }, transaction)

    const meshExists = (meshId: MeshId) =>
      sql`SELECT 1 FROM mesh.mesh WHERE id = ${meshId}`.pipe(
        Effect.map((found) => found.length > 0),
        Effect.mapError(storeError),
      )

    const loadMesh = Effect.fnUntraced(function* (meshId: MeshId) {
      const [mesh] = yield* Rows.meshes(
        yield* sql`SELECT id, slug, name, owner_public_key, allow_unsealed FROM mesh.mesh WHERE id = ${meshId}`,
      )
      if (mesh === undefined) return Option.none()
      const members = yield* Rows.members(
        yield* sql`SELECT id, public_key, display_name FROM mesh.member WHERE mesh_id = ${meshId} ORDER BY id`,
      )
      const sessions = yield* Rows.sessions(
        yield* sql`SELECT member_id, session_id, protocol, attached_at, detached_at FROM mesh.session
          WHERE mesh_id = ${meshId} ORDER BY member_id, session_id`,
      )
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
      return Option.some({ mesh, members, sessions, lastSeq, subscriptions, waiting })
    }, Effect.mapError(storeError))

    const page = Effect.fnUntraced(function* (request: PageRequest) {
      return yield* Rows.messages(
        yield* sql`SELECT ${sql.literal(
          Object.keys(messageColumns)
            .map((name) => `m.${name}`)
            .join(", "),
        )}, d.sealed_key
          FROM mesh.delivery d JOIN mesh.message m ON m.mesh_id = d.mesh_id AND m.seq = d.seq
          WHERE d.mesh_id = ${request.meshId} AND d.member_id = ${request.inbox.memberId}
            AND d.session_id = ${sessionColumn(request.inbox)} AND d.priority = ${request.priority}
            AND d.seq > ${request.afterSeq} AND d.consumed_at IS NULL AND m.expires_at > ${request.nowMillis} AND m.ciphertext <> ''
          ORDER BY d.seq LIMIT ${request.limit}`,
      )
    }, Effect.mapError(storeError))

    const backlog = Effect.fnUntraced(function* (
      meshId: MeshId,
      inboxes: ReadonlyArray<InboxAddress>,
      nowMillis: number,
    ) {
      return yield* Rows.backlog(
        yield* sql`SELECT count(*) AS messages, coalesce(sum(octet_length(m.ciphertext)), 0) AS characters
          FROM ${records(
            sql,
            inboxes.map((inbox) => ({ member_id: inbox.memberId, session_id: sessionColumn(inbox) })),
            { member_id: "text", session_id: "text" },
          )}
          JOIN mesh.delivery d ON d.member_id = r.member_id AND d.session_id = r.session_id
          JOIN mesh.message m ON m.mesh_id = d.mesh_id AND m.seq = d.seq
          WHERE d.mesh_id = ${meshId} AND d.consumed_at IS NULL AND m.expires_at > ${nowMillis}`,
      )
    }, Effect.mapError(storeError))

    const fateOf = Effect.fnUntraced(function* (meshId: MeshId, messageId: MessageId) {
      const found = yield* Rows.fate(
        yield* sql`SELECT m.seq, m.sender_member_id, m.expires_at, d.member_id, d.session_id, d.consumed_at
          FROM mesh.message m LEFT JOIN mesh.delivery d ON d.mesh_id = m.mesh_id AND d.seq = m.seq
          WHERE m.id = ${messageId} AND m.mesh_id = ${meshId} ORDER BY d.member_id, d.session_id`,
      )
      return Option.fromUndefinedOr(found)
    }, Effect.mapError(storeError))

    const createMesh = Effect.fnUntraced(function* (
      mesh: MeshRecord,
      members: ReadonlyArray<MemberRecord>,
      nowMillis: number,
    ) {
      const created = yield* sql`INSERT INTO mesh.mesh (id, slug, name, owner_public_key, allow_unsealed, created_at)
          VALUES (${mesh.meshId}, ${mesh.slug}, ${mesh.name}, ${mesh.ownerPublicKey}, ${mesh.allowUnsealed ? 1 : 0}, ${nowMillis})
          ON CONFLICT (id) DO NOTHING RETURNING id`
      if (created.length === 0) return (yield* isSame(mesh, members)) ? ("same" as const) : ("conflict" as const)
      yield* insert(
        "member",
        { mesh_id: "text", id: "text", public_key: "text", display_name: "text", created_at: "bigint" },
        members.map((member) => ({
          mesh_id: mesh.meshId,
          id: member.memberId,
          public_key: member.publicKey,
          display_name: member.displayName,
          created_at: nowMillis,
        })),
      )
      yield* sql`INSERT INTO mesh.audit_log (mesh_id, seq, event, at, recipients)
          VALUES (${mesh.meshId}, 1, 'mesh_created', ${nowMillis}, ${members.length})`
      return "created" as const
    }, transaction)

    const isSame = Effect.fnUntraced(function* (mesh: MeshRecord, members: ReadonlyArray<MemberRecord>) {
      const [found] = yield* Rows.meshes(
        yield* sql`SELECT id, slug, name, owner_public_key, allow_unsealed FROM mesh.mesh WHERE id = ${mesh.meshId}`,
      )
      const existing = yield* Rows.members(
        yield* sql`SELECT id, public_key, display_name FROM mesh.member WHERE mesh_id = ${mesh.meshId}`,
      )
      const inOrder = (all: ReadonlyArray<MemberRecord>) =>
        all
          .map((member) => `${member.memberId} ${member.publicKey} ${member.displayName}`)
          .toSorted((left, right) => (left < right ? -1 : 1))
      return (
        found !== undefined && Equal.equals(found, mesh) && inOrder(existing).join("\n") === inOrder(members).join("\n")
      )
    })

    const ping = sql`SELECT 1`.pipe(Effect.asVoid, Effect.mapError(storeError))

    const retire = retireWith(sql, transaction)

    return MessageStore.of({ commit, meshExists, loadMesh, page, backlog, fateOf, retire, createMesh, ping })
  }),
)
