/** How long to wait before the next try (I21): 1 s doubling to 30 s, each spread by a fifth either way. */
import { Effect, Random } from "effect"
import { retryFirstMillis, retryJitter, retryMaxMillis, stableMillis } from "../Limits.ts"

/** `attempt` counts from 1. The spread is applied last, also to the longest delay: clients cut off at once do not return at once. */
export const delayMillis = (attempt: number, spread: number): number =>
  Math.round(Math.min(retryMaxMillis, retryFirstMillis * 2 ** (attempt - 1)) * spread)

export const spreadDelayMillis = (attempt: number): Effect.Effect<number> =>
  Effect.map(Random.nextBetween(1 - retryJitter, 1 + retryJitter), (spread) => delayMillis(attempt, spread))

/** The number of the next attempt, after a connection that stood for so long. */
export const nextAttempt = (attempt: number, stoodMillis: number): number =>
  stoodMillis >= stableMillis ? 1 : attempt + 1
