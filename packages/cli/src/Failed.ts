/** A command that could not do what it was asked: one line for a person, and exit code 1. */
import { Schema } from "effect"

export class Failed extends Schema.TaggedError<Failed>()("Failed", { reason: Schema.String }) {
  override get message() {
    return this.reason
  }
}
