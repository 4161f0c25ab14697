/**
 * What listens on the port, with the certificate of the day. Bun cannot change the certificate of a listener, so when the files have
 * changed a new one takes the port in the same turn: the one before it keeps its sockets, and accepts nothing more. All of them end together.
 */
import type { Server as BunServer, WebSocketHandler } from "bun"
import { Clock, Effect, Option, Schema } from "effect"
import type { BrokerConfig } from "../Config.ts"
import type { Metrics } from "../metrics/Metrics.ts"
import type { BunSocket } from "./BunSocket.ts"
import { idleSeconds } from "./Door.ts"
import { readTls, type Tls, type TlsPaths } from "./TlsFiles.ts"

export class CannotListen extends Schema.TaggedError<CannotListen>()("CannotListen", {
  host: Schema.String,
  port: Schema.Int,
  problem: Schema.String,
}) {
  override get message() {
    return `cannot listen on ${this.host}:${this.port}: ${this.problem}`
  }
}

export type Fetch = (request: Request, server: BunServer<BunSocket>) => Response | Promise<Response> | undefined

export interface Answering {
  readonly fetch: Fetch
  readonly websocket: WebSocketHandler<BunSocket>
}

/** Until the scope ends. Gives the port. */
export const makeListener = Effect.fnUntraced(function* (config: BrokerConfig, answering: Answering, metrics: Metrics) {
  const { host, tls: paths } = config
  const first = Option.isSome(paths) ? yield* readTls(paths.value, yield* Clock.currentTimeMillis) : undefined
  /** Those before the last one have sockets that are still open. */
  const running = new Set<BunServer<BunSocket>>()
  const begin = (port: number, tls: Tls | undefined) =>
    Effect.try({
      try: () => {
        const server = Bun.serve<BunSocket>({
          ...settingsOf(config, answering),
          hostname: host,
          port,
          ...(tls && { tls }),
        })
        running.add(server)
        return server
      },
      catch: (cause) => new CannotListen({ host, port, problem: problemOf(cause) }),
    })
  yield* Effect.addFinalizer(() => Effect.promise(() => Promise.all([...running].map((server) => server.stop(true)))))
  const server = yield* begin(config.port, first)
  const port = server.port ?? config.port

  if (Option.isSome(paths) && first !== undefined) {
    let last = server
    let used: Tls = first
    metrics.tlsExpires.readAs(() => used.expiresMillis / 1_000)
    const use = Effect.fnUntraced(function* (tls: Tls) {
      // Once it has no socket any more it is done.
      const before = last
      void before.stop().then(() => running.delete(before))
      last = yield* begin(port, tls).pipe(
        Effect.tap(() => Effect.sync(() => (used = tls))),
        // What has failed is said, and the port is answered all the same.
        Effect.catch((error) =>
          begin(port, used).pipe(
            Effect.tap((server) => Effect.sync(() => (last = server))),
            Effect.andThen(Effect.fail(error)),
          ),
        ),
      )
      yield* Effect.logInfo("new connections get the new certificate")
    })
    yield* Effect.forkScoped(whenChanged(paths.value, config.limits.tlsCheckMillis, () => used, use))
  }
  return port
})

/** What cannot be used is said once, until it is something else that cannot. */
const whenChanged = <E>(
  paths: TlsPaths,
  everyMillis: number,
  used: () => Tls,
  use: (tls: Tls) => Effect.Effect<void, E>,
) => {
  let said: string | undefined
  const look = Effect.gen(function* () {
    const tls = yield* readTls(paths, yield* Clock.currentTimeMillis)
    said = undefined
    if (tls.cert !== used().cert || tls.key !== used().key) yield* use(tls)
  }).pipe(
    Effect.catch((error) => {
      const problem = error instanceof Error ? error.message : String(error)
      if (problem === said) return Effect.void
      said = problem
      return Effect.logWarning(`the certificate is not renewed, the one before it is used on. ${problem}`)
    }),
  )
  return Effect.forever(Effect.andThen(Effect.sleep(everyMillis), look))
}

const settingsOf = ({ limits }: BrokerConfig, answering: Answering) => ({
  // For requests that trickle in, too. Headers have 12 s whatever is set here (`slowRequests.test.ts`).
  idleTimeout: idleSeconds(limits),
  // Twice our own bound: below it we answer ourselves.
  maxRequestBodySize: limits.meshBodyBytesMax * 2,
  // Else whoever meets a defect is shown the source around it.
  development: false,
  ...answering,
})

const problemOf = (cause: unknown): string => {
  const code = typeof cause === "object" && cause !== null && "code" in cause ? cause.code : undefined
  if (code === "EADDRINUSE") return "the port is in use; set BROKER_PORT to another one"
  return cause instanceof Error ? cause.message : String(cause)
}
