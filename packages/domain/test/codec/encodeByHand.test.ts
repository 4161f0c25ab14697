/** What is put together by hand is what the schemas and JSON make of it (I20). */
import { assert, describe, it } from "@effect/vitest"
import { BrokerFrame, encodeBrokerFrame } from "@claudemesh/domain/wire/BrokerFrame"
import { Result, Schema } from "effect"
import * as fc from "fast-check"

const hex = (length: number) => fc.constantFrom("0", "7", "f").map((digit) => digit.repeat(length))
const base64 = fc.constantFrom("AAAA", "AA==", "A/+=", "A".repeat(1_000))
const odd = fc.constantFrom(
  "a",
  'a"b',
  "a\\b",
  "a\nb",
  "\u0000",
  "\u007f",
  "é",
  "😀",
  "\ud800",
  "\udfff x",
  "\u2028",
  "</script>",
)
const name = fc.oneof(odd, fc.string({ unit: "binary", minLength: 1, maxLength: 8 }))

const push = fc.record(
  {
    type: fc.constant("push"),
    messageId: hex(32),
    meshId: fc.constantFrom("mesh", "0".repeat(32)),
    senderPubkey: hex(64),
    priority: fc.constantFrom("now", "next", "low"),
    nonce: fc.constant("A".repeat(32)),
    ciphertext: base64,
    createdAt: fc.constantFrom("2026-11-24T07:59:58.670Z", "2026-11-24T07:59:58.671Z"),
    senderSessionId: fc.constantFrom("s1", "a.b_c:d-e"),
    senderName: name,
    targetSpec: fc.oneof(odd, fc.constantFrom("*", "#a")),
    sealedKey: base64,
    replyTo: hex(32),
    redelivered: fc.boolean(),
  },
  { requiredKeys: ["type", "messageId", "meshId", "senderPubkey", "priority", "nonce", "ciphertext", "createdAt"] },
)
const ack = fc.record(
  {
    type: fc.constant("ack"),
    id: name,
    messageId: hex(32),
    queued: fc.constant(true),
    duplicate: fc.boolean(),
    recipients: fc.array(
      fc.record({ pubkey: hex(64), state: fc.constantFrom("delivered", "queued", "held", "full") }),
      { maxLength: 3 },
    ),
    unsealed: fc.array(hex(64), { maxLength: 3 }),
  },
  { requiredKeys: ["type", "id", "messageId", "queued"] },
)

const decode = Schema.decodeUnknownResult(BrokerFrame)
const encode = Schema.encodeSync(BrokerFrame)

const holds = (written: unknown): void => {
  const frame = decode(written)
  // A name that is none is no frame's.
  if (Result.isFailure(frame)) return
  assert.strictEqual(encodeBrokerFrame(frame.success), JSON.stringify(encode(frame.success)))
}

describe("encoding by hand", () => {
  it("gives of a push what its schema gives, also of several behind each other that have much in common (I20)", () => {
    fc.assert(
      fc.property(
        push,
        push,
        fc.array(fc.record({ sealedKey: base64, redelivered: fc.boolean() })),
        (one, other, own) => {
          for (const each of own) holds({ ...one, ...each })
          holds(other)
          holds({ ...other, ciphertext: "AA==" })
          holds(one)
        },
      ),
      { numRuns: 2_000 },
    )
  })

  it("gives of an ack what its schema gives (I20)", () => {
    fc.assert(fc.property(ack, holds), { numRuns: 2_000 })
  })

  it("takes what these tests make, so that they say something", () => {
    const [pushes, acks] = [fc.sample(push, 200), fc.sample(ack, 200)]
    for (const made of [pushes, acks]) {
      assert.isAbove(made.filter((one) => Result.isSuccess(decode(one))).length, 100)
    }
  })
})
