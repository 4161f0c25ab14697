/** A broker on a free port of 127.0.0.1 with a store of its own: in this process, or as a process to kill. */
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Context, Effect, Exit, Layer, Scope } from "effect"
import { Broker } from "../../src/Broker.ts"
import { brokerConfigOf } from "../../src/Config.ts"
import { Server } from "../../src/http/Server.ts"
import type { BrokerLimits } from "../../src/Limits.ts"

export interface TestBroker {
  readonly origin: string
  readonly url: string
  readonly dataDir: string
  /** Sockets open now. */
  readonly connections: () => number
}

export const temporaryFolder = Effect.acquireRelease(
  Effect.promise(() => mkdtemp(join(tmpdir(), "claudemesh-test-"))),
  (folder) => Effect.promise(() => rm(folder, { recursive: true, force: true })),
)

interface Options {
  readonly environment?: Readonly<Record<string, string>>
  readonly limits?: Partial<BrokerLimits>
}

export const startBroker = Effect.fnUntraced(function* (options: Options = {}) {
  const dataDir = options.environment?.["BROKER_DATA_DIR"] ?? (yield* temporaryFolder)
  return yield* brokerOn(dataDir, options)
})

const brokerOn = Effect.fnUntraced(function* (dataDir: string, { environment, limits }: Options) {
  const config = yield* brokerConfigOf({
    BROKER_PORT: "0",
    BROKER_DATA_DIR: dataDir,
    LOG_LEVEL: "none",
    ...environment,
  })
  const built = yield* Layer.build(Broker.layer({ ...config, limits: { ...config.limits, ...limits } }))
  const { connections, port } = Context.get(built, Server)
  const broker: TestBroker = {
    origin: `http://127.0.0.1:${port}`,
    url: `ws://127.0.0.1:${port}/ws`,
    dataDir,
    connections,
  }
  return broker
})

/** A broker in this process that can be ended, as by SIGTERM, and begun again on the same port and data. */
export const restartableBroker = Effect.fnUntraced(function* (dataDir: string) {
  const [first, firstBroker] = yield* begun(dataDir)
  let scope = first
  const end = Effect.suspend(() => Scope.close(scope, Exit.void))
  yield* Effect.addFinalizer(() => end)
  return {
    ...firstBroker,
    end: () => Effect.runPromise(end),
    beginAgain: async () => {
      ;[scope] = await Effect.runPromise(begun(dataDir, new URL(firstBroker.origin).port))
    },
  }
})

const begun = Effect.fnUntraced(function* (dataDir: string, port = "0") {
  const scope = yield* Scope.make()
  const broker = yield* Scope.provide(brokerOn(dataDir, { environment: { BROKER_PORT: port } }), scope)
  return [scope, broker] as const
})

/** Runs an async scenario against a broker in this process. */
export const withBroker = (scenario: (broker: TestBroker) => Promise<void>, options: Options = {}) =>
  Effect.scoped(Effect.flatMap(startBroker(options), (broker) => Effect.promise(() => scenario(broker))))
