import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { ClientMessageId, MeshId } from "../../src/Ids.ts"
import { IsoTime } from "../../src/IsoTime.ts"
import { encodeEnvelope, Envelope, Plaintext, readPlaintext } from "../../src/trust/Plaintext.ts"
import { messageIdOf } from "../../src/trust/MessageIdentity.ts"
import { alice, bob, desktop, laptop, mesh } from "../support/Cast.ts"
import { samples } from "../support/Samples.ts"

const envelope: Envelope = {
  text: "the build is green",
  meshId: mesh,
  senderSessionId: laptop,
  targetSpec: bob,
  priority: "next",
  id: ClientMessageId.make("id-1"),
  sentAt: IsoTime.make("2026-11-24T08:00:00.000Z"),
}

const frameOf = (sealed: Envelope) => ({
  messageId: messageIdOf(sealed.meshId, alice, sealed.id),
  meshId: sealed.meshId,
  senderPubkey: alice,
  senderSessionId: sealed.senderSessionId,
  targetSpec: sealed.targetSpec,
  priority: sealed.priority,
  ...(sealed.replyTo && { replyTo: sealed.replyTo }),
  createdAt: sealed.sentAt,
})
const frame = frameOf(envelope)
const opened = encodeEnvelope(envelope)

const bound = Plaintext.Bound({ text: envelope.text, envelope })

describe("readPlaintext", () => {
  it("finds a text bound when all that was sealed agrees with the frame (I20)", () => {
    assert.deepStrictEqual(readPlaintext(opened, frame), bound)
  })

  it.effect("finds every envelope bound in the frame that it was made for", () =>
    Effect.gen(function* () {
      for (const sealed of yield* samples(Envelope)) {
        const read = readPlaintext(encodeEnvelope(sealed), frameOf(sealed))
        assert.deepStrictEqual(read, Plaintext.Bound({ text: sealed.text, envelope: sealed }))
      }
    }),
  )

  it("takes what has no envelope as the bare text of a v1 client", () => {
    const { messageId, meshId, senderPubkey, priority, createdAt } = frame
    for (const text of ["", "hello", "{}", opened.slice(1), ` ${opened}`]) {
      assert.deepStrictEqual(
        readPlaintext(text, { messageId, meshId, senderPubkey, priority, createdAt }),
        Plaintext.Bare({ text }),
      )
    }
  })

  const other = MeshId.make("m2")
  const moved = {
    meshId: { ...frame, meshId: other, messageId: messageIdOf(other, alice, envelope.id) },
    senderSessionId: { ...frame, senderSessionId: desktop },
    targetSpec: { ...frame, targetSpec: "*" },
    priority: { ...frame, priority: "now" },
    replyTo: { ...frame, replyTo: frame.messageId },
    messageId: { ...frame, messageId: messageIdOf(mesh, alice, "id-2") },
    createdAt: { ...frame, createdAt: IsoTime.make("2026-11-24T07:54:59.999Z") },
  } as const
  for (const field of Object.keys(moved) as ReadonlyArray<keyof typeof moved>) {
    it(`names ${field} where it is that which the frame says otherwise`, () => {
      assert.deepStrictEqual(readPlaintext(opened, moved[field]), Plaintext.Mismatch({ field }))
    })
  }

  it("does not take the message of one member as another's", () => {
    const read = readPlaintext(opened, { ...frame, senderPubkey: bob })
    assert.deepStrictEqual(read, Plaintext.Mismatch({ field: "messageId" }))
  })

  it("does not take a frame that leaves out what was sealed", () => {
    const { senderSessionId, targetSpec, ...v1 } = frame
    assert.deepStrictEqual(
      readPlaintext(opened, { ...v1, targetSpec }),
      Plaintext.Mismatch({ field: "senderSessionId" }),
    )
    assert.deepStrictEqual(
      readPlaintext(opened, { ...v1, senderSessionId }),
      Plaintext.Mismatch({ field: "targetSpec" }),
    )
  })

  it("lets the broker's time be up to five minutes before the sender's, and long after", () => {
    for (const createdAt of ["2026-11-24T07:55:00.000Z", "2026-11-24T08:00:00.000Z", "2027-01-01T00:00:00.000Z"]) {
      assert.deepStrictEqual(readPlaintext(opened, { ...frame, createdAt: IsoTime.make(createdAt) }), bound)
    }
  })

  it("says of a broken envelope that it is one, and does not show it as text (I16)", () => {
    const header = "claudemesh-message-v2\n"
    const noTime = JSON.stringify({ ...envelope, sentAt: "2026-13-24T08:00:00.000Z" })
    for (const body of ["", "{", "null", "{}", JSON.stringify({ ...envelope, text: 1 }), noTime]) {
      assert.deepStrictEqual(readPlaintext(header + body, frame), Plaintext.Mismatch({ field: "shape" }), body)
    }
  })
})

describe("encodeEnvelope", () => {
  it("is a header line and JSON", () => {
    assert.strictEqual(
      opened,
      `claudemesh-message-v2\n{"text":"the build is green","meshId":"m1","senderSessionId":"laptop","targetSpec":"${"b".repeat(64)}","priority":"next","id":"id-1","sentAt":"2026-11-24T08:00:00.000Z"}`,
    )
  })
})
