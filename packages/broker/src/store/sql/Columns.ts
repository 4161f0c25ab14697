/** The columns that statements take their rows by: all of a table, some of it, or its key and what is set. */
import { Struct } from "effect"
import { type Column, columnsOf, tables } from "./Tables.ts"

const sessionKey = Struct.pick(tables.session, ["mesh_id", "member_id", "session_id"])

export const memberColumns = columnsOf(tables.member)
export const inviteColumns = columnsOf(tables.invite)
export const revocationColumns = columnsOf(tables.revocation)
export const movedColumns = columnsOf(tables.moved)
export const sessionColumns = columnsOf(sessionKey)
export const attachColumns = columnsOf({
  ...sessionKey,
  ...Struct.pick(tables.session, ["protocol"]),
  at: tables.session.attached_at,
})
export const detachColumns = columnsOf({
  ...sessionKey,
  at: tables.session.attached_at,
  since: tables.session.detached_at,
})
export const channelColumns = columnsOf({ ...sessionKey, ...Struct.pick(tables.channel_subscription, ["channel"]) })
export const joinColumns = { ...channelColumns, ...columnsOf({ at: tables.channel_subscription.joined_at }) }

/** A record of who comes in or is put out, as both databases write it. */
export interface EnrolmentTable {
  readonly name: "invite" | "member" | "moved" | "revocation"
  readonly columns: Readonly<Record<string, Column>>
  /** Within its mesh. */
  readonly key: string
  /** Tells it from another record under its key: who signs signs all of it. */
  readonly proof: ReadonlyArray<string>
}

export const enrolmentTables = {
  invites: { name: "invite", columns: inviteColumns, key: "public_key", proof: ["signature"] },
  members: { name: "member", columns: memberColumns, key: "public_key", proof: ["signature", "consent"] },
  revocations: { name: "revocation", columns: revocationColumns, key: "version", proof: ["signature"] },
  moves: { name: "moved", columns: movedColumns, key: "version", proof: ["signature"] },
} as const satisfies Readonly<Record<string, EnrolmentTable>>
