/** The proof that a request over HTTP carries in its header. */
import { assert, describe, it } from "@effect/vitest"
import { Option } from "effect"
import { PublicKey, Signature } from "../../src/Ids.ts"
import { formatProof, parseProof, type RequestProof, requestStatement } from "../../src/trust/SignedRequest.ts"
import { mesh } from "../support/Cast.ts"

const proof: RequestProof = {
  mesh,
  key: PublicKey.make("a".repeat(64)),
  time: "1795507198662",
  nonce: "0".repeat(32),
  signature: Signature.make("5".repeat(128)),
}
const header = formatProof(proof)

describe("the proof of a request", () => {
  it("is read as it was written", () => assert.deepStrictEqual(parseProof(header), Option.some(proof)))

  it("has one spelling", () => {
    const others = [
      "",
      ` ${header}`,
      `${header} `,
      header.replace(" ", "  "),
      header.split(" ").toReversed().join(" "),
      `${header} key=${"b".repeat(64)}`,
      `${header} more=1`,
      header.replace("mesh=", "MESH="),
      header.replace("a".repeat(64), "A".repeat(64)),
      header.replace("time=", "time=0"),
      header.replace(/ nonce=\w+/, ""),
      header.replace("nonce=", "nonce==").replace("00 ", "0 "),
      `__proto__=1 ${header}`,
      `${header}${" x=y".repeat(1_000)}`,
    ]
    for (const other of others) assert.deepStrictEqual(parseProof(other), Option.none(), other.slice(0, 80))
  })

  it("is signed over the broker, the request, the body's hash, the mesh, the key, the time and the nonce", () => {
    const request = { audience: "wss://mesh.example.com", method: "POST", path: "/invites", body: "{}" } as const
    assert.strictEqual(
      requestStatement(request, proof),
      [
        "claudemesh-request-v1",
        "wss://mesh.example.com",
        "POST",
        "/invites",
        "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",
        "m1",
        "a".repeat(64),
        "1795507198662",
        "0".repeat(32),
      ].join("\n"),
    )
  })
})
