/** How an HTTP request is refused: a status, and a JSON body with a code that a program can tell apart. */
import type { HttpError } from "@claudemesh/domain/wire/HttpApi"
import { HttpServerResponse } from "effect/unstable/http"

export const refusal = (
  status: number,
  error: string,
  message: string,
  headers: Readonly<Record<string, string>> = {},
): HttpServerResponse.HttpServerResponse => {
  const body: typeof HttpError.Type = { error, message }
  return HttpServerResponse.jsonUnsafe(body, { status, headers })
}

export const unavailable = refusal(503, "unavailable", "the broker cannot reach its database; try again")
