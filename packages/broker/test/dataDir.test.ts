/** A folder that the broker cannot keep its data in: it says which one, why, and what to do. */
import { spawnSync } from "node:child_process"
import { mkdirSync, writeFileSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { Broker } from "../src/Broker.ts"
import { brokerConfigOf } from "../src/Config.ts"
import { temporaryFolder } from "./support/TestBroker.ts"

const start = Effect.fnUntraced(function* (dataDir: string) {
  const config = yield* brokerConfigOf({ BROKER_PORT: "0", BROKER_DATA_DIR: dataDir, LOG_LEVEL: "none" })
  yield* Effect.scoped(Layer.build(Broker.layer(config)))
})

const refusalOf = (dataDir: string) => Effect.map(Effect.flip(start(dataDir)), (error) => error.message)

const mounted = (folder: string, options: string) =>
  Effect.acquireRelease(
    Effect.sync(() => spawnSync("mount", ["-t", "tmpfs", "-o", options, "tmpfs", folder]).status === 0),
    () => Effect.sync(() => spawnSync("umount", ["-l", folder])),
  )

describe("a broker that cannot use its folder", () => {
  it.live("names the folder and the damage of a file that is not its database", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      writeFileSync(`${folder}/broker.sqlite`, "this is something else, and long enough to be looked at".repeat(100))
      const message = yield* refusalOf(folder)
      assert.match(message, /^BROKER_DATA_DIR .*: its broker.sqlite is damaged; put a backup in its place/)
      assert.include(message, folder)
      assert.notInclude(message, "DATABASE_URL")
    }).pipe(Effect.scoped),
  )

  it.live("names the folder and the damage of a database that is broken in its middle", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      yield* start(folder)
      const file = Bun.file(`${folder}/broker.sqlite`)
      const bytes = new Uint8Array(yield* Effect.promise(() => file.arrayBuffer()))
      bytes.fill(0xff, 4_096)
      writeFileSync(`${folder}/broker.sqlite`, bytes)
      assert.match(yield* refusalOf(folder), /^BROKER_DATA_DIR .*: its broker.sqlite is damaged/)
    }).pipe(Effect.scoped),
  )

  it.live("names the folder where a file is in its way", () =>
    Effect.gen(function* () {
      const folder = `${yield* temporaryFolder}/data`
      writeFileSync(folder, "")
      const message = yield* refusalOf(folder)
      assert.match(message, /^BROKER_DATA_DIR .*: it is a file and not a folder$/)
      assert.include(message, folder)
    }).pipe(Effect.scoped),
  )

  it.live("names the folder and the disk that is full, or may not be written to", () =>
    Effect.gen(function* () {
      const parent = yield* temporaryFolder
      for (const [name, options, problem] of [
        ["full", "size=12k", /its disk is full; make room/],
        ["closed", "ro", /its files cannot be read or written; check their owner and mode/],
      ] as const) {
        const folder = `${parent}/${name}`
        mkdirSync(folder)
        if (!(yield* mounted(folder, options))) continue
        const message = yield* refusalOf(folder)
        assert.include(message, `BROKER_DATA_DIR ${folder}`)
        assert.match(message, problem)
      }
    }).pipe(Effect.scoped),
  )
})
