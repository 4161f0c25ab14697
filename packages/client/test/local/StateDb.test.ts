import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs"
import { join } from "node:path"
import { Database } from "bun:sqlite"
import * as BunFileSystem from "@effect/platform-bun/BunFileSystem"
import { assert, layer } from "@effect/vitest"
import { Cause, Effect, Exit, Fiber, FileSystem, Layer } from "effect"
import { TestClock } from "effect/testing"
import { migrations } from "../../src/local/Migrations.ts"
import { StateDb } from "../../src/local/StateDb.ts"

const inFolder = Effect.gen(function* () {
  const folder = yield* (yield* FileSystem.FileSystem).makeTempDirectoryScoped()
  return { folder, home: join(folder, "home"), file: join(folder, "home", "state.db") }
})

/** As one process has it. */
const opened = (home: string) =>
  Effect.map(Layer.build(Layer.fresh(StateDb.layerIn(home))), (c) => Layer.succeedContext(c)).pipe(
    Effect.flatMap((built) => Effect.provide(StateDb, built, { local: true })),
  )

const put = (db: Database, key: string) =>
  db.query("INSERT INTO pending (kind, key, record, asked) VALUES ('test', ?, '{}', 0)").run(key)
const keys = (db: Database) =>
  db
    .query<{ key: string }, []>("SELECT key FROM pending ORDER BY key")
    .all()
    .map(({ key }) => key)

const modeOf = (path: string) => (statSync(path).mode & 0o777).toString(8)

