/** What is signed, byte for byte: a change here locks out every client that is not changed with it. */
import { createHash } from "node:crypto"
import { assert, describe, it } from "@effect/vitest"
import { DisplayName } from "../../src/Ids.ts"
import { isoFromMillis } from "../../src/IsoTime.ts"
import { certificateStatement } from "../../src/trust/Certificate.ts"
import { audienceOf, helloStatementV1, helloStatementV2 } from "../../src/trust/HelloStatement.ts"
import { groupMessageStatement } from "../../src/trust/GroupMessage.ts"
import { inviteStatement } from "../../src/trust/Invite.ts"
import { profileStatement } from "../../src/trust/Plaintext.ts"
import { noRevocations, revocationStatement } from "../../src/trust/Revocation.ts"
import { alice, aliceId, bob, carol, laptop, mesh } from "../support/Cast.ts"
import { certificateFor, inviteFrom, keysOf, newRegister, noon, owner, revocationIn } from "../support/Trust.ts"

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

describe("the statement of an invite", () => {
  const { signature: _, ...invite } = inviteFrom(keysOf("invite"))
  const lines = [
    "claudemesh-invite-v1",
    "m1",
    "team",
    "The Team",
    "sealed-only",
    invite.ownerPublicKey,
    "wss://mesh.example.com/ws",
    invite.publicKey,
    "member",
    "1",
    "2026-12-01T00:00:00.000Z",
    "for the team",
    invite.issuer,
  ]

  it("is a line for each of its fields", () => assert.strictEqual(inviteStatement(invite), lines.join("\n")))

  it("says whether unsealed messages are allowed", () =>
    assert.strictEqual(inviteStatement({ ...invite, allowUnsealed: true }), lines.with(4, "allow-unsealed").join("\n")))
})

describe("the statement of a certificate", () => {
  it("is the mesh, and a line for each of its fields", () => {
    const certificate = certificateFor(keysOf("bob"), keysOf("invite"), {
      displayName: DisplayName.make("Bob"),
    })
    const lines = [
      "claudemesh-certificate-v1",
      "m1",
      certificate.invite,
      certificate.memberId,
      certificate.publicKey,
      "Bob",
      "v2-only",
      noon,
    ]
    assert.strictEqual(certificateStatement(mesh, certificate), lines.join("\n"))
    assert.strictEqual(
      certificateStatement(mesh, { ...certificate, allowV1: true }),
      lines.with(6, "v1-too").join("\n"),
    )
  })
})

describe("the statement of a revocation", () => {
  it("is a line for each of its fields, and one for each member that is kept", () => {
    const revocation = revocationIn(newRegister(), bob, owner, { kept: [alice, carol] })
    assert.strictEqual(
      revocationStatement(revocation),
      ["claudemesh-revocation-v1", "m1", "1", noRevocations(mesh), bobKey, noon, owner.key, aliceKey, carol].join("\n"),
    )
    assert.strictEqual(
      noRevocations(mesh),
      createHash("sha256").update("claudemesh-no-revocations-v1\nm1").digest("hex"),
    )
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
  it("is ten lines, texts being JSON and what is left out being nothing, so that no line break makes a line", () => {
    const profile = { meshId: mesh, sessionId: laptop, summary: "one\ntwo", at: isoFromMillis(1_795_507_198_670) }
    assert.strictEqual(
      profileStatement(profile, alice),
      `claudemesh-profile-v2\nm1\nlaptop\n${aliceKey}\n2026-11-24T07:59:58.670Z\n"one\\ntwo"\n\n\n\n`,
    )
    const named = { ...profile, name: DisplayName.make("Build bot"), cwd: "/a", host: "tower", branch: "main" }
    assert.include(profileStatement(named, alice), `\n"one\\ntwo"\n"Build bot"\n"/a"\n"tower"\n"main"`)
  })
})
