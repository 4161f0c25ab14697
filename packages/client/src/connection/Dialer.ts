/**
 * The port to the network: one text frame after the other, and a close at the end. The client, the simulation
 * and the tests see nothing else of a socket.
 */
import { Context, type Effect, type Queue, Schema, type Scope } from "effect"
import { Unreached } from "./Unreached.ts"

export class DialFailed extends Schema.TaggedError<DialFailed>()("DialFailed", {
  url: Schema.String,
  reason: Schema.String,
  /** Absent where nothing is known but that it failed. */
  unreached: Schema.optionalKey(Unreached),
}) {
  override get message() {
    return `cannot reach ${this.url}: ${this.reason}`
  }
}

/** The last thing a connection says, whoever closed it. */
export class ConnectionClosed extends Schema.TaggedError<ConnectionClosed>()("ConnectionClosed", {
  code: Schema.Int,
  reason: Schema.String,
}) {}

export interface Connection {
  /** False once the connection is closing: the frame was not sent. */
  readonly send: (text: string) => boolean
  /** Bounded; fails with the close once everything before it was taken. */
  readonly incoming: Queue.Dequeue<string, ConnectionClosed>
  /** With 1000: we are done, and not expected back. The end of the scope closes it with another code. */
  readonly close: (code: number, reason: string) => void
}

export class Dialer extends Context.Service<
  Dialer,
  { readonly dial: (url: string) => Effect.Effect<Connection, DialFailed, Scope.Scope> }
>()("@claudemesh/client/connection/Dialer") {}
