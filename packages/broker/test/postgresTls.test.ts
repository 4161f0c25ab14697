/** `sslmode`, against servers that encrypt and one that does not: who is talked to, and whether anybody can listen. */
import { assert, layer } from "@effect/vitest"
import * as BunFileSystem from "@effect/platform-bun/BunFileSystem"
import { Effect, Exit, Layer, Redacted, References } from "effect"
import { SqlClient } from "effect/unstable/sql"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { StatementMillis } from "../src/store/Deadlines.ts"
import { postgres } from "../src/store/sql/Postgres.ts"
import { Postgres } from "./support/Postgres.ts"
import { tlsProxyTo } from "./support/TlsProxy.ts"

const folder = join(import.meta.dirname, "vectors/tls")
const rootCert = join(folder, "ca.crt")
const read = (name: string) => readFileSync(join(folder, name), "utf8")

const ask = (url: string) =>
  Effect.flatMap(SqlClient.SqlClient, (sql) => sql`SELECT repeat('x', 100000) AS text`).pipe(
    Effect.provide(postgres(Redacted.make(url)).pipe(Layer.provide(BunFileSystem.layer))),
    Effect.provideService(References.MinimumLogLevel, "None"),
    Effect.exit,
  )

layer(Postgres.layer, { excludeTestServices: true, timeout: "60 seconds" })("a connection to Postgres", (it) => {
  it.effect("is encrypted, verified or refused as sslmode says, and never plain where it asks for more", () =>
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
        assert.strictEqual(Exit.isSuccess(yield* ask(urlOf(host, encrypting.port, parameters))), encrypted, parameters)
        if (parameters !== "sslmode=disable") assert.strictEqual(encrypting.plain(), before, parameters)
        const said = plain.plain()
        assert.strictEqual(Exit.isSuccess(yield* ask(urlOf(host, plain.port, parameters))), unencrypted, parameters)
        if (!unencrypted) assert.strictEqual(plain.plain(), said, parameters)
      }
    }).pipe(Effect.scoped),
  )

  it.effect("ends when it owes an answer, encrypted or not", () =>
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
})