layer(BunFileSystem.layer, { excludeTestServices: true })("the state of this machine", (it) => {
  it.effect("is in one file of mode 0600 in a folder of mode 0700, with all that SQLite puts beside it (I19)", () =>
    Effect.gen(function* () {
      const { file, home } = yield* inFolder
      const { transaction } = yield* opened(home)
      assert.isFalse(existsSync(home))
      yield* transaction((db) => put(db, "a"))
      assert.strictEqual(modeOf(home), "700")
      assert.sameMembers(readdirSync(home), ["state.db", "state.db-shm", "state.db-wal"])
      for (const name of readdirSync(home)) assert.strictEqual(modeOf(join(home, name)), "600")
      assert.isTrue(statSync(file).size > 0)
    }),
  )

  it.effect("is the same for all processes, and what one has written is what the next one reads", () =>
    Effect.gen(function* () {
      const { home } = yield* inFolder
      const [one, other] = [yield* opened(home), yield* opened(home)]
      yield* one.transaction((db) => put(db, "a"))
      assert.deepStrictEqual(yield* other.read(keys), ["a"])
      yield* other.transaction((db) => put(db, "b"), { durable: true })
      assert.deepStrictEqual(yield* one.read(keys), ["a", "b"])
    }),
  )

  it.effect("takes a transaction whole or not at all: what its body throws is a defect, and nothing is kept", () =>
    Effect.gen(function* () {
      const { home } = yield* inFolder
      const { read, transaction } = yield* opened(home)
      const exit = yield* Effect.exit(
        transaction((db) => {
          put(db, "a")
          throw new Error("power cut")
        }),
      )
      assert.isTrue(Exit.isFailure(exit) && Cause.hasDies(exit.cause))
      const wrong = yield* Effect.exit(transaction((db) => db.run("INSERT INTO nothing VALUES (1)")))
      assert.isTrue(Exit.isFailure(wrong) && Cause.hasDies(wrong.cause))
      assert.deepStrictEqual(yield* read(keys), [])
    }),
  )

  it.effect("waits for another process that writes, and meanwhile reads and does everything else", () =>
    Effect.gen(function* () {
      const { file, home } = yield* inFolder
      const { read, transaction } = yield* opened(home)
      yield* transaction((db) => put(db, "a"))
      const other = new Database(file)
      other.run("BEGIN IMMEDIATE")
      put(other, "b")
      const commit = Effect.gen(function* () {
        yield* Effect.sleep("300 millis")
        assert.deepStrictEqual(yield* read(keys), ["a"])
        other.run("COMMIT")
        other.close()
      })
      yield* Effect.all([transaction((db) => put(db, "c")), commit], { concurrency: 2 })
      assert.deepStrictEqual(yield* read(keys), ["a", "b", "c"])
    }),
  )

  it.effect("is opened at the first call, and again at the next one where that failed", () =>
    Effect.gen(function* () {
      const { file, home } = yield* inFolder
      writeFileSync(home, "")
      const { read } = yield* opened(home)
      assert.strictEqual((yield* Effect.flip(read(keys)))._tag, "HomeUnusable")
      rmSync(home)
      mkdirSync(home, { mode: 0o700 })
      writeFileSync(file, "this is no database, and longer than the head of one would be: ".repeat(20), { mode: 0o600 })
      const broken = yield* Effect.flip(read(keys))
      assert.strictEqual(broken._tag, "StateDbUnusable")
      assert.include(broken.message, file)
      assert.include(broken.message, "Move it away")
      renameSync(file, `${file}.broken`)
      assert.deepStrictEqual(yield* read(keys), [])
    }),
  )

  it.effect("is the file that is there now: one that was taken away or put back is not written to unseen", () =>
    Effect.gen(function* () {
      const { file, home } = yield* inFolder
      const { read, transaction } = yield* opened(home)
      yield* transaction((db) => put(db, "a"))
      for (const name of readdirSync(home)) rmSync(join(home, name))
      assert.deepStrictEqual(yield* read(keys), [])
      yield* transaction((db) => put(db, "b"))
      const other = new Database(file, { readonly: true })
      assert.deepStrictEqual(keys(other), ["b"])
      other.close()
    }),
  )

  it.effect("is not used while others may read it, and says what to run (I19)", () =>
    Effect.gen(function* () {
      const { file, home } = yield* inFolder
      const { read, transaction } = yield* opened(home)
      yield* transaction((db) => put(db, "a"))
      chmodSync(file, 0o644)
      for (const failed of [yield* Effect.flip(read(keys)), yield* Effect.flip((yield* opened(home)).read(keys))]) {
        assert.deepInclude(failed, { _tag: "SecretExposed", mode: "0644", command: `chmod 600 ${file}` })
      }
      chmodSync(file, 0o600)
      chmodSync(`${file}-wal`, 0o640)
      const failed = yield* Effect.flip((yield* opened(home)).read(keys))
      assert.deepInclude(failed, { _tag: "SecretExposed", command: `chmod 600 ${file}-wal` })
    }),
  )

  it.effect("is this program's, also when another process makes it while it is looked at", () =>
    Effect.gen(function* () {
      const { file, home } = yield* inFolder
      const found = Object.getOwnPropertyDescriptor(Database.prototype, "query")
      const asItWas = () => void Object.defineProperty(Database.prototype, "query", found ?? {})
      yield* Effect.addFinalizer(() => Effect.sync(asItWas))
      const byOther = () => {
        asItWas()
        const other = new Database(file)
        try {
          other.run(`${migrations.join(";")}; PRAGMA user_version = ${migrations.length}`)
        } catch {
          // It comes too early while the first one looks.
        }
        other.close()
      }
      // After each of the statements by which this process looks.
      for (const after of ["PRAGMA user_version", "SELECT 1 FROM sqlite_schema"]) {
        rmSync(home, { recursive: true, force: true })
        Object.defineProperty(Database.prototype, "query", {
          configurable: true,
          writable: true,
          value(this: Database, sql: string) {
            if (sql !== after) return this.prepare(sql)
            const got = this.prepare(sql).get()
            byOther()
            return { get: () => got }
          },
        })
        const { transaction, read } = yield* opened(home)
        yield* transaction((db) => put(db, after))
        assert.deepStrictEqual(yield* read(keys), [after])
      }
    }),
  )

  it.effect("of a newer program, or of another one, is left as it is", () =>
    Effect.gen(function* () {
      const { file, home } = yield* inFolder
      mkdirSync(home, { mode: 0o700 })
      const write = (statement: string) => {
        const db = new Database(file)
        db.run(statement)
        db.close()
        chmodSync(file, 0o600)
      }
      write("CREATE TABLE pending (what TEXT)")
      const { read } = yield* opened(home)
      assert.include((yield* Effect.flip(read(keys))).message, "another program")
      rmSync(file)
      write(`PRAGMA user_version = ${migrations.length + 1}`)
      const newer = yield* Effect.flip(read(keys))
      assert.include(newer.message, `version ${migrations.length + 1}`)
      assert.include(newer.message, "Update claudemesh")
    }),
  )

  it.effect("takes each step of its tables once, whoever comes first", () =>
    Effect.gen(function* () {
      const { home } = yield* inFolder
      const all = yield* Effect.forEach(Array.from({ length: 8 }), () => opened(home))
      yield* Effect.forEach(all, ({ transaction }, n) => transaction((db) => put(db, `${n}`)), {
        concurrency: "unbounded",
      })
      for (const { read } of all) assert.strictEqual((yield* read(keys)).length, 8)
      const { user_version: version } = yield* (yield* opened(home)).read(
        (db) => db.query<{ user_version: number }, []>("PRAGMA user_version").get() ?? { user_version: 0 },
      )
      assert.strictEqual(version, migrations.length)
    }),
  )

  it.effect("keeps nothing of what was removed", () =>
    Effect.gen(function* () {
      const { file, home } = yield* inFolder
      const { transaction } = yield* opened(home)
      const secret = "5ec4e7".repeat(20)
      yield* transaction((db) => put(db, secret))
      yield* transaction((db) => db.run("DELETE FROM pending"))
      const db = new Database(file)
      db.run("PRAGMA wal_checkpoint(TRUNCATE)")
      db.close()
      const fs = yield* FileSystem.FileSystem
      assert.notInclude(Buffer.from(yield* fs.readFile(file)).toString("latin1"), secret)
    }),
  )

  it.effect("lives as long as its layer where it is kept in memory", () =>
    Effect.gen(function* () {
      const { transaction } = yield* StateDb
      yield* transaction((db) => put(db, "a"))
      assert.deepStrictEqual(yield* (yield* StateDb).read(keys), ["a"])
    }).pipe(Effect.provide(StateDb.memory)),
  )
})

