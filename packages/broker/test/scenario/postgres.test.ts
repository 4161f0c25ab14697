/**
 * Postgres as people have it: with certificates or none, behind a pooler, with a wrong password. Who is talked to,
 * whether anybody can listen, and what the operator is told.
 */
import { assert, layer } from "@effect/vitest"
import * as BunFileSystem from "@effect/platform-bun/BunFileSystem"
import { Effect, Exit, Layer, Redacted, References } from "effect"
import { SqlClient } from "effect/unstable/sql"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { StatementMillis } from "../../src/store/Deadlines.ts"
import { postgres } from "../../src/store/postgres/Postgres.ts"
import { makeMesh } from "../support/Meshes.ts"
import { poolerTo } from "../support/PoolerProxy.ts"
import { Postgres } from "../support/Postgres.ts"
import { tlsProxyTo } from "../support/TlsProxy.ts"
import { RawClient, sendFrame, unseal } from "../support/RawClient.ts"
import { startBroker, type TestBroker } from "../support/TestBroker.ts"

const folder = join(import.meta.dirname, "../vectors/tls")
const rootCert = join(folder, "ca.crt")
const read = (name: string) => readFileSync(join(folder, name), "utf8")

const ask = (url: string) =>
  Effect.flatMap(SqlClient.SqlClient, (sql) => sql`SELECT repeat('x', 100000) AS text`).pipe(
    Effect.provide(postgres(Redacted.make(url)).pipe(Layer.provide(BunFileSystem.layer))),
    Effect.provideService(References.MinimumLogLevel, "None"),
    Effect.exit,
  )

const rounds = 20

const scenario = async (broker: TestBroker): Promise<void> => {
  const meshes = await Promise.all([1, 2, 3, 4].map(() => makeMesh(broker.origin)))
  await Promise.all(
    meshes.map(async (mesh) => {
      const [alice, bob] = [mesh.member("alice"), mesh.member("bob")]
      const sender = await RawClient.authenticatedV2(broker.url, alice)
      const recipient = await RawClient.authenticatedV2(broker.url, bob)
      for (let round = 0; round < rounds; round++) {
        sender.send(sendFrame(`m${round}`, bob.keys.publicKey, `text ${round}`, alice.keys))
        assert.strictEqual((await sender.take("ack"))["id"], `m${round}`)
        const push = await recipient.take("push")
        assert.strictEqual(unseal(push, bob.keys), `text ${round}`)
        recipient.send({ type: "client_ack", messageIds: [push["messageId"]] })
      }
      await Promise.all([sender.close(), recipient.close()])
      // Loaded again, by the session that comes back.
      const back = await RawClient.authenticatedV2(broker.url, bob)
      back.send({ type: "pull", id: "all" })
      assert.deepInclude(await back.take("ok"), { remaining: 0 })
      await back.close()
    }),
  )
  assert.strictEqual((await fetch(`${broker.origin}/ready`)).status, 200)
}

