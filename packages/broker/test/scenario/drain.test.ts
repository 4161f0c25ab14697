/** The end of a broker: nobody waits for what cannot come, and its clients do not all come back at once. */
import { CloseCode } from "@claudemesh/domain/wire/CloseCode"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Scope } from "effect"
import { makeMesh } from "../support/Meshes.ts"
import { RawClient, sendFrame } from "../support/RawClient.ts"
import { startBroker } from "../support/TestBroker.ts"

describe("a broker that drains", () => {
  it.live("does not wait for connections that were replaced with 300 sends each under way (I23)", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const broker = yield* Scope.provide(startBroker(), scope)
      yield* Effect.promise(async () => {
        const mesh = await makeMesh(broker.origin)
        const [alice, bob] = [mesh.member("alice"), mesh.member("bob")]
        const replaced: Array<RawClient> = []
        for (let round = 0; round < 6; round++) {
          const client = await RawClient.authenticatedV2(broker.url, alice, { sessionId: "the-same" })
          for (let n = 0; n < 300; n++) {
            client.send(sendFrame(`${round}-${n}`, bob.keys.publicKey, "hello", alice.keys))
          }
          replaced.push(client)
        }
        await RawClient.authenticatedV2(broker.url, alice, { sessionId: "the-same" })
        for (const client of replaced) assert.strictEqual((await client.closed).code, CloseCode.replaced.code)
      })
      const begun = performance.now()
      yield* Scope.close(scope, Exit.void)
      assert.isBelow(performance.now() - begun, 2_000)
    }),
  )
})
