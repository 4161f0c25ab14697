/**
 * Requests on one connection. Each has an id of its own and gets one reply, or fails: refused, not answered in
 * time, or at once when the connection is lost. Nothing here outlives the connection.
 */
import { RequestId } from "@claudemesh/domain/Ids"
import type { BrokerFrame } from "@claudemesh/domain/wire/BrokerFrame"
import { type ClientFrame, encodeClientFrame } from "@claudemesh/domain/wire/ClientFrame"
import { Deferred, Effect, Exit, Schema } from "effect"
import { requestTimeoutMillis } from "../Limits.ts"
import { brokerWords } from "./BrokerWords.ts"
import { NotConnected } from "./ConnectionState.ts"

export class RequestTimedOut extends Schema.TaggedError<RequestTimedOut>()("RequestTimedOut", {
  request: Schema.String,
}) {
  override get message() {
    return `the broker did not answer ${this.request} in ${requestTimeoutMillis / 1000} s`
  }
}

export class RequestRefused extends Schema.TaggedError<RequestRefused>()("RequestRefused", {
  request: Schema.String,
  code: Schema.String,
  explanation: Schema.String,
}) {
  override get message() {
    return `the broker refused ${this.request} (${this.code}): ${this.explanation}`
  }
}

export type RequestError = NotConnected | RequestTimedOut | RequestRefused

export type Request = Extract<
  ClientFrame,
  {
    readonly type:
      | "list_peers"
      | "list_members"
      | "list_channels"
      | "join_channel"
      | "leave_channel"
      | "get_trust"
      | "set_status"
      | "set_profile"
      | "lease"
      | "pull"
      | "ping"
      | "message_status"
  }
>
export type ReplyType = "peers" | "members" | "trust" | "channels" | "message_state" | "leased" | "ok" | "pong"
export type Reply<Type extends ReplyType> = Extract<BrokerFrame, { readonly type: Type }>
export type SettlingFrame = Reply<ReplyType> | Extract<BrokerFrame, { readonly type: "error" }>

const isReply = <Type extends ReplyType>(frame: SettlingFrame, type: Type): frame is Reply<Type> & SettlingFrame =>
  frame.type === type

interface Pending {
  readonly settle: (frame: SettlingFrame) => void
  readonly fail: (error: NotConnected) => void
}

export class Requests {
  readonly #pending = new Map<string, Pending>()
  readonly #send: (text: string) => boolean
  #count = 0

  constructor(send: (text: string) => boolean) {
    this.#send = send
  }

  request<Type extends ReplyType>(
    make: (id: RequestId) => Request,
    reply: Type,
  ): Effect.Effect<Reply<Type>, RequestError> {
    return Effect.suspend(() => {
      this.#count += 1
      const id = RequestId.make(`r${this.#count}`)
      const frame = make(id)
      const answer = Deferred.makeUnsafe<Reply<Type>, RequestError>()
      const fail = (error: RequestError): void => {
        Deferred.doneUnsafe(answer, Exit.fail(error))
      }
      this.#pending.set(id, {
        fail,
        settle: (settling) => {
          if (isReply(settling, reply)) Deferred.doneUnsafe(answer, Exit.succeed(settling))
          else fail(refusal(frame.type, settling))
        },
      })
      if (!this.#send(encodeClientFrame(frame))) fail(new NotConnected({ reason: "the connection is closing" }))
      return Deferred.await(answer).pipe(
        Effect.timeoutOrElse({
          duration: requestTimeoutMillis,
          orElse: () => Effect.fail(new RequestTimedOut({ request: frame.type })),
        }),
        Effect.ensuring(Effect.sync(() => this.#pending.delete(id))),
      )
    })
  }

  /** False when it answers nothing that is waited for. */
  settle(frame: SettlingFrame): boolean {
    const pending = this.#pending.get(frame.id ?? "")
    pending?.settle(frame)
    return pending !== undefined
  }

  lost(): void {
    for (const { fail } of this.#pending.values()) fail(new NotConnected({ reason: "the connection was lost" }))
    this.#pending.clear()
  }
}

const refusal = (request: string, frame: SettlingFrame): RequestRefused =>
  frame.type === "error"
    ? new RequestRefused({ request, code: brokerWords(frame.code), explanation: brokerWords(frame.message) })
    : new RequestRefused({ request, code: "malformed", explanation: `it was answered with ${frame.type}` })
