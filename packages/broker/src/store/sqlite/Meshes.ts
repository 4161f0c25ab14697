/** What an owner of a mesh begins with, and how a mesh is made. */
import type { SQLQueryBindings } from "bun:sqlite"
import type { MeshId } from "@claudemesh/domain/Ids"
import type { Invite } from "@claudemesh/domain/trust/Invite"
import { Effect, Equal, Option } from "effect"
import type { MemberRecord, MeshRecord } from "../MessageStore.ts"
import { inviteColumns, memberColumns, movedColumns, revocationColumns } from "../sql/Columns.ts"
import * as Rows from "../sql/Rows.ts"
import type { Addresses } from "./Addresses.ts"
import type { recordsOn } from "./EnrolmentWrites.ts"
import { type Handle, inTransaction, prepare, reading } from "./Handle.ts"
import type { Journal } from "./Journal.ts"
import type { ownersOn } from "./Owners.ts"
import type { readsOn } from "./Reads.ts"

const namesOf = (columns: Readonly<Record<string, unknown>>): string => Object.keys(columns).join(", ")

interface Parts {
  readonly addresses: Addresses
  readonly journal: Journal
  readonly owners: ReturnType<typeof ownersOn>
  readonly reads: ReturnType<typeof readsOn>
  readonly records: ReturnType<typeof recordsOn>
}

/** Rows as they lie there; `Rows.ts` decodes them. */
const rowsOn = (handle: Handle) => (text: string) =>
  prepare<Readonly<Record<string, unknown>>, Array<SQLQueryBindings>>(handle, text)

const meshRow = "SELECT id, slug, name, owner_public_key, allow_unsealed FROM mesh.mesh WHERE id = ?"

export const meshesOn = (handle: Handle, parts: Parts) => ({
  ...loadingOn(handle, parts),
  createMesh: creationOn(handle, parts),
})

const loadingOn = (handle: Handle, { addresses, journal, owners, reads }: Parts) => {
  const rowsOf = rowsOn(handle)
  const mesh = rowsOf(meshRow)
  const members = rowsOf(`SELECT ${namesOf(memberColumns)} FROM mesh.member WHERE mesh_id = ? ORDER BY id`)
  const invites = rowsOf(
    `SELECT ${namesOf(inviteColumns)} FROM mesh.invite WHERE mesh_id = ? ORDER BY expires_millis, public_key`,
  )
  const moved = rowsOf(
    `SELECT ${namesOf(movedColumns)} FROM mesh.moved WHERE mesh_id = ? ORDER BY version DESC LIMIT 1`,
  )
  const revocations = rowsOf(
    `SELECT ${namesOf(revocationColumns)} FROM mesh.revocation WHERE mesh_id = ? ORDER BY version`,
  )
  const sessions = rowsOf(`SELECT member_id, session_id, protocol, attached_at, detached_at FROM mesh.session
    WHERE mesh_id = ? ORDER BY member_id, session_id`)
  const subscriptions = rowsOf(`SELECT member_id, session_id, channel FROM mesh.channel_subscription
    WHERE mesh_id = ? ORDER BY member_id, session_id, channel`)

  const lastSeqOf = (meshId: MeshId): number => {
    const mesh = addresses.meshNumber(meshId)
    return mesh === undefined ? 0 : journal.lastSeq(mesh)
  }

  /** Where the disk is full, what is stored can still be read: the epoch is not a condition. */
  const load = Effect.fnUntraced(function* (meshId: MeshId) {
    yield* Effect.ignore(inTransaction(handle, () => owners.raise(meshId)))
    const found = yield* inTransaction(handle, () => ({
      mesh: mesh.all(meshId),
      members: members.all(meshId),
      invites: invites.all(meshId),
      revocations: revocations.all(meshId),
      moved: moved.all(meshId),
      sessions: sessions.all(meshId),
      epoch: owners.epochOf(meshId),
      lastSeq: lastSeqOf(meshId),
      waiting: reads.waiting(meshId),
      subscriptions: subscriptions.all(meshId),
    }))
    const [record] = yield* Rows.meshes(found.mesh)
    if (record === undefined) return Option.none()
    return Option.some({
      mesh: record,
      members: yield* Rows.members(found.members),
      invites: yield* Rows.invites(found.invites),
      revocations: yield* Rows.revocations(found.revocations),
      moved: (yield* Rows.moves(found.moved))[0],
      sessions: yield* Rows.sessions(found.sessions),
      lastSeq: found.lastSeq,
      epoch: found.epoch,
      subscriptions: yield* Rows.subscriptions(found.subscriptions),
      waiting: found.waiting,
    })
  })

  return { meshExists: (meshId: MeshId) => reading(() => mesh.get(meshId) !== null), loadMesh: load }
}

const creationOn = (handle: Handle, { addresses, journal, records }: Parts) => {
  const rowsOf = rowsOn(handle)
  const mesh = rowsOf(meshRow)
  const create = rowsOf(`INSERT INTO mesh.mesh (id, slug, name, owner_public_key, allow_unsealed, created_at)
    VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING RETURNING id`)
  const firstMembers = rowsOf(`SELECT ${namesOf(memberColumns)} FROM mesh.member WHERE mesh_id = ?
    AND created_at = (SELECT created_at FROM mesh.mesh WHERE id = ?)`)
  const oneInvite = rowsOf(`SELECT ${namesOf(inviteColumns)} FROM mesh.invite WHERE mesh_id = ? AND public_key = ?`)

  /** Also when others have joined since, be it by the first invite: the first members were written with the mesh. */
  const isSame = Effect.fnUntraced(function* (
    record: MeshRecord,
    invite: Invite | undefined,
    first: ReadonlyArray<MemberRecord>,
  ) {
    const { meshId } = record
    const rows = yield* reading(() => ({
      mesh: mesh.all(meshId),
      members: firstMembers.all(meshId, meshId),
      invite: oneInvite.all(meshId, invite?.publicKey ?? ""),
    }))
    const [found] = yield* Rows.meshes(rows.mesh)
    const [firstInvite] = yield* Rows.invites(rows.invite)
    const inOrder = (all: ReadonlyArray<MemberRecord>) =>
      all.toSorted((left, right) => (left.memberId < right.memberId ? -1 : 1))
    const existing = yield* Rows.members(rows.members)
    return Equal.equals([found, firstInvite?.invite, inOrder(existing)], [record, invite, inOrder(first)])
  })

  return Effect.fnUntraced(function* (
    record: MeshRecord,
    invite: Invite | undefined,
    first: ReadonlyArray<MemberRecord>,
    nowMillis: number,
  ) {
    const { allowUnsealed, meshId, name, ownerPublicKey, slug } = record
    const isNew = yield* inTransaction(handle, () => {
      journal.begin()
      const created = create.all(meshId, slug, name, ownerPublicKey, allowUnsealed ? 1 : 0, nowMillis)
      if (created.length === 0) return false
      if (invite !== undefined) records.invite.insert(Rows.inviteRow(invite, first.length))
      for (const member of first) records.member.insert(Rows.memberRow(meshId, member, nowMillis))
      journal.add(meshId, { seq: 1, at: nowMillis, event: "mesh_created", recipients: first.length })
      journal.write()
      return true
    }).pipe(
      Effect.onError(() =>
        Effect.sync(() => {
          addresses.forget()
          journal.forget()
        }),
      ),
    )
    if (isNew) return "created" as const
    return (yield* isSame(record, invite, first)) ? ("same" as const) : ("conflict" as const)
  })
}
