/** How an HTTP request is refused: a code that a program can tell apart, its status, and a text. */
import type { HttpError } from "@claudemesh/domain/wire/HttpApi"
import { type HttpErrorCode, httpStatusOf } from "@claudemesh/domain/wire/HttpErrorCode"
import { Effect } from "effect"
import * as HttpServerResponse from "effect/unstable/http/HttpServerResponse"

export interface Refusal<Code extends HttpErrorCode> {
  readonly error: Code
  readonly message: string
}

/** By a route: the API knows the status. */
export const refuse = <Code extends HttpErrorCode>(error: Code, message: string): Effect.Effect<never, Refusal<Code>> =>
  Effect.fail({ error, message })

/** Before a route. */
export const refusal = (
  error: HttpErrorCode,
  message: string,
  headers: Readonly<Record<string, string>> = {},
): HttpServerResponse.HttpServerResponse => {
  const body: typeof HttpError.Type = { error, message }
  return HttpServerResponse.jsonUnsafe(body, { status: httpStatusOf[error], headers })
}

export const unavailable = () => refuse("unavailable", "the broker cannot reach its database; try again")
