import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import { Base64, decodedBytes, Nonce } from "../src/Base64.ts"

const isBase64 = Schema.is(Base64)
const isNonce = Schema.is(Nonce)

describe("Base64", () => {
  it.prop("takes what a Buffer writes, and counts its bytes", { bytes: Schema.Uint8Array }, ({ bytes }) => {
    const text = Base64.make(Buffer.from(bytes).toString("base64"))
    assert.strictEqual(decodedBytes(text), bytes.length)
  })

  it.prop("counts the bytes that a Buffer reads", { text: Base64 }, ({ text }) => {
    assert.strictEqual(decodedBytes(text), Buffer.from(text, "base64").length)
  })

  it("takes each length of padding, and nothing", () => {
    for (const text of ["", "AA==", "AAE=", "AAEC", "AAECAA=="]) assert.isTrue(isBase64(text), text)
  })

  it("refuses what is not standard, or not whole", () => {
    const texts = [
      "A",
      "AA",
      "AAE",
      "AA=",
      "A===",
      "====",
      "=",
      "==",
      "AA==AA==",
      "AA=A",
      "AAE=A",
      "-_-_",
      "AA E",
      "AAEC\n",
      "\nAAE",
      "AAEé",
    ]
    for (const text of texts) assert.isFalse(isBase64(text), JSON.stringify(text))
  })

  it("takes sixteen megabytes: no length is refused for the pattern's sake", () => {
    const text = Buffer.alloc(16 * 1_048_576).toString("base64")
    assert.isTrue(isBase64(text))
    assert.isFalse(isBase64(`${text.slice(0, -1)}!`))
  })
})

describe("Nonce", () => {
  it("is the base64 of 24 bytes, and of no other number", () => {
    for (const length of [0, 23, 24, 25, 26, 32]) {
      assert.strictEqual(isNonce(Buffer.alloc(length, 1).toString("base64")), length === 24, `${length} bytes`)
    }
  })
})
