import { assert, describe, it } from "@effect/vitest"
import { Effect, Result, Schema } from "effect"
import { decodeClientFrame, type FrameRefusal } from "../../src/wire/ClientFrame.ts"
import { alice } from "../support/Cast.ts"
import { samples } from "../support/Samples.ts"

const refusalOf = (text: string): FrameRefusal | undefined =>
  Result.match(decodeClientFrame(text), { onFailure: (refusal) => refusal, onSuccess: () => undefined })

const refused = (frame: unknown): Pick<FrameRefusal, "code" | "id"> | undefined => {
  const refusal = refusalOf(JSON.stringify(frame))
  return refusal && { code: refusal.code, id: refusal.id }
}

const nonce = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYX"
const send = { type: "send", id: "s1", targetSpec: "*", priority: "now", nonce, ciphertext: "AAECAwQ=" }
const helloV2 = {
  type: "hello",
  protocol: 2,
  meshId: "m1",
  memberId: "mem-alice",
  pubkey: alice,
  sessionId: "laptop",
  nonce: "0".repeat(64),
  signature: "5".repeat(128),
  client: { name: "claudemesh", version: "0.1.0" },
}

describe("decodeClientFrame", () => {
  it("refuses what is no JSON object", () => {
    const texts = [
      "",
      " ",
      "{",
      `{"type":"ping"`,
      "null",
      "true",
      "7",
      `"ping"`,
      "[]",
      `[{"type":"ping","id":"1"}]`,
      "{'a':1}",
    ]
    for (const text of texts) {
      assert.deepStrictEqual(
        refusalOf(text),
        { code: "malformed", message: "not a JSON object", id: undefined, isHello: false },
        text,
      )
    }
  })

  it("refuses a frame without a type", () => {
    for (const type of [undefined, null, 1, ["ping"], { ping: true }]) {
      assert.deepStrictEqual(refused({ type, id: "r1" }), { code: "malformed", id: "r1" })
    }
  })

  it("refuses an unknown type, also one that every object has", () => {
    const types = ["", "Ping", "ping ", "ack", "push", "toString", "constructor", "hasOwnProperty", "__proto__", "size"]
    for (const type of types) {
      assert.deepStrictEqual(refused({ type, id: "r1" }), { code: "unknown_type", id: "r1" }, type)
    }
  })

  it("does not take a field from a prototype that the text brings", () => {
    const text = `{"type":"ping","__proto__":{"id":"r1"}}`
    assert.deepStrictEqual(refusalOf(text), {
      code: "malformed",
      message: "not a valid ping frame",
      id: undefined,
      isHello: false,
    })
  })

  it("refuses fields of another shape", () => {
    const frames: ReadonlyArray<Readonly<Record<string, unknown>>> = [
      { ...send, priority: "urgent" },
      { ...send, priority: undefined },
      { ...send, targetSpec: 1 },
      { ...send, nonce: nonce.slice(1) },
      { ...send, nonce: `${nonce.slice(0, 31)}=` },
      { ...send, ciphertext: "AAE" },
      { ...send, ciphertext: "-_-_" },
      { ...send, ciphertext: null },
      { ...send, replyTo: "m1" },
      { ...send, ttlSeconds: 0 },
      { ...send, ttlSeconds: 1.5 },
      { ...send, ttlSeconds: "60" },
      { ...send, ttlSeconds: 31_536_001 },
      { ...send, sealedKeys: [{ pubkey: "b", key: "AAEC" }] },
      { ...send, sealedKeys: {} },
      { type: "client_ack", messageIds: ["nothing"] },
      { type: "client_ack", messageIds: Array.from({ length: 501 }, () => "0".repeat(32)) },
      { type: "lease", id: "s1", messageIds: ["nothing"] },
      { type: "lease", id: "s1", messageIds: Array.from({ length: 501 }, () => "0".repeat(32)) },
      { type: "lease", messageIds: ["0".repeat(32)] },
      { type: "lease", id: "s1" },
      { type: "release", messageIds: "0".repeat(32) },
      { type: "release", messageIds: Array.from({ length: 501 }, () => "0".repeat(32)) },
      { ...send, sessionId: "a/b" },
      { ...send, sessionId: "" },
      { type: "set_status", status: "away" },
      { type: "pull", id: "s1", max: 0 },
      { type: "pull" },
      { type: "join_channel", id: "s1", channel: "#builds" },
      { type: "message_status", id: "s1", messageId: "0".repeat(31) },
      { ...helloV2, protocol: 3 },
      { ...helloV2, protocol: "2" },
      { ...helloV2, nonce: "0".repeat(63) },
      { ...helloV2, pubkey: alice.toUpperCase() },
      { ...helloV2, signature: "5".repeat(127) },
      { ...helloV2, sessionId: "a/b" },
      { ...helloV2, meshId: "a|b" },
      { ...helloV2, displayName: "two\nlines" },
      { ...helloV2, tags: Array.from({ length: 17 }, (_, n) => `t${n}`) },
      { ...helloV2, maxInFlight: 501 },
      { ...helloV2, maxInFlight: -1 },
      { ...helloV2, client: "claudemesh" },
      { ...helloV2, instance: "" },
      { ...helloV2, instance: 7 },
      { ...helloV2, transient: false },
      { ...helloV2, transient: "yes" },
    ]
    for (const frame of frames) assert.strictEqual(refused(frame)?.code, "malformed", JSON.stringify(frame))
  })

  it("takes the frames that those refusals were made from", () => {
    const id = "0".repeat(32)
    const more = [
      { ...helloV2, instance: "6f1a.9", transient: true },
      { ...send, sessionId: "laptop" },
      { type: "lease", id: "s1", messageIds: [id] },
      { type: "lease", id: "s1", messageIds: [] },
      { type: "release", messageIds: Array.from({ length: 500 }, () => id) },
    ]
    for (const frame of [send, helloV2, ...more])
      assert.isTrue(Result.isSuccess(decodeClientFrame(JSON.stringify(frame))))
  })

  it("says of a target that it does not parse (I5)", () => {
    for (const targetSpec of ["", "**", "#", "#A", "tag:", alice.toUpperCase(), `${alice}/`]) {
      assert.deepStrictEqual(refused({ ...send, targetSpec }), { code: "bad_target", id: "s1" }, targetSpec)
    }
    assert.deepStrictEqual(refused({ type: "pull", id: "s1", max: 0, targetSpec: "**" }), {
      code: "malformed",
      id: "s1",
    })
    assert.deepStrictEqual(refused({ ...send, nonce: "" }), { code: "malformed", id: "s1" })
  })

  it("echoes an id only if it could have been one", () => {
    for (const id of ["r1", "0a48fbe4ca252a6b", "a.b_c:d-e", "x".repeat(64)]) {
      assert.strictEqual(refused({ type: "nothing", id })?.id, id)
    }
    for (const id of ["", "a b", "<script>", "a\n", "x".repeat(65), "é", 7, null, ["r1"], { toString: "r1" }]) {
      assert.deepStrictEqual(refused({ type: "nothing", id }), { code: "unknown_type", id: undefined })
    }
  })

  it.effect("answers any text, and never throws (I20)", () =>
    Effect.gen(function* () {
      for (const text of yield* samples(Schema.String)) decodeClientFrame(text)
      for (const json of yield* samples(Schema.Record(Schema.String, Schema.MutableJson))) {
        for (const type of ["send", "hello", "ping", "nothing"]) {
          assert.isTrue(Result.isFailure(decodeClientFrame(JSON.stringify({ ...json, type, id: 1 }))))
        }
      }
    }),
  )
})
