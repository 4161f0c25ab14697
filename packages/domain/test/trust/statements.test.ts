/** What is signed, byte for byte: a change here locks out every client that is not changed with it. */
import { assert, describe, it } from "@effect/vitest"
import { DisplayName, MemberId, Signature, Slug } from "../../src/Ids.ts"
import { isoFromMillis } from "../../src/IsoTime.ts"
import { createMeshStatement } from "../../src/trust/CreateMeshStatement.ts"
import { audienceOf, helloStatementV1, helloStatementV2 } from "../../src/trust/HelloStatement.ts"
import { groupMessageStatement } from "../../src/trust/GroupMessage.ts"
import { profileStatement } from "../../src/trust/Plaintext.ts"
import { alice, aliceId, bob, laptop, mesh } from "../support/Cast.ts"

const aliceKey = "a".repeat(64)
const bobKey = "b".repeat(64)

describe("the hello statement", () => {
  it("of v1 is four fields and bars", () => {
    const hello = { meshId: mesh, memberId: aliceId, pubkey: alice, timestamp: 1_795_507_198_662 }
    assert.strictEqual(helloStatementV1(hello), `m1|mem-alice|${aliceKey}|1795507198662`)
  })

  it("of v2 is seven lines", () => {
    const hello = { meshId: mesh, memberId: aliceId, pubkey: alice, sessionId: laptop, nonce: "0".repeat(64) }
    assert.strictEqual(
      helloStatementV2("wss://mesh.example.com", hello),
      `claudemesh-hello-v2\nwss://mesh.example.com\nm1\nmem-alice\n${aliceKey}\nlaptop\n${"0".repeat(64)}`,
    )
  })
})

describe("audienceOf", () => {
  const origins = {
    "ws://127.0.0.1:7900/ws": "ws://127.0.0.1:7900",
    "http://127.0.0.1:7900": "ws://127.0.0.1:7900",
    "https://Mesh.Example.com": "wss://mesh.example.com",
    "wss://mesh.example.com:443/ws?x=1#y": "wss://mesh.example.com",
    "ws://mesh.example.com:80": "ws://mesh.example.com",
    "wss://mesh.example.com:80": "wss://mesh.example.com:80",
    "https://mesh.example.com:8443/": "wss://mesh.example.com:8443",
    "ws://[::1]:7900/ws": "ws://[::1]:7900",
    "wss://user:password@mesh.example.com/": "wss://mesh.example.com",
  }
  for (const [url, origin] of Object.entries(origins)) {
    it(`of ${url} is ${origin}`, () => assert.strictEqual(audienceOf(url), origin))
  }

  it("of its own result is that result", () => {
    for (const origin of Object.values(origins)) assert.strictEqual(audienceOf(origin), origin)
  })

  it("is nothing for what is no broker's URL", () => {
    for (const url of [
      "",
      "mesh.example.com",
      "localhost:7900",
      "ftp://mesh.example.com",
      "file:///ws",
      "ws://",
      "*",
    ]) {
      assert.isUndefined(audienceOf(url), url)
    }
  })
})

describe("the statement that makes a mesh", () => {
  const created = {
    meshId: mesh,
    slug: Slug.make("team"),
    name: DisplayName.make("The team"),
    ownerPublicKey: alice,
    members: [
      { memberId: aliceId, publicKey: alice, displayName: DisplayName.make("Alice A.") },
      { memberId: MemberId.make("mem-bob"), publicKey: bob, displayName: DisplayName.make("Bob") },
    ],
  }
  const head = `claudemesh-create-mesh-v1\nm1\nteam\nThe team\n${aliceKey}`
  const members = `mem-alice ${aliceKey} Alice A.\nmem-bob ${bobKey} Bob`

  it("names the mesh, its owner, and each member on a line", () => {
    assert.strictEqual(createMeshStatement(created), `${head}\nsealed-only\n${members}`)
    assert.strictEqual(createMeshStatement({ ...created, members: [] }), `${head}\nsealed-only`)
  })

  it("says whether unsealed messages are allowed", () => {
    assert.strictEqual(createMeshStatement({ ...created, allowUnsealed: true }), `${head}\nallow-unsealed\n${members}`)
    assert.strictEqual(createMeshStatement({ ...created, allowUnsealed: false }), `${head}\nsealed-only\n${members}`)
  })

  it("does not cover its own signature", () => {
    const signed = { ...created, signature: Signature.make("5".repeat(128)) }
    assert.strictEqual(createMeshStatement(signed), createMeshStatement(created))
  })
})

describe("the statement of a group message", () => {
  it("is a line of its own, the sender, and the envelope as it is sent, whatever it holds", () => {
    assert.strictEqual(
      groupMessageStatement('{"text":"one"}\ntwo', alice),
      `claudemesh-group-message-v1\n${aliceKey}\n{"text":"one"}\ntwo`,
    )
  })
})

describe("the profile statement", () => {
  it("is six lines, what the person wrote being last, so that a line break in it stands for nothing else", () => {
    const profile = { meshId: mesh, sessionId: laptop, summary: "one\ntwo", at: isoFromMillis(1_795_507_198_670) }
    assert.strictEqual(
      profileStatement(profile, alice),
      `claudemesh-profile-v1\nm1\nlaptop\n${aliceKey}\n2026-11-24T07:59:58.670Z\none\ntwo`,
    )
  })
})
