/**
 * What changes who is in a mesh. A record that is there already, exactly so, was written by an attempt whose outcome its
 * owner did not hear of: it is not written again, nothing is counted twice, and it has no second audit row. Another record
 * under the same key, id or version was written by another owner, and is refused like a sequence number that is taken.
 */
import type { SQLQueryBindings } from "bun:sqlite"
import type { Write } from "../MessageStore.ts"
import { type EnrolmentTable, enrolmentTables } from "../sql/Columns.ts"
import { inviteTarget } from "../AuditEvents.ts"
import * as Rows from "../sql/Rows.ts"
import { type Handle, prepare } from "./Handle.ts"
import type { Journal } from "./Journal.ts"

type Enrolment = Extract<Write, { readonly _tag: "InviteAdded" | "MemberJoined" | "KeyRevoked" | "MeshMoved" }>

type Row = Readonly<Record<string, string | number | null>>

export const recordsOn = (handle: Handle) => {
  const into = ({ columns, key, name, proof }: EnrolmentTable) => {
    const names = Object.keys(columns)
    const text = `INSERT INTO mesh.${name} (${names.join(", ")}) VALUES (${names.map(() => "?").join(", ")})`
    const insert = prepare<never, Array<SQLQueryBindings>>(handle, text)
    const insertNew = prepare<never, Array<SQLQueryBindings>>(handle, `${text} ON CONFLICT DO NOTHING`)
    const known = prepare<unknown, Array<SQLQueryBindings>>(
      handle,
      `SELECT 1 FROM mesh.${name} WHERE ${["mesh_id", key, ...proof].map((column) => `${column} = ?`).join(" AND ")}`,
    )
    const valuesOf = (row: Row, columns: ReadonlyArray<string>) => columns.map((column) => row[column] ?? null)
    return {
      insert: (row: Row): void => void insert.run(...valuesOf(row, names)),
      /** Whether it is new. */
      insertNew: (row: Row): boolean => {
        if (insertNew.run(...valuesOf(row, names)).changes > 0) return true
        // Its key is taken, which is what the database says now.
        if (known.get(...valuesOf(row, ["mesh_id", key, ...proof])) === null) insert.run(...valuesOf(row, names))
        return false
      },
    }
  }
  return {
    invite: into(enrolmentTables.invites),
    member: into(enrolmentTables.members),
    moved: into(enrolmentTables.moves),
    revocation: into(enrolmentTables.revocations),
  }
}

export const enrolmentWritesOn = (handle: Handle, records: ReturnType<typeof recordsOn>, journal: Journal) => {
  // The table refuses more uses than there are.
  const countUse = prepare<never, [string, string]>(
    handle,
    "UPDATE mesh.invite SET used = used + 1 WHERE mesh_id = ? AND public_key = ?",
  )

  return (write: Enrolment): void => {
    switch (write._tag) {
      case "InviteAdded":
        if (records.invite.insertNew(Rows.inviteRow(write.invite, 0))) {
          const targetSpec = inviteTarget(write.invite.publicKey)
          journal.add(write.meshId, { seq: write.seq, at: write.atMillis, event: "invite_added", targetSpec })
        }
        break
      case "MemberJoined": {
        const { atMillis, certificate, meshId, seq } = write
        if (!records.member.insertNew(Rows.memberRow(meshId, { ...certificate, certificate }, atMillis))) break
        countUse.run(meshId, certificate.invite)
        const { invite, memberId: actor } = certificate
        journal.add(meshId, { seq, at: atMillis, event: "member_joined", actor })
        journal.add(meshId, { at: atMillis, event: "invite_used", actor, targetSpec: inviteTarget(invite) })
        break
      }
      case "KeyRevoked": {
        const { atMillis, revocation, seq } = write
        if (records.revocation.insertNew(Rows.revocationRow(revocation))) {
          journal.add(revocation.meshId, { seq, at: atMillis, event: "key_revoked" })
        }
        break
      }
      case "MeshMoved": {
        const { atMillis, moved, seq } = write
        if (records.moved.insertNew(Rows.movedRow(moved))) {
          journal.add(moved.meshId, { seq, at: atMillis, event: "mesh_moved" })
        }
        break
      }
    }
  }
}
