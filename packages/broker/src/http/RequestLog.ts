/**
 * Every HTTP answer that is an error has the id of its request in `x-request-id`, and a line in the log with it; what a route logs while
 * it answers has the same id. A flood of refusals does not fill the log: it holds so many lines of them, and the metrics have them all.
 */
import { Clock, Context, Effect, References } from "effect"
import type { BrokerLimits } from "../Limits.ts"
import { TokenBucket } from "../TokenBucket.ts"

export const requestIdHeader = "x-request-id"

export interface RequestLog {
  /** For what is logged while a request is answered. */
  readonly contextOf: (request: Request) => Context.Context<never>
  /** Its answer, with the request's id where it is an error. */
  readonly answered: (request: Request, response: Response) => Response
}

export const makeRequestLog = Effect.fnUntraced(function* ({ refusalLinesBurst, refusalLinesPerSecond }: BrokerLimits) {
  const clock = yield* Clock.Clock
  const run = Effect.runForkWith(yield* Effect.context<never>())
  const startedMillis = clock.currentTimeMillisUnsafe()
  const lines = new TokenBucket(refusalLinesPerSecond, refusalLinesBurst, startedMillis)
  const ids = new WeakMap<Request, string>()
  let count = 0

  /** One process gives none twice, and the next one begins at another time. */
  const idOf = (request: Request): string => {
    const id = ids.get(request) ?? `${startedMillis.toString(36)}-${(count++).toString(36)}`
    ids.set(request, id)
    return id
  }

  const log: RequestLog = {
    contextOf: (request) => Context.make(References.CurrentLogAnnotations, { requestId: idOf(request) }),
    answered: (request, response) => {
      if (response.status < 400) return response
      const requestId = idOf(request)
      response.headers.set(requestIdHeader, requestId)
      const isFault = response.status >= 500
      if (isFault || lines.take(clock.currentTimeMillisUnsafe())) {
        const path = (URL.parse(request.url)?.pathname ?? "").slice(0, pathCharactersMax)
        const about = { requestId, method: request.method, path, status: response.status }
        run((isFault ? Effect.logWarning : Effect.logInfo)("a request was refused").pipe(Effect.annotateLogs(about)))
      }
      return response
    },
  }
  return log
})

/** Whoever asks chooses it. */
const pathCharactersMax = 200