layer(BunFileSystem.layer)("the state of this machine, in use by another process", (it) => {
  it.effect("is an error of the call after 5 s", () =>
    Effect.gen(function* () {
      const { file, home } = yield* inFolder
      const { transaction } = yield* opened(home)
      yield* transaction((db) => put(db, "a"))
      const other = new Database(file)
      other.run("BEGIN IMMEDIATE")
      const call = yield* Effect.forkChild(Effect.exit(transaction((db) => put(db, "b"))))
      yield* TestClock.adjust("3 seconds")
      assert.isUndefined(call.pollUnsafe())
      yield* TestClock.adjust("2 seconds")
      const failed = yield* Effect.flip(Effect.flatten(Fiber.join(call)))
      assert.deepInclude(failed, { _tag: "StateDbUnusable", path: file, problem: "another process holds it" })
      other.run("ROLLBACK")
      other.close()
      yield* transaction((db) => put(db, "b"))
    }),
  )
})

layer(BunFileSystem.layer)("a folder for keys", (it) => {
  const refusal = (home: string) => Effect.flip(Effect.flatMap(opened(home), ({ read }) => read(keys)))

  it.effect("that is there and is not ours alone is refused, with what to run, and its mode is not changed (I19)", () =>
    Effect.gen(function* () {
      const { folder, home } = yield* inFolder
      mkdirSync(home)
      chmodSync(home, 0o755)
      const failed = yield* refusal(home)
      assert.strictEqual(failed._tag, "HomeUnusable")
      assert.include(failed.message, `chmod 700 ${home}`)
      assert.include(failed.message, "mode 0755")
      assert.strictEqual(modeOf(home), "755")

      const [shared, projects, dotted] = ["shared", "projects", ".claudemesh"].map((name) => join(folder, name))
      for (const [path = "", mode, file, command] of [
        [shared, 0o1777, undefined, `export CLAUDEMESH_HOME=${shared}/claudemesh`],
        [shared, 0o1777, "config.json", `export CLAUDEMESH_HOME=${shared}/claudemesh`],
        [projects, 0o755, "thesis.tex", `export CLAUDEMESH_HOME=${projects}/claudemesh`],
        [projects, 0o755, "config.json", `chmod 700 ${projects}`],
        [dotted, 0o750, "daemon.log", `chmod 700 ${dotted}`],
      ] as const) {
        mkdirSync(path, { recursive: true })
        chmodSync(path, mode)
        if (file !== undefined) writeFileSync(join(path, file), "")
        const before = readdirSync(path)
        assert.include((yield* refusal(path)).message, `Run: ${command}`)
        assert.strictEqual(statSync(path).mode & 0o7777, mode)
        assert.deepStrictEqual(readdirSync(path), before)
      }
      assert.include((yield* refusal("/")).message, "export CLAUDEMESH_HOME=/claudemesh")
    }),
  )

  it.effect("that is another user's, a file, or a link to nowhere is refused", () =>
    Effect.gen(function* () {
      const { folder, home } = yield* inFolder
      writeFileSync(home, "")
      assert.include((yield* refusal(home)).message, "it is a file and not a folder")
      const link = join(folder, "link")
      symlinkSync(join(folder, "nowhere"), link)
      assert.include((yield* refusal(link)).message, "it is a link to a folder that is not there")
      assert.include((yield* refusal(join(home, "below"))).message, "below")
      if (process.getuid?.() !== 0) return
      const others = join(folder, "others")
      mkdirSync(others, { mode: 0o700 })
      chownSync(others, 12_345, 12_345)
      assert.include((yield* refusal(others)).message, "it belongs to another user (uid 12345")
    }),
  )

  it.effect(
    "may be a link to one that is ours alone, and is made with the folders above it where it is not there",
    () =>
      Effect.gen(function* () {
        const { folder } = yield* inFolder
        const [real, link, deep] = [join(folder, "real"), join(folder, "link"), join(folder, "a", "b")]
        mkdirSync(real, { mode: 0o700 })
        symlinkSync(real, link)
        for (const home of [link, deep]) assert.deepStrictEqual(yield* (yield* opened(home)).read(keys), [])
        assert.isTrue(existsSync(join(real, "state.db")))
        assert.strictEqual(modeOf(deep), "700")
        chmodSync(real, 0o770)
        assert.include((yield* refusal(link)).message, "mode 0770")
      }),
  )
})
