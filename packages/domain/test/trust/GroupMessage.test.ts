import { assert, describe, it } from "@effect/vitest"
import { createHash } from "node:crypto"
import { ClientMessageId, type PublicKey, Signature } from "../../src/Ids.ts"
import { IsoTime } from "../../src/IsoTime.ts"
import { encodeGroupMessage, readGroupMessage } from "../../src/trust/GroupMessage.ts"
import { encodeEnvelope, type Envelope, Plaintext } from "../../src/trust/Plaintext.ts"
import { messageIdOf } from "../../src/trust/MessageIdentity.ts"
import { alice, bob, laptop, mesh } from "../support/Cast.ts"

const envelope: Envelope = {
  text: "the build is green",
  meshId: mesh,
  senderSessionId: laptop,
  targetSpec: "#builds",
  priority: "next",
  id: ClientMessageId.make("id-1"),
  sentAt: IsoTime.make("2026-11-24T08:00:00.000Z"),
}

const frame = {
  messageId: messageIdOf(mesh, alice, envelope.id),
  meshId: mesh,
  senderPubkey: alice,
  senderSessionId: laptop,
  targetSpec: "#builds",
  priority: "next",
  createdAt: envelope.sentAt,
} as const

/** A signature for these tests: whoever calls it names a key, and it depends on each byte of the statement. */
const signWith = (key: PublicKey) => (statement: string) =>
  Signature.make(createHash("sha512").update(`${key} ${statement}`).digest("hex"))
const isSigned = (statement: string, signature: Signature, key: PublicKey) => signWith(key)(statement) === signature

const opened = encodeGroupMessage(envelope, alice, signWith(alice))

describe("a group message's plaintext", () => {
  it("is a line, and the envelope as text beside its signature", () => {
    const json = encodeEnvelope(envelope).split("\n")[1] ?? ""
    const signature = signWith(alice)(`claudemesh-group-message-v1\n${alice}\n${json}`)
    assert.strictEqual(opened, `claudemesh-group-message-v1\n${JSON.stringify({ envelope: json, signature })}`)
  })

  it("is bound when its sender signed it and all of it agrees with the frame", () => {
    const read = readGroupMessage(opened, frame, isSigned)
    assert.deepStrictEqual(read, Plaintext.Bound({ text: envelope.text, envelope }))
  })

  it("is not its sender's when another signed it, or when a byte of it was changed", () => {
    const byBob = encodeGroupMessage(envelope, alice, signWith(bob))
    const asBob = encodeGroupMessage(envelope, bob, signWith(bob))
    for (const text of [byBob, asBob, opened.replace("green", "grey"), opened.replace("#builds", "#others")]) {
      assert.deepStrictEqual(readGroupMessage(text, frame, isSigned), { _tag: "NotSigned" })
    }
    assert.deepStrictEqual(readGroupMessage(opened, { ...frame, senderPubkey: bob }, isSigned), { _tag: "NotSigned" })
  })

  it("names the field that the frame says otherwise", () => {
    const moved = { ...frame, targetSpec: "*" }
    assert.deepStrictEqual(readGroupMessage(opened, moved, isSigned), Plaintext.Mismatch({ field: "targetSpec" }))
  })

  it("has no other shape: not an envelope alone, nor any text (I16)", () => {
    const signed = encodeGroupMessage(envelope, alice, signWith(alice)).split("\n")[1] ?? ""
    for (const text of ["", "hello", signed, encodeEnvelope(envelope), "claudemesh-group-message-v1\n{}"]) {
      assert.deepStrictEqual(readGroupMessage(text, frame, isSigned), Plaintext.Mismatch({ field: "shape" }), text)
    }
  })
})
