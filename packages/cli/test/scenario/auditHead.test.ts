/**
 * A member's machine against its broker's operator: whoever restores a backup, or replaces the history by another one that is whole in itself,
 * is named by what members kept, on a real broker and with real clients (I29).
 */
import { Database } from "bun:sqlite"
import { cp, rm, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { type AuditBlock, blockHash, chainBegins } from "@claudemesh/domain/audit/AuditBlock"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { makeMesh } from "../../../broker/test/support/Meshes.ts"
import { restartableBroker, temporaryFolder } from "../../../broker/test/support/TestBroker.ts"
import { claudemesh, type Ran } from "../support/Agent.ts"
import { writeHome } from "../support/Homes.ts"
import { doneQuietly as done, inHome } from "../support/InHome.ts"

type Run = (...args: ReadonlyArray<string>) => Promise<Ran>

interface Stage {
  readonly folder: string
  readonly data: string
  readonly meshId: string
  readonly alice: Run
  readonly bob: Run
  readonly audit: Run
  readonly end: () => Promise<void>
  /** The head that a broker tells is read anew. */
  readonly again: () => Promise<void>
}

const scenario = (tell: (stage: Stage) => Promise<void>) =>
  Effect.scoped(
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const data = join(folder, "data")
      const broker = yield* restartableBroker(data)
      yield* Effect.promise(async () => {
        const mesh = await makeMesh(broker.origin, ["alice", "bob"])
        const homeOf = async (name: string) =>
          inHome(await writeHome(folder, name, [{ slug: "red", brokerUrl: broker.url, mesh }]))
        await tell({
          folder,
          data,
          meshId: mesh.meshId,
          alice: await homeOf("alice"),
          bob: await homeOf("bob"),
          audit: (...args) => claudemesh(["audit", ...args], { BROKER_DATA_DIR: data }),
          end: broker.end,
          again: async () => {
            await broker.end()
            await broker.beginAgain()
          },
        })
      })
    }),
  )

/** What who can write to the database, and read its key, can do best: every block anew, in a chain that is whole, and nothing of what was signed. */
const rewrite = (data: string, meshId: string): void => {
  const database = new Database(join(data, "broker.sqlite"))
  const rows = database
    .query<Omit<AuditBlock, "mesh" | "atMillis" | "previous" | "hash"> & { at: number }, []>(
      "SELECT number, at, total, actors, events FROM audit_block WHERE number IS NOT NULL ORDER BY number",
    )
    .all()
  let previous = chainBegins
  for (const { actors, at, events, number, total } of rows) {
    const block = {
      mesh: meshId,
      number,
      previous,
      atMillis: at,
      total,
      actors,
      events: events.replace('"message_accepted"', '"message_rejected"'),
    }
    const hash = blockHash(block)
    database
      .query("UPDATE audit_block SET previous = unhex(?), hash = unhex(?), events = ? WHERE number = ?")
      .run(previous, hash, block.events, number)
    previous = hash
  }
  database.run("DELETE FROM audit_checkpoint")
  database.close()
}

const line = /^red: block (\d+) ([0-9a-f]{64}), signed at \d{4}-\S+Z by the audit key [0-9a-f]{16}\n$/

