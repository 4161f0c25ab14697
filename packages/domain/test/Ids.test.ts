import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import * as Ids from "../src/Ids.ts"

const hex = (length: number) => "0123456789abcdef".repeat(8).slice(0, length)

const table = {
  MeshId: { takes: ["m", "M_1-x", "x".repeat(64)], refuses: ["", "x".repeat(65), "a|b", "a/b", "a.b", "a b", "a\n"] },
  MemberId: { takes: ["m", "M_1-x", "x".repeat(64)], refuses: ["", "x".repeat(65), "a|b", "a/b", "a.b", "a b", "a\n"] },
  SessionId: {
    takes: ["23537-1795507198663", "a.b_c:d-e", "x".repeat(128)],
    refuses: ["", "x".repeat(129), "a/b", "a|b", "a\n"],
  },
  PresenceId: { takes: ["p-1", "x".repeat(64)], refuses: ["", "x".repeat(65), "a_b", "a/b"] },
  ClientMessageId: { takes: ["0a48fbe4ca252a6b", "x".repeat(64)], refuses: ["", "x".repeat(65), "a\nb", "a b"] },
  MessageId: { takes: [hex(32)], refuses: [hex(31), hex(33), hex(32).toUpperCase()] },
  RequestId: { takes: ["r1", "x".repeat(64)], refuses: ["", "x".repeat(65), "a b"] },
  PublicKey: { takes: [hex(64)], refuses: [hex(63), hex(65), hex(64).toUpperCase(), `${hex(64)}\n`] },
  SecretKey: { takes: [hex(128)], refuses: [hex(127), hex(64), hex(128).toUpperCase()] },
  Signature: { takes: [hex(128)], refuses: [hex(127), hex(64), hex(128).toUpperCase()] },
  Slug: { takes: ["a", "team-1", "0", "x".repeat(32)], refuses: ["", "-a", "A", "a_b", "a.b", "x".repeat(33)] },
  Label: { takes: ["a", "v1.2_x-y", "x".repeat(64)], refuses: ["", ".a", "-a", "A", "#a", "a b", "x".repeat(65)] },
  DisplayName: {
    takes: ["Alice", "Zoë Müller", "李雷", "x".repeat(64), "\u{1f600}".repeat(64), "O'Brien (laptop) <a>"],
    refuses: [
      "",
      " ",
      " a",
      "a ",
      "x".repeat(65),
      "a\nb",
      "a\tb",
      "a\u0000b",
      "a\u007fb",
      "a\u0085b",
      "a\u2028b",
      "a\u2029b",
      "a\u001b[31mb",
      "\u200bzero width",
      "right\u202eleft",
      "\u00a0a",
      "lone \ud800 surrogate",
      "lone \udc00 surrogate",
    ],
  },
} satisfies Record<string, { takes: ReadonlyArray<string>; refuses: ReadonlyArray<string> }>

describe("ids", () => {
  it("are all in this table", () => assert.sameMembers(Object.keys(table), Object.keys(Ids)))

  for (const [name, id] of Object.entries(Ids)) {
    const examples = Object.entries(table).find(([key]) => key === name)?.[1]
    const is = Schema.is(id)
    it(`${name} takes its examples and refuses what is near them`, () => {
      for (const text of examples?.takes ?? []) assert.isTrue(is(text), JSON.stringify(text))
      for (const text of examples?.refuses ?? []) assert.isFalse(is(text), JSON.stringify(text))
    })
  }
})
