/**
 * A batch of writes as the statements of one transaction: a fixed number of them, however large it is. What comes
 * later in the batch counts as later: an inbox is moved with all that was accepted before, and of what is said of one
 * session or channel the last word stands.
 */
import { decodedBytes } from "@claudemesh/domain/Base64"
import type { MeshId, SessionId } from "@claudemesh/domain/Ids"
import { Effect } from "effect"
import type { SqlClient } from "effect/unstable/sql"
import { Write, Written } from "../MessageStore.ts"
import {
  attachColumns,
  auditColumns,
  consumeColumns,
  deliveryColumns,
  detachColumns,
  leaseColumns,
  messageColumns,
} from "./Columns.ts"
import { insertInto, namesOf, records } from "./Dialect.ts"
import { enrolWith } from "./EnrolmentWrites.ts"
import * as Rows from "./Rows.ts"

type Accept = Extract<Write, { readonly _tag: "Accept" }>

/** What is accepted later in the batch has a higher sequence number, and is not moved. */
interface Moved {
  readonly write: Extract<Write, { readonly _tag: "InboxMoved" }>
  readonly belowSeq: number
}

const movesOf = (batch: ReadonlyArray<Write>): ReadonlyArray<Moved> => {
  const moves: Array<Moved> = []
  const lowestLater = new Map<MeshId, number>()
  for (const write of batch.toReversed()) {
    if (write._tag === "Accept") {
      const { meshId, seq } = write.message
      lowestLater.set(meshId, Math.min(seq, lowestLater.get(meshId) ?? seq))
    } else if (write._tag === "InboxMoved") {
      moves.push({ write, belowSeq: lowestLater.get(write.meshId) ?? Number.MAX_SAFE_INTEGER })
    }
  }
  return moves
}

type OfSession = Extract<Write, { readonly session: SessionId }>

const keyOf = ({ meshId, memberId, session }: OfSession): string => `${meshId}/${memberId}/${session}`

const isOfLease = (write: Write): write is Extract<Write, { readonly _tag: "Lease" | "Release" }> =>
  write._tag === "Lease" || write._tag === "Release"

const sessionKeyOf = ({ meshId, memberId, session }: OfSession) => ({
  mesh_id: meshId,
  member_id: memberId,
  session_id: session,
})

