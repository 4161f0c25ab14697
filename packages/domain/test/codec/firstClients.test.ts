/** The frozen wire format of the first clients, as texts: written down from a run, never from the schema. */
import { assert, describe, it } from "@effect/vitest"
import { Option, Result } from "effect"
import { Base64, Nonce } from "../../src/Base64.ts"
import { DisplayName, MeshId, MessageId, PresenceId } from "../../src/Ids.ts"
import { IsoTime } from "../../src/IsoTime.ts"
import { decodeBrokerFrame, encodeBrokerFrame } from "../../src/wire/BrokerFrame.ts"
import { decodeClientFrame, isHelloV2 } from "../../src/wire/ClientFrame.ts"
import { alice, bob } from "../support/Cast.ts"

const key = "a".repeat(64)
const signature = "5".repeat(128)
const nonce = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYX"

describe("what the first clients say decodes", () => {
  it("hello", () => {
    const text = `{"type":"hello","meshId":"m1","memberId":"mem-alice","pubkey":"${key}","sessionId":"23537-1795507198663","pid":23537,"cwd":"/home/a/project","timestamp":1795507198662,"signature":"${signature}"}`
    const hello = Result.getOrThrow(decodeClientFrame(text))
    assert.isTrue(hello.type === "hello" && !isHelloV2(hello))
    assert.deepStrictEqual<unknown>(hello, JSON.parse(text))
  })

  it("send, to a member", () => {
    const text = `{"type":"send","id":"0a48fbe4ca252a6b","targetSpec":"${"b".repeat(64)}","priority":"now","nonce":"${nonce}","ciphertext":"AAECAwQ="}`
    assert.deepStrictEqual<unknown>(Result.getOrThrow(decodeClientFrame(text)), {
      type: "send",
      id: "0a48fbe4ca252a6b",
      targetSpec: { _tag: "Member", key: bob },
      priority: "now",
      nonce,
      ciphertext: "AAECAwQ=",
    })
  })

  it("send, to everyone and to a channel", () => {
    const targetOf = (spec: string) => {
      const text = `{"type":"send","id":"0a48fbe4ca252a6b","targetSpec":"${spec}","priority":"next","nonce":"${nonce}","ciphertext":"aGVsbG8="}`
      const frame = Result.getOrThrow(decodeClientFrame(text))
      return frame.type === "send" ? frame.targetSpec : undefined
    }
    assert.deepStrictEqual<unknown>(targetOf("*"), { _tag: "Everyone" })
    assert.deepStrictEqual<unknown>(targetOf("#builds"), { _tag: "Channel", channel: "builds" })
  })

  it("send without an id", () => {
    const text = `{"type":"send","targetSpec":"*","priority":"low","nonce":"${nonce}","ciphertext":"aGk="}`
    assert.isFalse("id" in Result.getOrThrow(decodeClientFrame(text)))
  })

  it("set_status", () => {
    assert.deepStrictEqual<unknown>(Result.getOrThrow(decodeClientFrame(`{"type":"set_status","status":"dnd"}`)), {
      type: "set_status",
      status: "dnd",
    })
  })
})

describe("what the first clients hear is, byte for byte", () => {
  const messageId = MessageId.make("0123456789abcdef0123456789abcdef")
  const frames = {
    hello_ack: {
      frame: {
        type: "hello_ack",
        presenceId: PresenceId.make("presence-1"),
        memberDisplayName: DisplayName.make("Alice"),
      },
      text: `{"type":"hello_ack","presenceId":"presence-1","memberDisplayName":"Alice"}`,
    },
    ack: {
      frame: { type: "ack", id: "0a48fbe4ca252a6b", messageId, queued: true },
      text: `{"type":"ack","id":"0a48fbe4ca252a6b","messageId":"0123456789abcdef0123456789abcdef","queued":true}`,
    },
    "ack of a send without an id": {
      frame: { type: "ack", id: "", messageId, queued: true },
      text: `{"type":"ack","id":"","messageId":"0123456789abcdef0123456789abcdef","queued":true}`,
    },
    push: {
      frame: {
        type: "push",
        messageId,
        meshId: MeshId.make("m1"),
        senderPubkey: alice,
        priority: "now",
        nonce: Nonce.make(nonce),
        ciphertext: Base64.make("AAECAwQ="),
        createdAt: IsoTime.make("2026-11-24T07:59:58.670Z"),
      },
      text: `{"type":"push","messageId":"0123456789abcdef0123456789abcdef","meshId":"m1","senderPubkey":"${key}","priority":"now","nonce":"${nonce}","ciphertext":"AAECAwQ=","createdAt":"2026-11-24T07:59:58.670Z"}`,
    },
    error: {
      frame: { type: "error", code: "unknown_target", message: "no such member", id: "0a48fbe4ca252a6b" },
      text: `{"type":"error","code":"unknown_target","message":"no such member","id":"0a48fbe4ca252a6b"}`,
    },
  } as const

  for (const [name, { frame, text }] of Object.entries(frames)) {
    it(name, () => {
      assert.strictEqual(encodeBrokerFrame(frame), text)
      assert.deepStrictEqual<unknown>(decodeBrokerFrame(text), Option.some(frame))
    })
  }
})
