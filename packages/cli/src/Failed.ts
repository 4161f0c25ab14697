/** A command that could not do what it was asked: one line for a person, and exit code 1. */
import { Schema } from "effect"

export class Failed extends Schema.TaggedError<Failed>()("Failed", { reason: Schema.String }) {
  override get message() {
    return this.reason
  }
}

/** What a person can do about an error, where its own words do not say so. */
const remedies: Readonly<Record<string, string>> = {
  NotConnected: "is the broker running? Start one here with: claudemesh broker",
  BrokerUnreachable: "is the broker running? Start one here with: claudemesh broker",
}

export const failed = (error: { readonly _tag: string; readonly message: string }): Failed => {
  if (error instanceof Failed) return error
  const remedy = remedies[error._tag]
  return new Failed({ reason: remedy === undefined ? error.message : `${error.message}; ${remedy}` })
}