describe.concurrent("what a member's machine keeps of the audit", () => {
  it.live("is one line to be compared with another member's, also where the broker is away", () =>
    scenario(async ({ again, alice, audit, bob, end }) => {
      assert.match(done(await alice("audit", "head")), line)
      done(await alice("send", "bob", "one"))
      await again()
      const [hers, his] = [done(await alice("audit", "head")), done(await bob("audit", "head"))]
      assert.match(hers, line)
      assert.strictEqual(hers, his)
      const [asData] = JSON.parse(done(await alice("audit", "head", "--json")))
      assert.deepInclude(asData, { mesh: "red", block: Number(line.exec(hers)?.[1]), hash: line.exec(hers)?.[2] })
      assert.deepStrictEqual(asData.warnings, [])
      assert.include(done(await audit("verify")), `(1 to ${asData.block})`)
      assert.match(
        done(await alice("doctor")),
        /red: audit: all that the broker has told of its audit goes on .* up to/,
      )
      await end()
      const { code, stderr, stdout } = await alice("audit", "head")
      assert.deepStrictEqual([code, stdout], [0, hers])
      assert.match(stderr, /^claudemesh: red: .* What was kept earlier is shown\.\n/)
    }),
  )

  it.live("follows an audit key that is rotated, as does who checks an export by the first one (I29)", () =>
    scenario(async ({ again, alice, audit, end, folder }) => {
      done(await alice("send", "bob", "one"))
      const first = done(await alice("audit", "head", "--json"))
      const running = await audit("rotate")
      assert.strictEqual(running.code, 1)
      assert.match(running.stderr, /another broker is using it; stop that one/)
      await end()
      const [, second = "", before = ""] =
        /^The audit key is ([0-9a-f]{64}) from now on\. It was ([0-9a-f]{64}),/.exec(done(await audit("rotate"))) ?? []
      const [kept] = JSON.parse(first)
      assert.strictEqual(kept.key, before)
      await again()
      done(await alice("send", "bob", "two"))
      await again()
      const status = await alice("status")
      assert.notMatch(`${status.stdout}${status.stderr}`, /audit key|record/)
      const [now] = JSON.parse(done(await alice("audit", "head", "--json")))
      assert.deepStrictEqual([now.key, now.warnings], [second, []])
      assert.isAbove(now.block, kept.block)
      const file = join(folder, "audit.jsonl")
      const text = done(await audit("export"))
      await writeFile(file, text)
      for (const key of [before, second])
        assert.match(done(await audit("verify", file, "--key", key)), /: whole\. .*, signed up to block \d+\.\n$/)
      await writeFile(file, text.replace(/^\{"type":"rotation".*\n/m, ""))
      assert.match((await audit("verify", file, "--key", before)).stdout, /is not signed by the audit key/)
      assert.include(done(await audit("checkpoint")), '"type":"rotation"')
    }),
  )

  it.live("says that a backup was restored, once, and goes on (I29)", () =>
    scenario(async ({ again, alice, audit, data, end, folder, meshId }) => {
      done(await alice("send", "bob", "one"))
      await end()
      await cp(data, join(folder, "backup"), { recursive: true })
      await again()
      done(await alice("send", "bob", "two"))
      done(await alice("send", "bob", "three"))
      await again()
      const before = done(await alice("audit", "head"))
      await end()
      await rm(data, { recursive: true })
      await cp(join(folder, "backup"), data, { recursive: true })
      await again()
      const cut =
        /the broker's record was cut back: it had signed block \d+ on .* a backup restored by its operator looks/
      const first = await alice("status")
      assert.strictEqual(first.code, 0)
      assert.match(`${first.stdout}${first.stderr}`, cut)
      const second = await alice("status")
      assert.notMatch(`${second.stdout}${second.stderr}`, /cut back/)
      const kept = join(folder, "kept.jsonl")
      await writeFile(kept, done(await alice("audit", "head", "--records")))
      assert.include(done(await audit("verify")), "whole")
      const against = await audit("verify", "--kept", kept)
      assert.strictEqual(against.code, 1)
      assert.match(against.stdout, new RegExp(`^${meshId}: blocks? \\d+.* missing at the end\\.`))
      done(await alice("send", "bob", "four"))
      const { stdout } = await alice("doctor")
      assert.match(stdout, /warning {2}red: audit: the broker's record was cut back/)
      assert.match(stdout, /Ask the broker's operator whether a backup was restored/)
      const now = done(await alice("audit", "head"))
      assert.match(now, /^red: block \d+ .*\n {2}found at .*: the broker's record was cut back/)
      assert.isBelow(Number(/block (\d+)/.exec(now)?.[1]), Number(line.exec(before)?.[1]))
    }),
  )

  it.live(
    "says that the history was replaced by another one of that length, and shows it where it is longer (I29)",
    () =>
      scenario(async ({ again, alice, audit, bob, data, end, folder, meshId }) => {
        for (const text of ["one", "two"]) done(await alice("send", "bob", text))
        await again()
        done(await alice("audit", "head"))
        const kept = join(folder, "kept.jsonl")
        await end()
        rewrite(data, meshId)
        await again()
        const { stderr, stdout } = await alice("status")
        assert.match(
          `${stdout}${stderr}`,
          /the broker's record was rewritten: it had signed block \d+ on .* and now has another/,
        )
        done(await bob("audit", "head"))
        await end()
        rewrite(data, meshId)
        await again()
        // A longer one says nothing by itself: what was kept does.
        for (const text of ["three", "four"]) done(await bob("send", "alice", text))
        await again()
        assert.match(done(await bob("audit", "head")), line)
        assert.include(done(await audit("verify")), "whole")
        await writeFile(kept, done(await alice("audit", "head", "--records")))
        const against = await audit("verify", "--kept", kept)
        assert.strictEqual(against.code, 1)
        assert.match(against.stdout, new RegExp(`^${meshId}: the history was rewritten\\. Block \\d+ is another one`))
      }),
  )
})
