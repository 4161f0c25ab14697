/** `DATABASE_URL` as libpq reads it: what is asked for is what is done, and what is not understood is named. */
import { assert, describe, it } from "@effect/vitest"
import { Redacted, Result } from "effect"
import { postgresTarget } from "../src/store/postgres/PostgresUrl.ts"

const read = (url: string) => postgresTarget(Redacted.make(url))

const modeIn = (parameters: string) =>
  Result.match(read(`postgres://a:hunter2@db.example/mesh?${parameters}`), {
    onFailure: (problem) => problem,
    onSuccess: ({ sslMode }) => sslMode,
  })

describe("sslmode", () => {
  it("is what libpq makes of it, and never less than what was asked for", () => {
    const table: ReadonlyArray<readonly [string, string]> = [
      ["", "prefer"],
      ["sslmode=disable", "disable"],
      ["sslmode=allow", "allow"],
      ["sslmode=prefer", "prefer"],
      ["sslmode=require", "require"],
      ["sslmode=verify-ca", "verify-ca"],
      ["sslmode=verify-full", "verify-full"],
      ["sslmode=require&sslrootcert=/ca.pem", "verify-ca"],
      ["sslmode=verify-full&sslrootcert=/ca.pem", "verify-full"],
      ["sslmode=require&sslrootcert=system", "verify-full"],
    ]
    for (const [parameters, mode] of table) assert.strictEqual(modeIn(parameters), mode, parameters)
  })

  it("that nobody knows is named, as is what would be ignored, and the password is not", () => {
    const table: ReadonlyArray<readonly [string, RegExp]> = [
      [
        "sslmode=no-verify",
        /sslmode "no-verify" is not one of disable, allow, prefer, require, verify-ca, verify-full/,
      ],
      ["sslmode=", /sslmode "" is not one of/],
      ["sslmode=Require", /sslmode "Require" is not one of/],
      ["ssl=true", /its ssl is not supported/],
      ["sslcert=/c.pem", /its sslcert is not supported/],
      ["channel_binding=require", /its channel_binding is not supported/],
      ["pgbouncer=maybe", /its pgbouncer is not true or false/],
    ]
    for (const [parameters, problem] of table) {
      assert.match(modeIn(parameters), problem, parameters)
      assert.notInclude(modeIn(parameters), "hunter2")
    }
  })
})

describe("the place of the database", () => {
  const placeIn = (url: string) => Result.map(read(url), ({ host, path, port }) => [host, port, path])

  it("is a host and a port, or a socket in a folder", () => {
    const table: ReadonlyArray<readonly [string, string, number, string | undefined]> = [
      ["postgres://db/mesh", "db", 5432, undefined],
      ["postgresql://a:b@[::1]:5433/mesh", "::1", 5433, undefined],
      ["postgres:///mesh", "localhost", 5432, undefined],
      ["postgres:///mesh?host=other&port=6432", "other", 6432, undefined],
      ["postgres:///mesh?host=/run/postgresql", "/run/postgresql", 5432, "/run/postgresql/.s.PGSQL.5432"],
      ["postgres://%2Frun%2Fpg/mesh", "/run/pg", 5432, "/run/pg/.s.PGSQL.5432"],
    ]
    for (const [url, ...place] of table) assert.deepStrictEqual(placeIn(url), Result.succeed(place), url)
  })

  it("is not guessed", () => {
    for (const url of ["mysql://db/mesh", "db:5432", "postgres://db/mesh?port=0", "postgres://db/mesh?port=x"]) {
      assert.isTrue(Result.isFailure(read(url)), url)
    }
  })
})
