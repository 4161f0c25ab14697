/** How a client stands with its broker, for its callers to read and to watch, and what they are told where it is not connected. */
import { Data, Schema } from "effect"
import { Unreached } from "./Unreached.ts"

export type ConnectionState = Data.TaggedEnum<{
  Connecting: { readonly attempt: number }
  Connected: { readonly sinceMillis: number; readonly maxMessageBytes: number }
  /**
   * It is tried again at `retryAtMillis`, and at the next call. `code`: the broker refused us with it, so it is tried at long
   * intervals: until something is changed at the broker or in between, it refuses us again.
   */
  Waiting: {
    readonly retryAtMillis: number
    readonly attempt: number
    readonly lastError: string
    readonly code: string | undefined
    /** Why there was no connection at all. */
    readonly unreached?: Unreached | undefined
  }
  /** For good: this member was revoked (`code` is the close code), or the client has ended. */
  Stopped: { readonly reason: string; readonly detail: string; readonly code: number | undefined }
}>
export const ConnectionState = Data.taggedEnum<ConnectionState>()

export class NotConnected extends Schema.TaggedError<NotConnected>()("NotConnected", {
  reason: Schema.String,
  /** The error code that the broker refused us with. */
  code: Schema.optionalKey(Schema.String),
  /** Why there is no connection at all. */
  unreached: Schema.optionalKey(Unreached),
}) {
  override get message() {
    return `not connected: ${this.reason}`
  }
}

/** This member was revoked, or the client has ended: what was not answered then may or may not arrive. */
export class ClientStopped extends Schema.TaggedError<ClientStopped>()("ClientStopped", {
  reason: Schema.String,
  code: Schema.UndefinedOr(Schema.Int),
}) {
  override get message() {
    return `this mesh's connection has ended: ${this.reason}`
  }
}

export const whyNotConnected = (state: ConnectionState): NotConnected => {
  switch (state._tag) {
    case "Waiting":
      return new NotConnected({
        reason: state.lastError,
        ...(state.code !== undefined && { code: state.code }),
        ...(state.unreached !== undefined && { unreached: state.unreached }),
      })
    case "Stopped":
      return new NotConnected({ reason: state.detail, code: state.reason })
    case "Connecting":
      return new NotConnected({ reason: "still connecting" })
    case "Connected":
      return new NotConnected({ reason: "the connection was lost" })
  }
}
