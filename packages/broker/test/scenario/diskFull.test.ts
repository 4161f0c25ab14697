/**
 * The disk of the embedded store is full: senders are told so, readiness says so, what is stored can be read, and all
 * is well by itself once there is room. On a small file system of its own, where one can be mounted.
 */
import { spawnSync } from "node:child_process"
import { mkdtempSync, rmSync } from "node:fs"
import { appendFile, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { SqlClient } from "effect/unstable/sql"
import { makeMesh } from "../support/Meshes.ts"
import { type Frame, RawClient, sendFrame, unseal } from "../support/RawClient.ts"
import { acceptOf, messageOf, sqliteInMemory, sqliteStoreOn } from "../support/Stores.ts"
import { commit, reasonOf, seqsOf } from "../support/StoreSuite.ts"
import { startBroker, type TestBroker } from "../support/TestBroker.ts"

const mount = (): string | undefined => {
  const folder = mkdtempSync(join(tmpdir(), "claudemesh-full-"))
  const { status } = spawnSync("mount", ["-t", "tmpfs", "-o", "size=4m,mode=700", "tmpfs", folder])
  if (status === 0) return folder
  rmSync(folder, { recursive: true })
  return undefined
}

const unmount = (folder: string): void => {
  spawnSync("umount", ["-l", folder])
  rmSync(folder, { recursive: true, force: true })
}

const smallDisk = Effect.acquireRelease(Effect.sync(mount), (folder) =>
  Effect.sync(() => (folder === undefined ? undefined : unmount(folder))),
)

const readyIn = async ({ origin }: TestBroker) => (await fetch(`${origin}/ready`)).status

const fill = async (file: string): Promise<void> => {
  for (const size of [65_536, 4_096]) {
    try {
      while (true) await appendFile(file, Buffer.alloc(size))
    } catch {
      // There is no room for another one.
    }
  }
}

const until = async (what: string, holds: () => Promise<boolean>) => {
  const deadline = performance.now() + 10_000
  while (!(await holds())) {
    if (performance.now() > deadline) throw new Error(`in vain: ${what}`)
    await Bun.sleep(50)
  }
}

const scenario = async (broker: TestBroker, filler: string): Promise<void> => {
  const mesh = await makeMesh(broker.origin)
  const [alice, bob] = [mesh.member("alice"), mesh.member("bob")]
  const sender = await RawClient.authenticatedV2(broker.url, alice)
  const reader = await RawClient.authenticatedV2(broker.url, bob)
  reader.send({ type: "set_status", id: "dnd", status: "dnd" })
  await reader.take("ok")
  const answerTo = async (id: string, text: string): Promise<Frame> => {
    sender.send(sendFrame(id, bob.keys.publicKey, text, alice.keys))
    const isIt = (frame: Frame) => frame["id"] === id
    await until(`an answer to ${id}`, async () => sender.frames.some(isIt))
    const [answer] = sender.frames.splice(sender.frames.findIndex(isIt), 1)
    if (answer === undefined) throw new Error("there was one")
    return answer
  }
  assert.strictEqual((await answerTo("before", "before")).type, "ack")
  assert.strictEqual(await readyIn(broker), 200)

  await fill(filler)
  let refused: Frame | undefined
  let stored = 1
  // What the log has room for is still taken.
  for (let count = 0; refused === undefined && count < 100; count++) {
    const began = performance.now()
    const answer = await answerTo(`m${count}`, "x".repeat(30_000))
    assert.isBelow(performance.now() - began, 2_000)
    if (answer.type === "error") refused = answer
    else stored += 1
  }
  assert.deepInclude(refused, { code: "unavailable", retryable: true })
  assert.match(String(refused?.["message"]), /cannot store it now/)
  await until("not ready", async () => (await readyIn(broker)) === 503)
  assert.include(await (await fetch(`${broker.origin}/`)).text(), "It cannot store anything now.")
  // It is alive, and gives what it has.
  assert.strictEqual((await fetch(`${broker.origin}/health`)).status, 200)
  reader.send({ type: "set_status", id: "idle", status: "idle" })
  assert.strictEqual(unseal(await reader.take("push"), bob.keys), "before")

  await rm(filler)
  await until("ready again", async () => (await readyIn(broker)) === 200)
  await until("a send is taken", async () => (await answerTo("after", "after")).type === "ack")
  await until("all of it arrives", async () => reader.frames.filter(({ type }) => type === "push").length >= stored)
  await Promise.all([sender.close(), reader.close()])
}

describe("a store whose file takes no more pages", () => {
  it.effect("refuses a batch as a whole, gives what it has, and takes the next one once there is room (I6)", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const large = acceptOf(messageOf(2, { ciphertext: "A".repeat(200_000) }))
      yield* commit(acceptOf(messageOf(1)))
      // SQLite makes it no smaller than what is there.
      yield* sql`PRAGMA mesh.max_page_count = 1`
      assert.strictEqual(yield* reasonOf(commit(acceptOf(messageOf(3)), large)), "unavailable")
      assert.deepStrictEqual(yield* seqsOf(), [1])
      yield* sql`PRAGMA mesh.max_page_count = 100000`
      yield* commit(acceptOf(messageOf(3)), large)
      assert.deepStrictEqual(yield* seqsOf(), [1, 2, 3])
    }).pipe(Effect.provide(sqliteStoreOn(sqliteInMemory))),
  )
})

describe("a broker whose disk is full", () => {
  it.live("says that it cannot store now, is not ready, still gives what it has, and is well by itself (I7, I24)", () =>
    Effect.gen(function* () {
      const folder = yield* smallDisk
      if (folder === undefined) return yield* Effect.logWarning("no small file system can be mounted here")
      const environment = { BROKER_DATA_DIR: folder }
      const broker = yield* startBroker({ environment, limits: { healthProbeMillis: 100 } })
      yield* Effect.promise(() => scenario(broker, join(folder, "filler")))
    }).pipe(Effect.scoped),
  )
})
