/** The broker's own view of keys that are none: nobody becomes a member with one, and nothing is proved by one. */
import { Signature } from "@claudemesh/domain/Ids"
import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { badPoints } from "../../domain/test/vectors/BadPoints.ts"
import { Ed25519 } from "../src/trust/Ed25519.ts"

layer(Ed25519.layer)("a point of small order, or one written in a second way", (it) => {
  it.effect("is no usable key", () =>
    Effect.gen(function* () {
      const { isUsableKey } = yield* yield* Ed25519
      for (const point of badPoints) assert.isFalse(isUsableKey(point), point)
    }),
  )

  it.effect("proves no hello, under any signature made of such points (I3)", () =>
    Effect.gen(function* () {
      const { verify } = yield* yield* Ed25519
      for (const key of badPoints) {
        for (const r of badPoints) {
          assert.isFalse(verify("m1|mem-alice|key|0", Signature.make(r + "00".repeat(32)), key), `${key} ${r}`)
        }
      }
    }),
  )
})
