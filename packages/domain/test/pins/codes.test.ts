/** The codes that clients in the field act upon, written out: a change here is a change of the protocol. */
import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import { CloseCode, closeMeaning, isTerminalClose } from "../../src/wire/CloseCode.ts"
import { ErrorCode, isRetryable } from "../../src/wire/ErrorCode.ts"

describe("error codes", () => {
  it("and whether the same request may succeed later", () => {
    const retryable = Object.fromEntries(ErrorCode.literals.map((code) => [code, isRetryable(code)]))
    assert.deepStrictEqual(retryable, {
      malformed: false,
      unknown_type: false,
      no_hello: false,
      already_greeted: false,
      capacity: true,
      session_in_use: false,
      timestamp_skew: false,
      bad_signature: false,
      replayed: false,
      unauthorized: false,
      revoked: false,
      bad_target: false,
      unknown_target: false,
      unsealed: false,
      too_large: false,
      id_conflict: false,
      unknown_message: false,
      unsupported: false,
      rate_limited: true,
      backlog_full: true,
      flooding: true,
      busy: true,
      unavailable: true,
      internal: true,
    })
  })

  it("are a closed set", () => {
    for (const code of ["", "Malformed", "toString", "__proto__"]) assert.isFalse(Schema.is(ErrorCode)(code))
  })
})

describe("close codes", () => {
  it("and whether a client stops at them (I21)", () => {
    const terminal = Object.fromEntries(
      Object.entries(CloseCode).map(([name, { code, terminal: stop }]) => [name, [code, stop]]),
    )
    assert.deepStrictEqual<unknown>(terminal, {
      goingAway: [1001, false],
      notAdmitted: [1008, true],
      frameTooLarge: [1009, false],
      internal: [1011, false],
      tryAgainLater: [1013, false],
      kicked: [4001, true],
      revoked: [4002, true],
      replaced: [4003, true],
      noHello: [4008, false],
      protocolError: [4009, false],
      atCapacity: [4013, false],
      flooding: [4029, false],
    })
  })

  it("are looked up by number, and an unknown one is not terminal (I21)", () => {
    for (const entry of Object.values(CloseCode)) {
      assert.strictEqual(isTerminalClose(entry.code), entry.terminal)
      assert.strictEqual(closeMeaning(entry.code), entry.meaning)
    }
    for (const code of [1000, 1005, 1006, 1012, 4000, 4999]) {
      assert.isFalse(isTerminalClose(code))
      assert.strictEqual(closeMeaning(code), `closed with code ${code}`)
    }
  })

  it("are each one's own", () => {
    const codes = Object.values(CloseCode).map(({ code }) => code)
    assert.strictEqual(new Set(codes).size, codes.length)
  })
})
