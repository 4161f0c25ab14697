/** The audit's chain under load while its broker is killed as by `kill -9`, over and over, on both databases (I29). */
import { AuditCheck, type AuditRecord } from "@claudemesh/domain/audit/AuditRecord"
import type { ChainReport } from "@claudemesh/domain/audit/ChainCheck"
import { assert, describe, it, layer } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { eachPage } from "../../src/store/AuditExport.ts"
import { auditSource } from "../../src/store/AuditSource.ts"
import { type BrokerProcess, brokerProcess } from "../support/BrokerProcess.ts"
import { makeMesh, type TestMesh } from "../support/Meshes.ts"
import { Postgres } from "../support/Postgres.ts"
import { RawClient, sendFrame } from "../support/RawClient.ts"
import { temporaryFolder } from "../support/TestBroker.ts"

/** Alice sends until so many are acked; the last of them are under way when this returns. */
const load = async (broker: BrokerProcess, mesh: TestMesh, prefix: string, acked: number): Promise<void> => {
  const { keys } = mesh.member("alice")
  const alice = await RawClient.authenticatedV2(broker.url, mesh.member("alice"))
  const to = mesh.member("bob").keys.publicKey
  let sent = 0
  const send = () => alice.send(sendFrame(`${prefix}-${(sent += 1)}`, to, "hello", keys))
  for (let n = 0; n < 32; n++) send()
  for (let n = 0; n < acked; n++) {
    await alice.take("ack")
    send()
  }
}

const checkOf = (database: Parameters<typeof auditSource>[0]) =>
  Effect.gen(function* () {
    const all: Array<AuditRecord> = []
    yield* eachPage(undefined, (page) => Effect.sync(() => void all.push(...page)))
    const keys = all.flatMap((one) => (one.type === "key" ? [one.key] : []))
    const check = new AuditCheck({ keys: new Set(keys), isPart: false })
    for (const one of all) check.take(one)
    return { keys, reports: [...check.end().values()] }
  }).pipe(Effect.provide(auditSource(database)), Effect.orDie)

const killedUnderLoad = Effect.fnUntraced(function* (
  environment: Readonly<Record<string, string>>,
  database: Parameters<typeof auditSource>[0],
) {
  const broker = yield* brokerProcess(environment)
  const mesh = yield* Effect.promise(() => makeMesh(broker.origin))
  const seen: Array<ChainReport> = []
  for (const round of ["a", "b", "c"]) {
    yield* Effect.promise(() => load(broker, mesh, round, 100))
    yield* Effect.promise(broker.kill)
    const { keys, reports } = yield* checkOf(database)
    // One key, however often it starts.
    assert.strictEqual(keys.length, 1)
    seen.push(...reports)
    yield* Effect.promise(() => broker.start())
  }
  yield* Effect.promise(() => load(broker, mesh, "d", 20))
  yield* Effect.promise(broker.terminate)
  seen.push(...(yield* checkOf(database)).reports)
  assert.deepStrictEqual(
    seen.map(({ first, tampering }) => [first, tampering]),
    Array.from({ length: 4 }, () => [1, undefined]),
  )
  for (const [index, { events }] of seen.entries()) assert.isAtLeast(events, 1 + 100 * Math.min(index + 1, 3))
  const last = seen.at(-1)
  assert.strictEqual(last?.signedTo, last?.last, "it signs as it stops")
})

describe("the audit of a broker that is killed under load", () => {
  it.live("on SQLite is whole after each death, and goes on (I29)", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const dataDir = yield* temporaryFolder
        yield* killedUnderLoad({ BROKER_DATA_DIR: dataDir }, { _tag: "Sqlite", dataDir })
      }),
    ),
  )

  layer(Postgres.layer, { excludeTestServices: true, timeout: "60 seconds" })("", (test) => {
    test.effect("on Postgres is whole after each death, and goes on (I29)", () =>
      Effect.scoped(
        Effect.gen(function* () {
          const url = yield* (yield* Postgres).freshDatabase
          const environment = { DATABASE_URL: url, BROKER_HOST: "127.0.0.1" }
          yield* killedUnderLoad(environment, { _tag: "Postgres", url: Redacted.make(url) })
        }),
      ),
    )
  })
})
