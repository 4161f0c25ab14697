/** An operator's look at the audit, as commands: while the broker runs, offline, and after somebody has been at the database (I29). */
import { Database } from "bun:sqlite"
import { readdir, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { makeMesh } from "../../../broker/test/support/Meshes.ts"
import { restartableBroker, temporaryFolder } from "../../../broker/test/support/TestBroker.ts"
import { claudemesh } from "../support/Agent.ts"
import { writeHome } from "../support/Homes.ts"
import { doneQuietly as done, inHome } from "../support/InHome.ts"

interface Stage {
  readonly folder: string
  readonly meshId: string
  readonly say: (text: string) => Promise<void>
  readonly audit: (...args: ReadonlyArray<string>) => ReturnType<typeof claudemesh>
  readonly end: () => Promise<void>
  /** With the broker gone. */
  readonly byHand: (...statements: ReadonlyArray<string>) => void
}

const scenario = (tell: (stage: Stage) => Promise<void>) =>
  Effect.scoped(
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const data = join(folder, "data")
      const broker = yield* restartableBroker(data)
      yield* Effect.promise(async () => {
        const mesh = await makeMesh(broker.origin, ["alice", "bob"])
        const alice = inHome(await writeHome(folder, "alice", [{ slug: "red", brokerUrl: broker.url, mesh }]))
        await tell({
          folder,
          meshId: mesh.meshId,
          say: async (text) => void done(await alice("send", "bob", text)),
          audit: (...args) => claudemesh(["audit", ...args], { BROKER_DATA_DIR: data }),
          end: broker.end,
          byHand: (...statements) => {
            const database = new Database(join(data, "broker.sqlite"))
            for (const statement of statements) database.run(statement)
            database.close()
          },
        })
      })
      assert.deepStrictEqual(
        (yield* Effect.promise(() => readdir(data))).filter((name) => !name.startsWith("broker.sqlite")),
        [],
      )
    }),
  )

const linesOf = (text: string): ReadonlyArray<Readonly<Record<string, unknown>>> =>
  text
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line))

