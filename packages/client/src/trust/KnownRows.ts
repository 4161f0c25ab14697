/**
 * What is known of a mesh's members, as rows of `state.db`: one for each member, invite, revocation and compared key. A
 * row is only ever added, so whoever has read up to one reads on from there. Nothing takes the place of a row that is
 * there: first come, first kept.
 */
import { type MeshId, PublicKey } from "@claudemesh/domain/Ids"
import { IsoTime } from "@claudemesh/domain/IsoTime"
import { Certificate } from "@claudemesh/domain/trust/Certificate"
import { Invite } from "@claudemesh/domain/trust/Invite"
import { Revocation } from "@claudemesh/domain/trust/Revocation"
import { Result, Schema } from "effect"
import type { Database } from "../local/StateDb.ts"

const Pin = Schema.Struct({ certificate: Certificate, firstSeen: IsoTime })
export type Pin = typeof Pin.Type

const ByVoice = Schema.Struct({ publicKey: PublicKey, at: IsoTime })

export const Known = Schema.Struct({
  revocations: Schema.Array(Revocation),
  /** Each key and each member id once: the first that was proved. */
  members: Schema.Array(Pin),
  invites: Schema.Array(Invite),
  /** Members whose key was compared by voice, and when. */
  byVoice: Schema.Array(ByVoice),
})
export type Known = typeof Known.Type

export const nothingKnown: Known = { revocations: [], members: [], invites: [], byVoice: [] }

const records = {
  revocation: Schema.fromJsonString(Revocation),
  member: Schema.fromJsonString(Pin),
  invite: Schema.fromJsonString(Invite),
  voice: Schema.fromJsonString(ByVoice),
}
const row = <Kind extends keyof typeof records>(kind: Kind) =>
  Schema.Struct({ seq: Schema.Int, kind: Schema.Literal(kind), record: records[kind] })
const Row = Schema.Union([row("revocation"), row("member"), row("invite"), row("voice")])
const decodeRows = Schema.decodeUnknownResult(Schema.Array(Row))

const [revocationText, memberText, inviteText, voiceText] = [
  Schema.encodeSync(records.revocation),
  Schema.encodeSync(records.member),
  Schema.encodeSync(records.invite),
  Schema.encodeSync(records.voice),
]

/** How far a mesh's rows were read. One that was left and joined again begins with another row. */
export interface Reading {
  readonly first: number
  readonly last: number
  readonly known: Known
}

export const nothingRead: Reading = { first: 0, last: 0, known: nothingKnown }

/** The very same reading where there is nothing new. */
export const readOn = (
  db: Database,
  meshId: MeshId,
  before: Reading = nothingRead,
): Result.Result<Reading, { readonly message: string }> => {
  const [found] = db
    .query<{ first: number | null }, [string]>("SELECT min(seq) AS first FROM known_record WHERE mesh_id = ?")
    .all(meshId)
  const first = found?.first ?? 0
  const begun = first === before.first ? before : { ...nothingRead, first }
  const rows = db
    .query("SELECT seq, kind, record FROM known_record WHERE mesh_id = ? AND seq > ? ORDER BY seq")
    .all(meshId, begun.last)
  if (rows.length === 0) return Result.succeed(begun)
  return Result.map(decodeRows(rows), (decoded) => ({
    first,
    last: decoded.at(-1)?.seq ?? begun.last,
    known: withRows(begun.known, decoded),
  }))
}

const withRows = (known: Known, rows: ReadonlyArray<typeof Row.Type>): Known => ({
  revocations: [...known.revocations, ...rows.flatMap((row) => (row.kind === "revocation" ? row.record : []))],
  members: [...known.members, ...rows.flatMap((row) => (row.kind === "member" ? row.record : []))],
  invites: [...known.invites, ...rows.flatMap((row) => (row.kind === "invite" ? row.record : []))],
  byVoice: [...known.byVoice, ...rows.flatMap((row) => (row.kind === "voice" ? row.record : []))],
})

/** The same as `withMore`, of which the tests convince themselves. */
export const insertKnown = (db: Database, meshId: MeshId, { byVoice, invites, members, revocations }: Known): void => {
  const insert = db.query(
    "INSERT OR IGNORE INTO known_record (mesh_id, kind, key, other_key, record) VALUES (?, ?, ?, ?, ?)",
  )
  const known = db
    .query<{ key: string }, [string]>(
      "SELECT key FROM known_record WHERE mesh_id = ? AND kind = 'revocation' ORDER BY seq",
    )
    .all(meshId)
  if (known.every(({ key }, index) => revocations[index]?.signature === key)) {
    for (const [index, revocation] of [...revocations.entries()].slice(known.length)) {
      insert.run(meshId, "revocation", revocation.signature, String(index), revocationText(revocation))
    }
  }
  for (const pin of members) {
    const { memberId, publicKey } = pin.certificate
    insert.run(meshId, "member", publicKey, memberId, memberText(pin))
  }
  for (const invite of invites) insert.run(meshId, "invite", invite.publicKey, null, inviteText(invite))
  for (const voice of byVoice) insert.run(meshId, "voice", voice.publicKey, null, voiceText(voice))
}
