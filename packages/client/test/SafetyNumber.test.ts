import { MeshId, PublicKey } from "@claudemesh/domain/Ids"
import { sha512 } from "@noble/hashes/sha2.js"
import { assert, describe, it } from "@effect/vitest"
import { safetyNumber } from "../src/invite/SafetyNumber.ts"

const mesh = MeshId.make("mesh")
const alice = PublicKey.make("a1".repeat(32))
const bob = PublicKey.make("0b".repeat(32))

/** The same from what the comment says, with another library and other arithmetic. */
const secondOpinion = (meshId: string, ...keys: ReadonlyArray<string>): string =>
  [...keys]
    .sort()
    .map((hex) => {
      const key = Uint8Array.from(Buffer.from(hex, "hex"))
      let digest: Uint8Array = Buffer.concat([Buffer.from("claudemesh-safety-number-v1\n"), key, Buffer.from(meshId)])
      for (let round = 1; round <= 5_200; round++) digest = sha512(Buffer.concat([digest, key]))
      const groups: Array<string> = []
      for (let at = 0; at < 30; at += 5) {
        const number = [...digest.subarray(at, at + 5)].reduce((sum, byte) => sum * 256n + BigInt(byte), 0n)
        groups.push(String(number % 100_000n).padStart(5, "0"))
      }
      return groups.join(" ")
    })
    .join(" ")

describe("a safety number", () => {
  it("is sixty digits in twelve groups, and the same for both", () => {
    const number = safetyNumber(mesh, alice, bob)
    assert.match(number, /^\d{5}( \d{5}){11}$/)
    assert.strictEqual(safetyNumber(mesh, bob, alice), number)
  })

  it("is another one for another key, and in another mesh, of either side", () => {
    const number = safetyNumber(mesh, alice, bob)
    const mallory = PublicKey.make(`${alice.slice(0, -1)}2`)
    const others = [
      safetyNumber(mesh, mallory, bob),
      safetyNumber(mesh, alice, mallory),
      safetyNumber(MeshId.make("mesh2"), alice, bob),
      number,
    ]
    assert.strictEqual(new Set(others).size, 4)
  })

  it("is what a second implementation comes to", () => {
    assert.strictEqual(safetyNumber(mesh, alice, bob), secondOpinion(mesh, alice, bob))
    assert.strictEqual(safetyNumber(mesh, alice, alice), secondOpinion(mesh, alice, alice))
  })
})