layer(Postgres.layer, { excludeTestServices: true, timeout: "60 seconds" })("Postgres as people have it", (it) => {
  it.effect(
    "is spoken to encrypted, verified or not at all, as sslmode says, and never plain where it asks for more",
    () =>
      Effect.gen(function* () {
        const direct = new URL(yield* (yield* Postgres).freshDatabase)
        const certificate = { key: read("server.key"), cert: read("server.crt") }
        const encrypting = yield* tlsProxyTo(Number(direct.port), certificate)
        const plain = yield* tlsProxyTo(Number(direct.port), undefined)
        const urlOf = (host: string, port: number, parameters: string) => {
          const url = new URL(direct.href)
          url.host = `${host}:${port}`
          return `${url.href}?${parameters}`
        }
        /** The server's certificate is for localhost. */
        const cases: ReadonlyArray<readonly [string, string, boolean, boolean]> = [
          // host, parameters, works with a server that encrypts, works with one that does not
          ["localhost", "", true, true],
          ["localhost", "sslmode=disable", true, true],
          ["localhost", "sslmode=prefer", true, true],
          ["localhost", "sslmode=require", true, false],
          ["127.0.0.1", "sslmode=require", true, false],
          ["localhost", `sslmode=require&sslrootcert=${rootCert}`, true, false],
          ["localhost", "sslmode=verify-ca", false, false],
          ["127.0.0.1", `sslmode=verify-ca&sslrootcert=${rootCert}`, true, false],
          ["127.0.0.1", `sslmode=verify-full&sslrootcert=${rootCert}`, false, false],
          ["localhost", `sslmode=verify-full&sslrootcert=${rootCert}`, true, false],
          ["localhost", "sslmode=verify-full&sslrootcert=/nowhere", false, false],
        ]
        for (const [host, parameters, encrypted, unencrypted] of cases) {
          const before = encrypting.plain()
          assert.strictEqual(
            Exit.isSuccess(yield* ask(urlOf(host, encrypting.port, parameters))),
            encrypted,
            parameters,
          )
          if (parameters !== "sslmode=disable") assert.strictEqual(encrypting.plain(), before, parameters)
          const said = plain.plain()
          assert.strictEqual(Exit.isSuccess(yield* ask(urlOf(host, plain.port, parameters))), unencrypted, parameters)
          if (!unencrypted) assert.strictEqual(plain.plain(), said, parameters)
        }
      }).pipe(Effect.scoped),
  )

  it.effect("that cannot be reached is said to be so, with the cause, and never with the password", () =>
    Effect.gen(function* () {
      const direct = new URL(yield* (yield* Postgres).freshDatabase)
      const plain = yield* tlsProxyTo(Number(direct.port), undefined)
      const password = "hunter2/ü"
      const cases: ReadonlyArray<readonly [number, string, RegExp]> = [
        [Number(direct.port), "", /password authentication failed/],
        [plain.port, "?sslmode=require", /offers no encryption, and sslmode=require asks for it/],
        [1, "", /ECONNREFUSED|Failed to connect/],
        [plain.port, "?sslmode=verify-full&sslrootcert=/nowhere", /its sslrootcert cannot be read/],
      ]
      for (const [port, search, problem] of cases) {
        const url = `postgres://postgres:${encodeURIComponent(password)}@localhost:${port}/mesh${search}`
        const said = Bun.inspect(yield* ask(url))
        assert.match(said, problem)
        for (const secret of ["hunter2", encodeURIComponent(password)]) assert.notInclude(said, secret)
      }
    }).pipe(Effect.scoped),
  )

  it.effect("that owes an answer is hung up on, encrypted or not", () =>
    Effect.gen(function* () {
      const url = new URL(yield* (yield* Postgres).freshDatabase)
      const certificate = { key: read("server.key"), cert: read("server.crt") }
      const { port } = yield* tlsProxyTo(Number(url.port), certificate)
      const encrypted = new URL(url.href)
      encrypted.port = String(port)
      encrypted.search = "sslmode=require"
      for (const { href } of [url, encrypted]) {
        const began = performance.now()
        const slow = yield* Effect.flatMap(SqlClient.SqlClient, (sql) =>
          sql`SELECT pg_sleep(3)`.pipe(Effect.provideService(StatementMillis, 300), Effect.exit),
        ).pipe(Effect.provide(postgres(Redacted.make(href)).pipe(Layer.provide(BunFileSystem.layer))))
        assert.isTrue(Exit.isFailure(slow))
        assert.isBelow(performance.now() - began, 2_000)
      }
    }).pipe(Effect.scoped),
  )

  for (const [how, refusesUnknown, search] of [
    ["that refuses what it cannot keep, which shows what it is,", true, ""],
    ["that says nothing, where pgbouncer=true says it,", false, "?pgbouncer=true"],
  ] as const) {
    it.effect(`behind a pooler ${how} needs nothing that outlives a transaction`, () =>
      Effect.gen(function* () {
        const direct = new URL(yield* (yield* Postgres).freshDatabase)
        const pooler = yield* poolerTo(direct, refusesUnknown)
        const url = new URL(direct.href)
        url.port = String(pooler.port)
        const environment = { DATABASE_URL: `${url.href}${search}`, BROKER_HOST: "127.0.0.1" }
        const broker = yield* startBroker({ environment })
        yield* Effect.promise(() => scenario(broker))
        assert.isAbove(pooler.transactions(), rounds)
      }).pipe(Effect.scoped),
    )
  }
})