describe.concurrent("audit", () => {
  it.live("is exported and checked while the broker runs, and offline by the key alone (I29)", () =>
    scenario(async ({ audit, folder, meshId, say }) => {
      for (const text of ["one", "two", "three"]) await say(text)
      const text = done(await audit("export"))
      const records = linesOf(text)
      const key = String(records[0]?.["key"])
      assert.match(key, /^[0-9a-f]{64}$/)
      assert.deepStrictEqual(
        records.slice(1).map(({ mesh, number, type }) => [type, mesh, number]),
        [1, 2, 3, 4].map((number) => ["block", meshId, number]),
      )
      assert.notInclude(text, "three")
      const whole = `${meshId}: whole. 4 blocks (1 to 4), 4 events, not signed yet.\n`
      assert.strictEqual(done(await audit("verify")), whole)
      const file = join(folder, "audit.jsonl")
      await writeFile(file, text)
      const offline = (...args: ReadonlyArray<string>) => claudemesh(["audit", "verify", file, ...args])
      assert.strictEqual(done(await offline("--key", key)), whole)
      const { code, stderr, stdout } = await offline()
      assert.deepStrictEqual([code, stdout], [0, whole])
      assert.match(stderr, new RegExp(`^Checked by the key ${key}, which is believed`))
      await writeFile(file, text.replace('"number":3', '"number":3 '))
      assert.strictEqual(done(await offline("--key", key)), whole, "a space of JSON is not of the block")
      await writeFile(file, text.replace(/("number":3.*?)message_accepted/, "$1message_refused"))
      assert.deepStrictEqual(await offline("--key", key), {
        code: 1,
        stdout: `${meshId}: block 3 was changed. It is not what its hash was made of. Up to block 2 it is whole.\n`,
        stderr: `claudemesh: The audit was altered in ${meshId}.\n`,
      })
      await writeFile(file, `${text}{"type":"block"}\n`)
      assert.match((await offline()).stderr, /^claudemesh: .*audit\.jsonl, line 6: this is not a line of an export/)
      assert.match(
        (await claudemesh(["audit", "verify", `${file}.not`])).stderr,
        /cannot be read: there is no such file/,
      )
    }),
  )

  it.live("shows what somebody did to the database, against what the broker has signed and what was kept (I29)", () =>
    scenario(async ({ audit, byHand, end, folder, meshId, say }) => {
      for (const text of ["one", "two", "three"]) await say(text)
      const kept = join(folder, "kept.jsonl")
      const printed = done(await audit("checkpoint"))
      assert.deepStrictEqual(
        linesOf(printed).map(({ kind, number, type }) => [type, kind, number]),
        [
          ["key", undefined, undefined],
          ["checkpoint", "head", 4],
        ],
      )
      await writeFile(kept, printed)
      await end()
      // It has signed its last block as it stopped.
      assert.strictEqual(
        done(await audit("verify", "--kept", kept)),
        `${meshId}: whole. 4 blocks (1 to 4), 4 events, signed up to block 4.\n`,
      )
      byHand("DELETE FROM audit_block WHERE number = 4")
      const cut = `${meshId}: block 4 is missing at the end. The broker has signed that there were more. Up to block 3 it is whole.\n`
      assert.deepInclude(await audit("verify"), { code: 1, stdout: cut })
      byHand("DELETE FROM audit_checkpoint")
      assert.strictEqual(
        done(await audit("verify")),
        `${meshId}: whole. 3 blocks (1 to 3), 3 events, not signed yet.\n`,
      )
      assert.deepInclude(await audit("verify", "--kept", kept), { code: 1, stdout: cut })
      byHand("DELETE FROM audit_block WHERE number = 2")
      assert.deepInclude(await audit("verify"), {
        code: 1,
        stdout: `${meshId}: block 2 is missing. Up to block 1 it is whole.\n`,
      })
      byHand("DELETE FROM audit_key", "DELETE FROM audit_block WHERE number = 3")
      assert.deepInclude(await audit("checkpoint"), { code: 1, stderr: "claudemesh: Nothing is recorded yet.\n" })
    }),
  )

  it.live("gives its events by who, what and when, to people and to programs", () =>
    scenario(async ({ audit, meshId, say }) => {
      await say("one")
      await say("two")
      const events = linesOf(done(await audit("export", "--format", "events")))
      assert.deepStrictEqual(
        events.map(({ event, recipients }) => [event, recipients]),
        [
          ["mesh_created", 2],
          ["message_accepted", 1],
          ["message_accepted", 1],
        ],
      )
      const { at, member, messageId } = events[2] ?? assert.fail()
      const one = await audit("export", "--format", "events", "--message", String(messageId))
      assert.deepStrictEqual(linesOf(done(one)), events.slice(2))
      const csv = done(
        await audit("export", "--format", "csv", "--member", String(member), "--from", String(at)),
      ).split("\n")
      assert.strictEqual(csv.length, 3)
      assert.match(csv[0] ?? "", /^mesh,block,seq,at,event,member,/)
      assert.match(csv[1] ?? "", new RegExp(`^${meshId},3,\\d+,${String(at)},message_accepted,${String(member)},`))
      const tail = done(await audit("tail", "-n", "1")).split("\n")
      assert.match(tail[0] ?? "", /^AT +MESH +EVENT +MEMBER +TO +MESSAGE$/)
      assert.include(tail[1], String(messageId))
      assert.strictEqual(tail.length, 3)
      assert.include(done(await audit("verify", "--from", String(at))), "whole. 1 blocks (3 to 3)")
      assert.strictEqual(done(await audit("verify", "--to", "2001-01-01")), "Nothing is recorded yet.\n")
      assert.match((await audit("verify", "--mesh", "other")).stderr, /^claudemesh: No audit of a mesh other was found/)
      const misused = await audit("export", "--from", "2026-01-01")
      assert.deepStrictEqual([misused.code, misused.stdout], [2, ""])
      assert.match((await audit("tail", "--from", "noon")).stderr, /"noon" is not a time\. Write it like 2026-11-24/)
    }),
  )

  it.live("says where there is no store", () =>
    Effect.promise(async () => {
      const { code, stderr } = await claudemesh(["audit", "verify"], { BROKER_DATA_DIR: "/nowhere/at/all" })
      assert.strictEqual(code, 1)
      assert.match(
        stderr,
        /^claudemesh: BROKER_DATA_DIR \/nowhere\/at\/all cannot be used: there is no such file or folder\.\n/,
      )
    }),
  )
})
