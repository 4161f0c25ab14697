import { assert, describe, it } from "@effect/vitest"
import { ClientMessageId, MeshId, PublicKey } from "../../src/Ids.ts"
import { messageIdOf } from "../../src/trust/MessageIdentity.ts"
import { alice, bob, mesh } from "../support/Cast.ts"

describe("messageIdOf", () => {
  it("is the first 16 bytes of a SHA-256 computed elsewhere", () => {
    assert.strictEqual(messageIdOf(mesh, alice, "id-1"), "eac0081648c7962157352158933b1bb9")
  })

  it("differs by mesh, by sender and by idempotency key", () => {
    const ids = [
      messageIdOf(mesh, alice, "id-1"),
      messageIdOf(MeshId.make("m2"), alice, "id-1"),
      messageIdOf(mesh, bob, "id-1"),
      messageIdOf(mesh, alice, "id-2"),
    ]
    assert.strictEqual(new Set(ids).size, ids.length)
  })

  it.prop(
    "is the same whenever it is computed, so that a resend is recognised (I7)",
    { meshId: MeshId, sender: PublicKey, key: ClientMessageId },
    ({ key, meshId, sender }) => assert.strictEqual(messageIdOf(meshId, sender, key), messageIdOf(meshId, sender, key)),
  )
})
