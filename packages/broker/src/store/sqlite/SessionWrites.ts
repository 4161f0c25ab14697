/** Who is there and in which channel, and that it is recorded where it was not so: each word of a batch in its order, so of what is said of one thing the last word stands. */
import type { SessionId } from "@claudemesh/domain/Ids"
import type { AuditEventName } from "../AuditEvents.ts"
import type { Write } from "../MessageStore.ts"
import { type Handle, prepare } from "./Handle.ts"
import type { Journal } from "./Journal.ts"

type Key = [mesh: string, member: string, session: string]

const ofSession = "mesh_id = ? AND member_id = ? AND session_id = ?"

const statementsOn = (handle: Handle) => ({
  attach: prepare<never, [...Key, protocol: number, at: number]>(
    handle,
    `INSERT INTO mesh.session (mesh_id, member_id, session_id, protocol, attached_at, detached_at) VALUES (?, ?, ?, ?, ?, NULL)
      ON CONFLICT (mesh_id, member_id, session_id)
      DO UPDATE SET protocol = excluded.protocol, attached_at = excluded.attached_at, detached_at = NULL
        WHERE attached_at <> excluded.attached_at OR detached_at IS NOT NULL`,
  ),
  leave: prepare<never, [since: number, ...Key, at: number]>(
    handle,
    `UPDATE mesh.session SET detached_at = ? WHERE ${ofSession} AND attached_at <= ? AND detached_at IS NULL`,
  ),
  detach: prepare<never, [since: number, ...Key, at: number]>(
    handle,
    `UPDATE mesh.session SET detached_at = ? WHERE ${ofSession} AND attached_at <= ?`,
  ),
  leaveAll: prepare<never, Key>(handle, `DELETE FROM mesh.channel_subscription WHERE ${ofSession}`),
  forget: prepare<never, Key>(handle, `DELETE FROM mesh.session WHERE ${ofSession}`),
  joinChannel: prepare<never, [...Key, channel: string, at: number]>(
    handle,
    `INSERT INTO mesh.channel_subscription (mesh_id, member_id, session_id, channel, joined_at) VALUES (?, ?, ?, ?, ?)
      ON CONFLICT (mesh_id, member_id, session_id, channel) DO NOTHING`,
  ),
  leaveChannel: prepare<never, [...Key, channel: string]>(
    handle,
    `DELETE FROM mesh.channel_subscription WHERE ${ofSession} AND channel = ?`,
  ),
})

export const sessionWritesOn = (handle: Handle, journal: Journal) => {
  const { attach, leave, detach, leaveAll, forget, joinChannel, leaveChannel } = statementsOn(handle)
  type OfSession = Extract<Write, { readonly session: SessionId }>
  const record = (
    { meshId, memberId: actor, session }: OfSession,
    event: AuditEventName,
    at: number,
    channel?: string,
  ) => journal.add(meshId, { at, event, actor, session, targetSpec: channel === undefined ? undefined : `#${channel}` })

  /** Nothing of any other kind of write. */
  return (write: Write): void => {
    switch (write._tag) {
      case "SessionAttached":
        if (attach.run(write.meshId, write.memberId, write.session, write.protocol, write.atMillis).changes > 0)
          record(write, "session_attached", write.atMillis)
        break
      case "SessionDetached": {
        const { atMillis, memberId, meshId, session, sinceMillis = atMillis } = write
        if (leave.run(sinceMillis, meshId, memberId, session, atMillis).changes > 0)
          record(write, "session_detached", atMillis)
        else detach.run(sinceMillis, meshId, memberId, session, atMillis)
        break
      }
      case "Refused":
        for (const { code, count, memberId } of write.counts)
          journal.add(write.meshId, {
            at: write.atMillis,
            event: "refused",
            actor: memberId,
            targetSpec: code,
            recipients: count,
          })
        break
      case "SessionForgotten":
        leaveAll.run(write.meshId, write.memberId, write.session)
        forget.run(write.meshId, write.memberId, write.session)
        break
      case "ChannelJoined": {
        const { atMillis, channel, memberId, meshId, session } = write
        if (joinChannel.run(meshId, memberId, session, channel, atMillis).changes > 0)
          record(write, "channel_joined", atMillis, channel)
        break
      }
      case "ChannelLeft": {
        const { atMillis, channel, memberId, meshId, session } = write
        if (leaveChannel.run(meshId, memberId, session, channel).changes > 0)
          record(write, "channel_left", atMillis, channel)
        break
      }
    }
  }
}
