/** Who is there and in which channel: each word of a batch in its order, so of what is said of one thing the last word stands. */
import type { MeshId } from "@claudemesh/domain/Ids"
import { type Attachment, Write } from "../MessageStore.ts"
import { type Handle, prepare } from "./Handle.ts"

type Key = [mesh: string, member: string, session: string]

export const sessionWritesOn = (handle: Handle) => {
  const ofSession = "mesh_id = ? AND member_id = ? AND session_id = ?"
  const attach = prepare<never, [...Key, protocol: number, at: number]>(
    handle,
    `INSERT INTO mesh.session (mesh_id, member_id, session_id, protocol, attached_at, detached_at) VALUES (?, ?, ?, ?, ?, NULL)
      ON CONFLICT (mesh_id, member_id, session_id)
      DO UPDATE SET protocol = excluded.protocol, attached_at = excluded.attached_at, detached_at = NULL`,
  )
  const detach = prepare<never, [since: number, ...Key, at: number]>(
    handle,
    `UPDATE mesh.session SET detached_at = ? WHERE ${ofSession} AND attached_at <= ?`,
  )
  const leaveAll = prepare<never, Key>(handle, `DELETE FROM mesh.channel_subscription WHERE ${ofSession}`)
  const forget = prepare<never, Key>(handle, `DELETE FROM mesh.session WHERE ${ofSession}`)
  const joinChannel = prepare<never, [...Key, channel: string, at: number]>(
    handle,
    `INSERT INTO mesh.channel_subscription (mesh_id, member_id, session_id, channel, joined_at) VALUES (?, ?, ?, ?, ?)
      ON CONFLICT (mesh_id, member_id, session_id, channel) DO NOTHING`,
  )
  const leaveChannel = prepare<never, [...Key, channel: string]>(
    handle,
    `DELETE FROM mesh.channel_subscription WHERE ${ofSession} AND channel = ?`,
  )

  const attached = (meshId: MeshId, { atMillis, memberId, protocol, session }: Attachment): void =>
    void attach.run(meshId, memberId, session, protocol, atMillis)

  /** Nothing of any other kind of write. */
  return (write: Write): void => {
    switch (write._tag) {
      case "SessionAttached":
        attached(write.meshId, write)
        break
      case "Accept":
        for (const one of write.sessions ?? []) attached(write.message.meshId, one)
        break
      case "SessionDetached":
        detach.run(write.sinceMillis ?? write.atMillis, write.meshId, write.memberId, write.session, write.atMillis)
        break
      case "SessionForgotten":
        leaveAll.run(write.meshId, write.memberId, write.session)
        forget.run(write.meshId, write.memberId, write.session)
        break
      case "ChannelJoined":
        joinChannel.run(write.meshId, write.memberId, write.session, write.channel, write.atMillis)
        break
      case "ChannelLeft":
        leaveChannel.run(write.meshId, write.memberId, write.session, write.channel)
        break
    }
  }
}
