/** What is decoded by hand is what the schemas give, for frames that are right, nearly right and wrong (I20). */
import { assert, describe, it } from "@effect/vitest"
import { decodeBySchema, decodeClientFrame } from "@claudemesh/domain/wire/ClientFrame"
import { clientAckByHand, sendByHand } from "@claudemesh/domain/wire/DecodeByHand"
import { Result } from "effect"
import * as fc from "fast-check"

const hex = (length: number) => "0123456789abcdef".repeat(length / 16)
/** Values at the edge of what some field takes, and some that none takes. */
const edges = [
  "",
  "*",
  "#",
  "#a",
  "#A",
  "tag:",
  "tag:x",
  "AAAA",
  "AA==",
  "A===",
  "AAAAA",
  "now",
  "next",
  "low",
  "soon",
  "a\n",
  "é",
  "x y",
  hex(32),
  hex(64),
  hex(64).toUpperCase(),
  `${hex(64)}/s`,
  `${hex(64)}/`,
  `${hex(64)}/a/b`,
  `${hex(32)}\n`,
  `#${"a".repeat(65)}`,
  "a".repeat(64),
  "a".repeat(65),
  "a".repeat(128),
  "a".repeat(129),
  "A".repeat(32),
  "A".repeat(256),
  "A".repeat(260),
  0,
  -0,
  1,
  1.5,
  -1,
  31_536_000,
  31_536_001,
  1e300,
  true,
  false,
  null,
  {},
  [],
]
const anything = fc.oneof(fc.constantFrom(...edges), fc.jsonValue())
const rightly = <A>(...right: ReadonlyArray<A>) =>
  fc.oneof({ weight: 6, arbitrary: fc.constantFrom(...right) }, { weight: 1, arbitrary: anything })
const sealedKey = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record(
      { key: rightly("AAAA", "AA==", "A".repeat(256)), pubkey: rightly(hex(64)), more: anything },
      { requiredKeys: ["key", "pubkey"] },
    ),
  },
  { weight: 1, arbitrary: anything },
)
const send = fc.record(
  {
    type: fc.constant("send"),
    id: rightly("a", "A.b_c:d-e", "a".repeat(64)),
    targetSpec: rightly("*", "#a", "tag:x", hex(64), `${hex(64)}/s`),
    priority: rightly("now", "next", "low"),
    nonce: rightly("A".repeat(32)),
    ciphertext: rightly("AAAA", "AA==", "AAA="),
    sealedKeys: fc.oneof(
      { weight: 4, arbitrary: fc.array(sealedKey, { maxLength: 3 }) },
      { weight: 1, arbitrary: anything },
    ),
    replyTo: rightly(hex(32)),
    ttlSeconds: rightly(1, 31_536_000),
    sessionId: rightly("s", "a".repeat(128)),
    more: anything,
  },
  { requiredKeys: ["type", "targetSpec", "priority", "nonce", "ciphertext"] },
)
const ack = fc.record({
  type: fc.constant("client_ack"),
  messageIds: fc.oneof(
    { weight: 6, arbitrary: fc.array(rightly(hex(32)), { maxLength: 4 }) },
    { weight: 1, arbitrary: fc.constantFrom(Array(500).fill(hex(32)), Array(501).fill(hex(32))) },
    { weight: 1, arbitrary: anything },
  ),
  more: anything,
})

describe("a frame that is decoded by hand", () => {
  it("is the one that the schema gives, is refused as the schema refuses it, and is decoded by hand whenever it is right (I20)", () => {
    const taken = { right: 0, refused: 0 }
    fc.assert(
      fc.property(fc.oneof(send, ack), (frame) => {
        const text = JSON.stringify(frame)
        const parsed = JSON.parse(text)
        const bySchema = decodeBySchema(frame.type, parsed)
        const byHand = frame.type === "send" ? sendByHand(parsed) : clientAckByHand(parsed)
        assert.deepStrictEqual(byHand, Result.getOrUndefined(bySchema))
        assert.strictEqual(JSON.stringify(byHand), JSON.stringify(Result.getOrUndefined(bySchema)))
        assert.deepStrictEqual(decodeClientFrame(text), bySchema)
        taken[byHand === undefined ? "refused" : "right"] += 1
      }),
      { numRuns: 3_000 },
    )
    assert.isAbove(taken.right, 300)
    assert.isAbove(taken.refused, 300)
  })
})
