/** A backup of the embedded store while a broker writes to it, shown by what a broker that begins with it gives its clients. */
import { existsSync, mkdirSync, readdirSync, renameSync, statSync, writeFileSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { backUp } from "../../src/store/sqlite/Backup.ts"
import { brokerProcess } from "../support/BrokerProcess.ts"
import { makeMesh, type TestMesh } from "../support/Meshes.ts"
import { RawClient, sendFrame } from "../support/RawClient.ts"
import { temporaryFolder, withBroker } from "../support/TestBroker.ts"

/** Alice sends to Bob, who is away, until she is told to stop. */
const load = (alice: RawClient, mesh: TestMesh) => {
  const [to, { keys }] = [mesh.member("bob").keys.publicKey, mesh.member("alice")]
  const acked: Array<string> = []
  let sent = 0
  const next = (): void => {
    sent += 1
    alice.send(sendFrame(`m${sent}`, to, `hello ${"x".repeat(2_000)}`, keys))
  }
  let ended: (() => void) | undefined
  alice.socket.addEventListener("message", ({ data }) => {
    const frame = JSON.parse(String(data))
    if (frame.type !== "ack") return
    acked.push(frame.id)
    if (ended === undefined) next()
    else if (acked.length === sent) ended()
  })
  for (let n = 0; n < 16; n++) next()
  return {
    acked,
    end: () => new Promise<void>((resolve) => (ended = resolve)),
  }
}

const until = async (isDone: () => boolean): Promise<void> => {
  for (let tries = 0; tries < 1_000 && !isDone(); tries++) await Bun.sleep(10)
  assert.isTrue(isDone())
}

/** Bob reads all that waits for him. */
const readAll = async (url: string, mesh: TestMesh, count: number): Promise<ReadonlySet<string>> => {
  const bob = await RawClient.authenticatedV2(url, mesh.member("bob"))
  const ids = new Set<string>()
  bob.socket.addEventListener("message", ({ data }) => {
    const frame = JSON.parse(String(data))
    if (frame.type !== "push") return
    ids.add(frame.messageId)
    bob.send({ type: "client_ack", messageIds: [frame.messageId] })
  })
  for (const frame of bob.frames.filter(({ type }) => type === "push")) {
    ids.add(String(frame["messageId"]))
    bob.send({ type: "client_ack", messageIds: [frame["messageId"]] })
  }
  await until(() => ids.size >= count)
  await bob.settled()
  await bob.close()
  return ids
}

describe("a backup", () => {
  it.live("under load holds all that was acked before it, and a broker that begins with it goes on from there", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const [dataDir, restored, file] = [`${folder}/data`, `${folder}/restored`, `${folder}/backup.sqlite`]
      const broker = yield* brokerProcess({ BROKER_DATA_DIR: dataDir })
      const mesh = yield* Effect.promise(() => makeMesh(broker.origin))
      const alice = yield* Effect.promise(() => RawClient.authenticatedV2(broker.url, mesh.member("alice")))
      const { acked, end } = load(alice, mesh)
      yield* Effect.promise(() => until(() => acked.length > 300))
      const before = acked.length
      const { meshes, waiting } = yield* backUp(dataDir, file)
      const after = acked.length
      yield* Effect.promise(() => until(() => acked.length > after + 50))
      yield* Effect.promise(end)
      assert.strictEqual(meshes, 1)
      assert.isAtLeast(waiting, before)
      // What was on its way is in it or is not.
      assert.isAtMost(waiting, after + 16)
      assert.deepStrictEqual(
        readdirSync(folder).filter((name) => name.startsWith("backup")),
        ["backup.sqlite"],
      )
      assert.strictEqual(statSync(file).mode & 0o777, 0o600)

      mkdirSync(restored, { mode: 0o700 })
      renameSync(file, `${restored}/broker.sqlite`)
      yield* withBroker(
        async ({ url }) => {
          const again = await RawClient.authenticatedV2(url, mesh.member("alice"))
          const [first, last] = ["m1", acked.at(-1) ?? ""]
          const to = mesh.member("bob").keys.publicKey
          // The one is known, the other has gone with what came after the backup: a client that sends it again has it delivered.
          for (const id of [last]) again.send(sendFrame(id, to, "hello again", mesh.member("alice").keys))
          assert.include(await again.take("ack"), { id: last })
          again.send(sendFrame(first, to, "another text", mesh.member("alice").keys))
          assert.include(await again.take("error"), { id: first, code: "id_conflict" })
          const ids = await readAll(url, mesh, waiting + 1)
          assert.strictEqual(ids.size, waiting + 1)
        },
        { environment: { BROKER_DATA_DIR: restored } },
      )
    }).pipe(Effect.scoped),
  )

  it.live("says why there is none, and leaves nothing behind", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const why = (dataDir: string, target: string) =>
        Effect.map(Effect.flip(backUp(dataDir, target)), ({ message }) => message)
      assert.include(yield* why(folder, `${folder}/b`), "/broker.sqlite. Set BROKER_DATA_DIR as the broker has it.")
      writeFileSync(`${folder}/broker.sqlite`, "this is something else, and long enough to be looked at".repeat(100))
      yield* Effect.sleep(30)
      assert.match(yield* why(folder, `${folder}/b`), /\/b: .*No backup was made\.$/)
      assert.include(yield* why(folder, `${folder}/none/b`), "there is no such file or folder")
      writeFileSync(`${folder}/there`, "")
      assert.include(yield* why(folder, `${folder}/there`), "is there already")
      assert.isFalse(existsSync(`${folder}/b`))
      assert.lengthOf(readdirSync(folder), 2)
    }).pipe(Effect.scoped),
  )
})