export const batchWith = (sql: SqlClient.SqlClient) => {
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
    const columns = namesOf(sql, messageColumns)
    // Inserting in sequence order makes the first of two sends with one id the one that counts.
    const inserted = yield* Rows.seqs(
      yield* sql`INSERT INTO mesh.message (${columns})
        SELECT ${columns} FROM ${records(sql, messages, messageColumns)} WHERE true ORDER BY seq
        ON CONFLICT (id) DO NOTHING RETURNING mesh_id, seq`,
    )
    const isNew = (accept: Accept) => inserted.has(Rows.seqKey(accept.message.meshId, accept.message.seq))
    const fresh = accepts.filter(isNew)
    if (fresh.length > 0) {
      yield* insertInto(
        sql,
        "delivery",
        deliveryColumns,
        fresh.flatMap(({ message, recipients }) =>
          recipients.map(({ inbox, sealedKey }) => ({
            mesh_id: message.meshId,
            seq: message.seq,
            member_id: inbox.memberId,
            session_id: Rows.sessionColumn(inbox),
            priority: message.priority,
            sealed_key: sealedKey ?? null,
          })),
        ),
      )
      yield* insertInto(
        sql,
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

  const firstResults = Effect.fnUntraced(function* (messageIds: ReadonlySet<string>) {
    const found = yield* Rows.accepted(
      yield* sql`SELECT m.id, m.content_hash, m.seq, m.sender_member_id, m.priority, m.expires_at,
          d.member_id, d.session_id, d.consumed_at
        FROM ${records(
          sql,
          [...messageIds].map((id) => ({ id })),
          { id: "text" },
        )}
        JOIN mesh.message m ON m.id = r.id
        LEFT JOIN mesh.delivery d ON d.mesh_id = m.mesh_id AND d.seq = m.seq`,
    )
    return new Map([...found].map(([id, first]) => [id, Written.Duplicate(first)]))
  })

  const consume = (values: ReadonlyArray<Extract<Write, { readonly _tag: "Consume" }>>) =>
    sql`UPDATE mesh.delivery SET consumed_at = r.at, sealed_key = NULL
      FROM ${records(
        sql,
        values.map((one) => ({
          mesh_id: one.meshId,
          seq: one.seq,
          member_id: one.inbox.memberId,
          session_id: Rows.sessionColumn(one.inbox),
          at: one.atMillis,
        })),
        consumeColumns,
      )}
      WHERE delivery.mesh_id = r.mesh_id AND delivery.seq = r.seq AND delivery.member_id = r.member_id
        AND delivery.session_id = r.session_id AND delivery.consumed_at IS NULL`

  /** Leased at a time, or no more: what was said last of each delivery. */
  const lease = (values: ReadonlyArray<Extract<Write, { readonly _tag: "Lease" | "Release" }>>) => {
    const last = new Map(
      values.flatMap((one) =>
        one.deliveries.map(({ inbox, seq }) => {
          const session = Rows.sessionColumn(inbox)
          const at = one._tag === "Lease" ? one.atMillis : null
          const row = { mesh_id: one.meshId, seq, member_id: inbox.memberId, session_id: session, at }
          return [`${Rows.seqKey(one.meshId, seq)}/${inbox.memberId}/${session}`, row] as const
        }),
      ),
    )
    return sql`UPDATE mesh.delivery SET leased_at = r.at FROM ${records(sql, [...last.values()], leaseColumns)}
      WHERE delivery.mesh_id = r.mesh_id AND delivery.seq = r.seq AND delivery.member_id = r.member_id
        AND delivery.session_id = r.session_id AND delivery.consumed_at IS NULL`
  }

  const attach = (values: ReadonlyArray<Extract<Write, { readonly _tag: "SessionAttached" }>>) =>
    sql`INSERT INTO mesh.session (mesh_id, member_id, session_id, protocol, attached_at, detached_at)
      SELECT mesh_id, member_id, session_id, protocol, at, NULL
      FROM ${records(
        sql,
        values.map((one) => ({
          ...sessionKeyOf(one),
          protocol: one.protocol,
          at: one.atMillis,
        })),
        attachColumns,
      )} WHERE true
      ON CONFLICT (mesh_id, member_id, session_id)
      DO UPDATE SET protocol = excluded.protocol, attached_at = excluded.attached_at, detached_at = NULL`

  const detach = (values: ReadonlyArray<Extract<Write, { readonly _tag: "SessionDetached" }>>) =>
    sql`UPDATE mesh.session SET detached_at = r.since
      FROM ${records(
        sql,
        values.map((one) => ({
          ...sessionKeyOf(one),
          at: one.atMillis,
          since: one.sinceMillis ?? one.atMillis,
        })),
        detachColumns,
      )}
      WHERE session.mesh_id = r.mesh_id AND session.member_id = r.member_id AND session.session_id = r.session_id
        AND session.attached_at <= r.at`

  /** With its last recipient a message's ciphertext goes; what is left is its metadata. */
  const eraseConsumed = (messages: ReadonlyArray<Readonly<{ meshId: MeshId; seq: number }>>) => {
    // A group message is consumed by many in one batch: it is looked at once.
    const once = new Map(messages.map(({ meshId, seq }) => [Rows.seqKey(meshId, seq), { mesh_id: meshId, seq }]))
    return sql`UPDATE mesh.message SET ciphertext = ''
      FROM ${records(sql, [...once.values()], { mesh_id: "text", seq: "bigint" })}
      WHERE message.mesh_id = r.mesh_id AND message.seq = r.seq AND NOT EXISTS (
        SELECT 1 FROM mesh.delivery d WHERE d.mesh_id = r.mesh_id AND d.seq = r.seq AND d.consumed_at IS NULL)`
  }

  /** Moves each inbox, and gives the messages of which the member turned out to have another delivery. */
  const moveInboxes = Effect.fnUntraced(function* (values: ReadonlyArray<Moved>) {
    const moved = records(
      sql,
      values.map(({ belowSeq, write }) => ({
        ...sessionKeyOf(write),
        only_groups: write.what === "groups" ? 1 : 0,
        below: belowSeq,
      })),
      { mesh_id: "text", member_id: "text", session_id: "text", only_groups: "bigint", below: "bigint" },
    )
    const toGroup = sql.literal("(m.target_spec = '*' OR m.target_spec LIKE '#%' OR m.target_spec LIKE 'tag:%')")
    // CROSS JOIN has SQLite begin with the inboxes that move, and the sum look at them by the index of what waits.
    const moving = sql`SELECT d.mesh_id, d.seq, d.member_id, d.session_id
      FROM ${moved} CROSS JOIN mesh.delivery d CROSS JOIN mesh.message m
      WHERE d.mesh_id = r.mesh_id AND d.member_id = r.member_id AND d.session_id = r.session_id
        AND d.consumed_at IS NULL AND d.seq + 0 < r.below AND m.mesh_id = d.mesh_id AND m.seq = d.seq
        AND (r.only_groups = 0 OR ${toGroup})`
    // What the member has already: it sent it, or another of its inboxes has it. Of two that move, one stays.
    const dropped = yield* Rows.dropped(
      yield* sql`DELETE FROM mesh.delivery WHERE (mesh_id, seq, member_id, session_id) IN (${moving}
        AND ((m.sender_member_id = d.member_id AND ${toGroup}) OR EXISTS (
          SELECT 1 FROM mesh.delivery o
          WHERE o.mesh_id = d.mesh_id AND o.seq = d.seq AND o.member_id = d.member_id AND o.session_id <> d.session_id
            AND (o.consumed_at IS NOT NULL OR o.session_id < d.session_id OR NOT EXISTS (
              SELECT 1 FROM ${moved} WHERE r.mesh_id = o.mesh_id AND r.member_id = o.member_id
                AND r.session_id = o.session_id AND o.seq < r.below AND (r.only_groups = 0 OR ${toGroup}))))))
        RETURNING mesh_id, seq, member_id, leased_at`,
    )
    yield* markStaying(dropped)
    yield* sql`UPDATE mesh.delivery SET session_id = ''
      WHERE (mesh_id, seq, member_id, session_id) IN (${moving})`
    return dropped
  })

  /** What was dropped may have been shown: so may what its member has instead. */
  const markStaying = Effect.fnUntraced(function* (dropped: ReadonlyArray<Rows.Dropped>) {
    const marks = dropped.flatMap(({ leasedAtMillis, memberId, meshId, seq }) =>
      leasedAtMillis === null ? [] : [{ mesh_id: meshId, seq, member_id: memberId, at: leasedAtMillis }],
    )
    if (marks.length === 0) return
    yield* sql`UPDATE mesh.delivery SET leased_at = r.at FROM ${records(sql, marks, {
      mesh_id: "text",
      seq: "bigint",
      member_id: "text",
      at: "bigint",
    })}
      WHERE delivery.mesh_id = r.mesh_id AND delivery.seq = r.seq AND delivery.member_id = r.member_id
        AND delivery.consumed_at IS NULL AND delivery.leased_at IS NULL`
  })

  const forget = Effect.fnUntraced(function* (sessions: ReadonlyArray<OfSession>) {
    const keys = sql`(SELECT r.mesh_id, r.member_id, r.session_id FROM ${records(sql, sessions.map(sessionKeyOf), {
      mesh_id: "text",
      member_id: "text",
      session_id: "text",
    })})`
    yield* sql`DELETE FROM mesh.channel_subscription WHERE (mesh_id, member_id, session_id) IN ${keys}`
    yield* sql`DELETE FROM mesh.session WHERE (mesh_id, member_id, session_id) IN ${keys}`
  })

  const joinChannels = (values: ReadonlyArray<Extract<Write, { readonly _tag: "ChannelJoined" }>>) =>
    sql`INSERT INTO mesh.channel_subscription (mesh_id, member_id, session_id, channel, joined_at)
      SELECT mesh_id, member_id, session_id, channel, at
      FROM ${records(
        sql,
        values.map((one) => ({
          ...sessionKeyOf(one),
          channel: one.channel,
          at: one.atMillis,
        })),
        { mesh_id: "text", member_id: "text", session_id: "text", channel: "text", at: "bigint" },
      )} WHERE true
      ON CONFLICT (mesh_id, member_id, session_id, channel) DO NOTHING`

  const leaveChannels = (values: ReadonlyArray<Extract<Write, { readonly _tag: "ChannelLeft" }>>) =>
    sql`DELETE FROM mesh.channel_subscription WHERE (mesh_id, member_id, session_id, channel) IN (
      SELECT r.mesh_id, r.member_id, r.session_id, r.channel FROM ${records(
        sql,
        values.map((one) => ({
          ...sessionKeyOf(one),
          channel: one.channel,
        })),
        { mesh_id: "text", member_id: "text", session_id: "text", channel: "text" },
      )})`

  /** The last word of each session on each channel in the batch. */
  const channelsAtTheEnd = (batch: ReadonlyArray<Write>) => {
    const last = new Map<string, Extract<Write, { readonly _tag: "ChannelJoined" | "ChannelLeft" }>>()
    for (const write of batch) {
      if (write._tag === "SessionForgotten") {
        for (const key of last.keys()) if (key.startsWith(`${keyOf(write)}#`)) last.delete(key)
      }
      if (write._tag !== "ChannelJoined" && write._tag !== "ChannelLeft") continue
      last.set(`${keyOf(write)}#${write.channel}`, write)
    }
    const all = [...last.values()]
    return { joined: all.filter(Write.$is("ChannelJoined")), left: all.filter(Write.$is("ChannelLeft")) }
  }

  /**
   * What is forgotten, the last attachment of each session after that, and the detachment that came after it: one
   * statement cannot write a row twice, and they are written in this order.
   */
  const sessionsAtTheEnd = (batch: ReadonlyArray<Write>) => {
    const forgotten = new Map<string, Extract<Write, { readonly _tag: "SessionForgotten" }>>()
    const attached = new Map<string, Extract<Write, { readonly _tag: "SessionAttached" }>>()
    const detached = new Map<string, Extract<Write, { readonly _tag: "SessionDetached" }>>()
    for (const write of batch) {
      if (write._tag === "SessionDetached") detached.set(keyOf(write), write)
      else if (write._tag === "SessionAttached") {
        attached.set(keyOf(write), write)
        detached.delete(keyOf(write))
      } else if (write._tag === "SessionForgotten") {
        forgotten.set(keyOf(write), write)
        attached.delete(keyOf(write))
        detached.delete(keyOf(write))
      }
    }
    return {
      forgotten: [...forgotten.values()],
      attached: [...attached.values()],
      detached: [...detached.values()],
    }
  }

  const enrol = enrolWith(sql)

  return Effect.fnUntraced(function* (batch: ReadonlyArray<Write>) {
    const accepts = batch.filter(Write.$is("Accept"))
    const consumes = batch.filter(Write.$is("Consume"))
    const moved = movesOf(batch)
    const leases = batch.filter(isOfLease)
    const { attached, detached, forgotten } = sessionsAtTheEnd(batch)
    const { joined, left } = channelsAtTheEnd(batch)
    const outcome = accepts.length === 0 ? undefined : yield* accept(accepts)
    // Before a move, which takes them along.
    if (leases.length > 0) yield* lease(leases)
    if (consumes.length > 0) yield* consume(consumes)
    const dropped = moved.length === 0 ? [] : yield* moveInboxes(moved)
    const fewerWait = [...consumes, ...dropped]
    if (fewerWait.length > 0) yield* eraseConsumed(fewerWait)
    if (forgotten.length > 0) yield* forget(forgotten)
    if (attached.length > 0) yield* attach(attached)
    if (detached.length > 0) yield* detach(detached)
    if (joined.length > 0) yield* joinChannels(joined)
    if (left.length > 0) yield* leaveChannels(left)
    const invited = batch.filter(Write.$is("InviteAdded"))
    const enrolled = batch.filter(Write.$is("MemberJoined"))
    const revoked = batch.filter(Write.$is("KeyRevoked"))
    if (invited.length + enrolled.length + revoked.length > 0) yield* enrol(invited, enrolled, revoked)
    return batch.map((write) => (write._tag === "Accept" && outcome ? outcome(write) : Written.Done()))
  })
}
