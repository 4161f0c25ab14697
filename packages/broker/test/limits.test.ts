/** Pins the broker's bounds: a change of one is a decision, so it changes this table too. */
import { assert, describe, it } from "@effect/vitest"
import { brokerLimits } from "../src/Limits.ts"

describe("the broker's limits", () => {
  it("are these, each with its unit in its name (I23)", () => {
    assert.deepStrictEqual(brokerLimits, {
      connectionsMax: 10_000,
      helloTimeoutMillis: 5_000,
      inboundFramesMax: 256,
      outboundBacklogBytesMax: 4 * 1024 * 1024,
      sendsUnderWayMax: 64,
      meshMailboxMax: 1_024,
      meshIdleMillis: 180_000,
      sessionsPerMeshMax: 50_000,
      sealedKeysMax: 500,
      commitWritesMax: 256,
      commitCharactersMax: 1024 * 1024,
      pageRowsMax: 64,
      healthTimeoutMillis: 2_000,
      drainTimeoutMillis: 5_000,
      httpBodyBytesMax: 64 * 1024,
      messageTtlMillis: 604_800_000,
    })
  })

  it("keep an idle mesh longer than a v1 hello can be replayed (I3)", () => {
    const helloGoodForMillis = 2 * 60_000
    assert.isAbove(brokerLimits.meshIdleMillis, helloGoodForMillis)
  })
})
