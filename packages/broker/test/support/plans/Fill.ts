/** Tables as full as they become, in a moment: every one that grows has so many rows, spread over some of the meshes. Columns that matter to a plan differ from row to row. */
import { MemberId, MeshId, PublicKey, SessionId } from "@claudemesh/domain/Ids"

export const membersEach = 50
/** The time of row 0; each row is a millisecond younger. */
export const epochMillis = 1_000_000_000_000

export const meshAt = (number: number) => MeshId.make(`mesh-${number}`)
export const memberAt = (number: number) => MemberId.make(`member-${number}`)
export const sessionAt = (number: number) => SessionId.make(`session-${number}`)
export const keyAt = (number: number) => PublicKey.make(number.toString(16).padStart(64, "0"))

/** Of row `i` of `rows`, in SQL: its mesh, its place in that mesh, and whose it is. */
const names = (meshes: number) => ({
  mesh: `'mesh-' || (i % ${meshes})`,
  place: `(i / ${meshes})`,
  member: `'member-' || ((i / ${meshes}) % ${membersEach})`,
  at: `(${epochMillis} + i)`,
})

/** Statements for Postgres. */
export const postgresFill = (rows: number, meshes: number): ReadonlyArray<string> => {
  const { at, member, mesh, place } = names(meshes)
  const series = `generate_series(0::bigint, ${rows - 1}) AS i`
  const key = "lpad(to_hex(i), 64, '0')"
  const id = "md5(i::text)"
  const seq = `(${place} + 10)`
  const session = "CASE WHEN i % 3 = 0 THEN 'session-1' ELSE '' END"
  const earlier = `(${place} + 100000000)`
  const event = `'[[' || ${seq} || ',1,"message_accepted",null,null,null,null,null,null]]'`
  return [
    `INSERT INTO mesh.mesh (id, slug, name, owner_public_key, allow_unsealed, created_at, last_seq)
      SELECT 'mesh-' || i, 'team', 'Team', ${key}, 0, ${epochMillis}, ${rows} FROM ${series}`,
    `INSERT INTO mesh.member (mesh_id, id, public_key, display_name, created_at)
      SELECT ${mesh}, 'member-' || ${place}, ${key}, 'member', ${at} FROM ${series}`,
    `INSERT INTO mesh.session (mesh_id, member_id, session_id, protocol, attached_at, detached_at)
      SELECT ${mesh}, ${member}, 'session-' || ${place}, 2, ${at}, CASE WHEN i % 2 = 0 THEN ${at} END FROM ${series}`,
    `INSERT INTO mesh.channel_subscription (mesh_id, member_id, session_id, channel, joined_at)
      SELECT ${mesh}, ${member}, 'session-' || ${place}, 'builds', ${at} FROM ${series}`,
    `INSERT INTO mesh.invite (mesh_id, public_key, slug, mesh_name, allow_unsealed, owner_public_key, broker_url, role, uses, used, expires_at,
        expires_millis, label, issuer, signature)
      SELECT ${mesh}, ${key}, 'team', 'Team', 0, ${key}, 'wss://mesh.example.com/ws', 'member', 1, i % 2, '2026-12-01T00:00:00.000Z', ${at}, 'label',
        ${key}, repeat('0', 128) FROM ${series}`,
    `INSERT INTO mesh.revocation (mesh_id, version, previous, subject, kept, at, by, signature)
      SELECT ${mesh}, ${place} + 1, ${key}, ${key}, '[]', '2026-12-01T00:00:00.000Z', ${key}, repeat('0', 128) FROM ${series}`,
    `INSERT INTO mesh.moved (mesh_id, version, broker_url, at, signature)
      SELECT ${mesh}, ${place} + 1, 'wss://mesh.example.com/ws', '2026-12-01T00:00:00.000Z', repeat('0', 128) FROM ${series}`,
    `INSERT INTO mesh.accepted (id, mesh_id, seq, sender_member_id, priority, content_hash, created_at, expires_at, recipient_members, recipient_sessions)
      SELECT ${id}, ${mesh}, ${seq}, ${member}, 'next', 'hash', ${at}, ${at} + 1000, ARRAY[${member}], ARRAY[${session}] FROM ${series}`,
    `INSERT INTO mesh.waiting (mesh_id, member_id, session_id, priority, seq, expires_at, characters, id, sender_member_id, sender_session_id,
        target_spec, nonce, ciphertext, content_hash, created_at)
      SELECT ${mesh}, ${member}, ${session}, 'next', ${seq}, ${at} + 1000, 8, ${id}, ${member}, 'session-0', '*',
        repeat('A', 32), 'AAAAAAAA', 'hash', ${at} FROM ${series}`,
    `INSERT INTO mesh.group_text (mesh_id, seq, expires_at, remaining, id, sender_member_id, sender_session_id, target_spec, nonce, ciphertext,
        content_hash, created_at)
      SELECT ${mesh}, ${seq}, ${at} + 1000, 2, ${id}, ${member}, 'session-0', '*', repeat('A', 32), 'AAAAAAAA', 'hash', ${at} FROM ${series}`,
    `INSERT INTO mesh.consumed (mesh_id, bucket, at, expires_at, seqs, members, sessions, ats)
      SELECT ${mesh}, ${seq} / 256, ${at}, ${at} + 1000, ARRAY[${seq}], ARRAY[${member}], ARRAY[${session}], ARRAY[${at}] FROM ${series}`,
    `INSERT INTO mesh.journal (mesh_id, last_seq, at, seqs, events, ats, members, sessions, messages, specs, priorities, bytes, recipients)
      SELECT ${mesh}, ${earlier}, ${at}, ARRAY[${earlier}], ARRAY['message_accepted'], ARRAY[${at}], ARRAY[${member}], ARRAY['session-0'], ARRAY[${id}],
        ARRAY['*'], ARRAY['next'], ARRAY[6::bigint], ARRAY[1::bigint] FROM ${series}`,
    `INSERT INTO mesh.audit_block (mesh_id, number, previous, hash, at, total, actors, events)
      SELECT ${mesh}, ${place} + 1, ${key}, ${key}, ${at}, ${place} + 1, '[]', ${event} FROM ${series}`,
    `INSERT INTO mesh.audit_checkpoint (mesh_id, kind, number, hash, total, at, key, signature)
      SELECT ${mesh}, 'head', ${place} + 1, ${key}, ${place} + 1, ${at}, ${key}, repeat('0', 128) FROM ${series} WHERE i % 2 = 0`,
  ]
}
