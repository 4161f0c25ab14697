import { assert, describe, it } from "@effect/vitest"
import { Effect, Option, Result, Schema } from "effect"
import { BrokerFrame, decodeBrokerFrame, encodeBrokerFrame } from "../../src/wire/BrokerFrame.ts"
import { decodeClientFrame, encodeClientFrame, HelloV1, HelloV2, RequestFrame } from "../../src/wire/ClientFrame.ts"
import { samples } from "../support/Samples.ts"

/** JSON knows no negative zero. */
const withoutNegativeZero = (value: unknown): unknown => JSON.parse(JSON.stringify(value))

describe("client frames", () => {
  const shapes = [HelloV1, HelloV2, ...RequestFrame.members]
  for (const shape of shapes) {
    const name = `${shape.fields.type.schema.literal}${shape === HelloV2 ? " v2" : ""}`
    it.effect(`${name} decodes to what was encoded (I20)`, () =>
      Effect.gen(function* () {
        for (const frame of yield* samples(shape)) {
          const decoded = Result.map(decodeClientFrame(encodeClientFrame(frame)), withoutNegativeZero)
          assert.deepStrictEqual(decoded, Result.succeed(withoutNegativeZero(frame)))
        }
      }),
    )
  }
})

describe("broker frames", () => {
  for (const shape of BrokerFrame.members) {
    const name = shape.fields.type.schema.literal
    it.effect(`${name} decodes to what was encoded (I20)`, () =>
      Effect.gen(function* () {
        for (const frame of yield* samples(shape)) {
          const decoded = Option.map(decodeBrokerFrame(encodeBrokerFrame(frame)), withoutNegativeZero)
          assert.deepStrictEqual(decoded, Option.some(withoutNegativeZero(frame)))
        }
      }),
    )

    it.effect(`${name} has its keys in the order of its schema, in whatever order they came`, () =>
      Effect.gen(function* () {
        const decode = Schema.decodeUnknownEffect(BrokerFrame)
        for (const frame of yield* samples(shape)) {
          const decoded = yield* decode(Object.fromEntries(Object.entries(frame).toReversed()))
          const inOrder = Object.keys(shape.fields).filter((key) => key in frame)
          assert.deepStrictEqual(Object.keys(decoded), inOrder)
        }
      }),
    )
  }

  it("ignores what it does not know", () => {
    for (const text of ["", "{", "null", "[]", "{}", `{"type":"later"}`, `{"type":"toString"}`, `{"type":"ok"}`]) {
      assert.isTrue(Option.isNone(decodeBrokerFrame(text)), text)
    }
  })
})
