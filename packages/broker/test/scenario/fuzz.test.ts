/** A real broker under broken frames: it stays up, answers with its own codes, and those beside it notice nothing. */
import { ErrorCode } from "@claudemesh/domain/wire/ErrorCode"
import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import { Chance, mutated } from "../../../domain/test/fuzz/Mutate.ts"
import { clientFrames } from "../../../domain/test/fuzz/Examples.ts"
import { makeMesh } from "../support/Meshes.ts"
import { type Identity, RawClient, sendFrame } from "../support/RawClient.ts"
import { withBroker } from "../support/TestBroker.ts"

const isErrorCode = Schema.is(ErrorCode)
/** Not 1011: the broker never failed. */
const closeCodes: ReadonlySet<number> = new Set([1008, 1009, 4008, 4009, 4029])

/** After the hello the examples are addressed within the mesh, so that what is accepted is also carried out. */
const requestsOf = (sender: Identity, other: Identity): ReadonlyArray<string> => [
  ...clientFrames.filter((text) => !text.includes(`"hello"`)),
  JSON.stringify(sendFrame("f1", other.keys.publicKey, "hello", sender.keys)),
  JSON.stringify(sendFrame("f2", `${other.keys.publicKey}/nobody`, "hello", sender.keys, { ttlSeconds: 60 })),
]

class Attacker {
  #client: RawClient | undefined
  readonly #heard = new Set<string>()
  reconnects = 0
  accepted = 0

  constructor(
    readonly connect: () => Promise<RawClient>,
    readonly examples: ReadonlyArray<string>,
  ) {}

  /** In groups, so that a socket that was closed over one frame takes few others with it. */
  async say(frames: number, chance: Chance): Promise<void> {
    for (let left = frames; left > 0; left -= 20) {
      const client = await this.#connected()
      for (let index = 0; index < 20; index++) client.send(mutated(this.examples, chance))
      client.send({ type: "no_such_type", id: `end-${left}` })
      await Promise.race([client.take("error", ({ id }) => id === `end-${left}`, 10_000), client.closed])
      for (const frame of client.frames.splice(0)) this.#hear(frame)
      client.texts.length = 0
    }
    await this.#client?.close()
    this.#client = undefined
  }

  async #connected(): Promise<RawClient> {
    if (this.#client !== undefined && this.#client.socket.readyState === WebSocket.OPEN) return this.#client
    if (this.#client !== undefined) {
      const { code } = await this.#client.closed
      assert.isTrue(closeCodes.has(code), `closed with ${code}`)
      this.reconnects += 1
    }
    this.#client = await this.connect()
    return this.#client
  }

  #hear(frame: RawClient["frames"][number]): void {
    if (frame.type !== "error") {
      this.accepted += 1
      return
    }
    this.#heard.add(String(frame["code"]))
    assert.isTrue(isErrorCode(frame["code"]), JSON.stringify(frame))
    assert.notStrictEqual(frame["code"], "internal", JSON.stringify(frame))
  }

  get heard(): ReadonlySet<string> {
    return this.#heard
  }
}

const heap = (): number => {
  Bun.gc(true)
  return process.memoryUsage().heapUsed
}

describe("a broker under broken frames", () => {
  it.live("stays up, does not grow, and serves the others as ever (I23, I24)", () =>
    withBroker(async ({ connections, origin, url }) => {
      const mesh = await makeMesh(origin, ["alice", "bob", "mallory", "victim"])
      const [alice, bob] = [mesh.member("alice"), mesh.member("bob")]
      const [mallory, victim] = [mesh.member("mallory"), mesh.member("victim")]
      const reader = await RawClient.authenticatedV2(url, bob)
      const writer = await RawClient.authenticatedV2(url, alice)

      const strangers = new Attacker(() => RawClient.open(url), clientFrames)
      const v1 = new Attacker(() => RawClient.authenticatedV1(url, mallory), requestsOf(mallory, victim))
      const v2 = new Attacker(() => RawClient.authenticatedV2(url, mallory), requestsOf(mallory, victim))

      const innocent = async (round: number) => {
        for (let index = 0; index < 20; index++) {
          const id = `r${round}-${index}`
          writer.send(sendFrame(id, bob.keys.publicKey, id, alice.keys))
          const ack = await writer.take("ack", (frame) => frame["id"] === id)
          await reader.take("push", ({ messageId }) => messageId === ack["messageId"])
          reader.send({ type: "client_ack", messageIds: [ack["messageId"]] })
        }
      }
      const round = (number: number, frames: number) =>
        Promise.all([
          innocent(number),
          ...[strangers, v1, v2].map((attacker, index) => attacker.say(frames, new Chance(number * 10 + index))),
        ])

      await round(1, 300)
      const before = heap()
      await round(2, 1_000)
      assert.isBelow(heap() - before, 67_108_864)

      assert.isTrue((await fetch(`${origin}/health`)).ok)
      assert.includeMembers([...strangers.heard], ["malformed", "unknown_type", "no_hello"])
      assert.includeMembers([...v2.heard], ["malformed", "unknown_type", "bad_target"])
      assert.isAbove(v1.accepted, 5)
      assert.isAbove(v2.accepted, 20)
      assert.isAbove(strangers.reconnects, 0)
      // Nothing the innocent did not ask for, and no error.
      assert.deepStrictEqual(
        [...writer.frames, ...reader.frames].filter(({ type }) => type === "error"),
        [],
      )
      await Promise.all([writer.close(), reader.close()])
      await Bun.sleep(50)
      assert.strictEqual(connections(), 0)
    }),
  )
})
