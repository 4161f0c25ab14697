/**
 * The store on Postgres: a batch is one statement where it can be, else several in one transaction. The reads, what is retired,
 * and here the making of a mesh. Rows are decoded in `Rows.ts`.
 */
import { Effect, Equal, Layer } from "effect"
import { SqlClient } from "effect/unstable/sql"
import type { Invite } from "@claudemesh/domain/trust/Invite"
import { type MemberRecord, type MeshRecord, MessageStore } from "../MessageStore.ts"
import { batchWith } from "./Batch.ts"
import { inviteColumns, memberColumns } from "../sql/Columns.ts"
import { insertInto, namesOf } from "../sql/Dialect.ts"
import { entryOf, journalEntries } from "./Journal.ts"
import { readsWith } from "./Reads.ts"
import { retentionWith } from "./RetentionSteps.ts"
import * as Rows from "../sql/Rows.ts"
import { oneStatementWith } from "./OneStatement.ts"
import { statement, transactionOn } from "./Transaction.ts"

export const postgresMessageStore = Layer.effect(
  MessageStore,
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const transaction = transactionOn(sql)
    const writeBatch = batchWith(sql)
    const oneStatement = oneStatementWith(sql)

    const createMesh = Effect.fnUntraced(function* (
      mesh: MeshRecord,
      invite: Invite | undefined,
      members: ReadonlyArray<MemberRecord>,
      nowMillis: number,
    ) {
      const created =
        yield* sql`INSERT INTO mesh.mesh (id, slug, name, owner_public_key, allow_unsealed, created_at, last_seq)
          VALUES (${mesh.meshId}, ${mesh.slug}, ${mesh.name}, ${mesh.ownerPublicKey}, ${mesh.allowUnsealed ? 1 : 0}, ${nowMillis}, 1)
          ON CONFLICT (id) DO NOTHING RETURNING id`
      if (created.length === 0)
        return (yield* isSame(mesh, invite, members)) ? ("same" as const) : ("conflict" as const)
      if (invite !== undefined) {
        yield* insertInto(sql, "invite", inviteColumns, [Rows.inviteRow(invite, members.length)])
      }
      yield* insertInto(
        sql,
        "member",
        memberColumns,
        members.map((member) => Rows.memberRow(mesh.meshId, member, nowMillis)),
      )
      const made = { ...entryOf(mesh.meshId, 1, nowMillis, "mesh_created"), recipients: members.length }
      yield* journalEntries(sql, [made])
      return "created" as const
    }, transaction)

    /** Also when others have joined since, be it by the first invite: the first members were written with the mesh. */
    const isSame = Effect.fnUntraced(function* (
      mesh: MeshRecord,
      invite: Invite | undefined,
      members: ReadonlyArray<MemberRecord>,
    ) {
      const [found] = yield* Rows.meshes(
        yield* sql`SELECT id, slug, name, owner_public_key, allow_unsealed FROM mesh.mesh WHERE id = ${mesh.meshId}`,
      )
      const existing = yield* Rows.members(
        yield* sql`SELECT ${namesOf(sql, memberColumns)}
          FROM mesh.member WHERE mesh_id = ${mesh.meshId}
            AND created_at = (SELECT created_at FROM mesh.mesh WHERE id = ${mesh.meshId})`,
      )
      const [first] = yield* Rows.invites(
        yield* sql`SELECT ${namesOf(sql, inviteColumns)} FROM mesh.invite
          WHERE mesh_id = ${mesh.meshId} AND public_key = ${invite?.publicKey ?? ""}`,
      )
      const inOrder = (all: ReadonlyArray<MemberRecord>) =>
        all.toSorted((left, right) => (left.memberId < right.memberId ? -1 : 1))
      return Equal.equals([found, first?.invite, inOrder(existing)], [mesh, invite, inOrder(members)])
    })

    return MessageStore.of({
      ...readsWith(sql, transaction),
      commit: (batch) => {
        const one = oneStatement(batch)
        return one === undefined ? transaction(writeBatch(batch)) : statement(one)
      },
      applyRetention: retentionWith(sql, transaction),
      createMesh,
    })
  }),
)
