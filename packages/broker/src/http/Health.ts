/** `/health`: is the process alive and its database reachable. `/ready`: should it be sent traffic. */
import { Health } from "@claudemesh/domain/wire/HttpApi"
import { Clock, Effect, Layer, Option } from "effect"
import { HttpRouter, HttpServerResponse } from "effect/unstable/http"
import { MessageStore } from "../store/MessageStore.ts"
import { Version } from "../Version.ts"
import type { Lifecycle } from "./Lifecycle.ts"

export const healthRoutes = (lifecycle: Lifecycle, timeoutMillis: number) => {
  const databaseUp = Effect.gen(function* () {
    const { ping } = yield* MessageStore
    const answered = yield* ping.pipe(Effect.timeoutOption(timeoutMillis), Effect.option)
    return Option.isSome(Option.flatten(answered))
  })

  const health = Effect.gen(function* () {
    const up = yield* databaseUp
    const body: typeof Health.Type = {
      status: up ? "ok" : "degraded",
      version: Version.version,
      gitSha: Version.gitSha,
      uptime: Math.floor(((yield* Clock.currentTimeMillis) - lifecycle.startedMillis) / 1000),
      db: up ? "up" : "down",
    }
    return HttpServerResponse.jsonUnsafe(body, { status: up ? 200 : 503 })
  })

  const ready = Effect.gen(function* () {
    const isReady = !lifecycle.draining && (yield* databaseUp)
    return HttpServerResponse.jsonUnsafe({ ready: isReady }, { status: isReady ? 200 : 503 })
  })

  return Layer.mergeAll(HttpRouter.add("GET", "/health", health), HttpRouter.add("GET", "/ready", ready))
}
