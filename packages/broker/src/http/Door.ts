/**
 * What every HTTP request passes before its route is looked for, so that a flood costs no more than this: the rate of the
 * address it counts for, the size it announces, and the time it has. None of it is known to a route.
 */
import { HttpRoutes } from "@claudemesh/domain/wire/HttpRoutes"
import type { Server as BunServer } from "bun"
import { Clock, Effect } from "effect"
import type { BrokerConfig } from "../Config.ts"
import type { BrokerLimits } from "../Limits.ts"
import { callerOf } from "./Address.ts"
import type { BunSocket } from "./BunSocket.ts"
import { bodyBytesMax } from "./Guard.ts"
import type { RateLimit, RateLimits } from "./RateLimits.ts"

/** How long an answer may take, with the body it waits for and the commit. */
const answerSeconds = 30

type Handler = (request: Request) => Promise<Response>

export interface Door {
  /** Without a path where the host that it asks for is none. */
  readonly enter: (
    request: Request,
    server: BunServer<BunSocket>,
    path: string | undefined,
  ) => Response | Promise<Response>
}

/** How long a request may be silent. */
export const idleSeconds = ({ httpRequestTimeoutMillis }: BrokerLimits): number =>
  Math.ceil(httpRequestTimeoutMillis / 1_000)

/** Of the requests that are being answered, whom each counts for. */
export type Addresses = WeakMap<object, string>

export const makeDoor = Effect.fnUntraced(function* (
  config: BrokerConfig,
  rates: RateLimits,
  addresses: Addresses,
  handler: Handler,
) {
  const { limits } = config
  const clock = yield* Clock.Clock

  const rated = async (request: Request, server: BunServer<BunSocket>, address: string): Promise<Response> => {
    server.timeout(request, answerSeconds)
    addresses.set(request, address)
    const answer = await handler(request)
    // A body that nobody wants any more has no more time than any other.
    server.timeout(request, idleSeconds(limits))
    return answer
  }

  const door: Door = {
    enter: (request, server, path) => {
      const ofRoute = path === undefined ? undefined : rateOf(rates, path)
      const rate = ofRoute ?? rates.othersByAddress
      const address = callerOf(config, request, server)
      if (!rate.take(address, clock.currentTimeMillisUnsafe())) return slowDown(rate)
      if (path === undefined) return hostIsNone()
      const early = tooLarge(request, path, limits)
      if (early !== undefined) return early
      return ofRoute === undefined ? handler(request) : rated(request, server, address)
    },
  }
  return door
})

/** Whoever calls these counts against the rate of its address. */
const rateOf = ({ hooksByAddress, requestsByAddress }: RateLimits, path: string): RateLimit<string> | undefined => {
  if (path === HttpRoutes.reportStatus.path) return hooksByAddress
  return requestPaths.has(path) ? requestsByAddress : undefined
}

const { addInvite, createMesh, join, revoke } = HttpRoutes
const requestPaths: ReadonlySet<string> = new Set([createMesh.path, addInvite.path, join.path, revoke.path])

/** Bun answers an oversized body itself, with nothing in it; where the size is announced we can say more. */
const tooLarge = (request: Request, path: string, limits: BrokerLimits): Response | undefined => {
  const most = bodyBytesMax(limits, path)
  return Number(request.headers.get("content-length") ?? 0) <= most
    ? undefined
    : Response.json({ error: "too_large", message: `a body holds ${most} bytes at most` }, { status: 413 })
}

const hostIsNone = (): Response =>
  Response.json({ error: "malformed", message: "the Host header is not the name of a host" }, { status: 400 })

const slowDown = ({ retryAfterSeconds }: RateLimit<string>): Response =>
  Response.json(
    { error: "rate_limited", message: "too many requests from this address; come back slower" },
    { status: 429, headers: { "retry-after": String(retryAfterSeconds) } },
  )
