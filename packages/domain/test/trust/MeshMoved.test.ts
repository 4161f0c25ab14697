import { assert, describe, it } from "@effect/vitest"
import { Option, Result } from "effect"
import { MeshId } from "../../src/Ids.ts"
import { IsoTime } from "../../src/IsoTime.ts"
import { acceptMove, formatMoved, isMovedText, meshMovedStatement, parseMoved } from "../../src/trust/MeshMoved.ts"
import { keysOf, movedBy, owner, team, verifier } from "../support/Trust.ts"

const known = { meshId: team, ownerPublicKey: owner.key, version: 0 }

describe("where a mesh has moved to", () => {
  it("is signed as five lines", () =>
    assert.strictEqual(
      meshMovedStatement(movedBy(owner)),
      "claudemesh-mesh-moved-v1\nm1\n1\nwss://new.example.com/ws\n2026-11-24T12:00:00.000Z",
    ))

  it("is believed when the owner signed it, with a version above the known one", () => {
    const moved = movedBy(owner, { version: 7 })
    assert.deepStrictEqual(acceptMove(moved, { ...known, version: 6 }, verifier), Result.succeed(moved))
  })

  it("is believed of nobody but the owner", () => {
    for (const name of ["admin", "member", "earlier owner"]) {
      assert.deepStrictEqual(acceptMove(movedBy(keysOf(name)), known, verifier), Result.fail("bad_signature"))
    }
  })

  it("is not believed when anything of it was changed", () => {
    const moved = movedBy(owner)
    for (const changed of [
      { ...moved, version: 2 },
      { ...moved, brokerUrl: "wss://evil.example.com/ws" },
      { ...moved, at: IsoTime.make("2026-11-24T12:00:00.001Z") },
    ]) {
      assert.deepStrictEqual(acceptMove(changed, known, verifier), Result.fail("bad_signature"))
    }
  })

  it("is not believed of another mesh of the same owner", () => {
    const moved = movedBy(owner, { meshId: MeshId.make("m2") })
    assert.deepStrictEqual(acceptMove(moved, known, verifier), Result.fail("other_mesh"))
  })

  it("leads nobody back to where the mesh was before", () => {
    for (const version of [1, 2]) {
      const moved = movedBy(owner, { version })
      assert.deepStrictEqual(acceptMove(moved, { ...known, version: 2 }, verifier), Result.fail("not_newer"))
    }
  })

  it("can be handed over as a word of text", () => {
    const moved = movedBy(owner)
    const text = formatMoved(moved)
    assert.isTrue(isMovedText(` ${text}\n`))
    assert.deepStrictEqual(parseMoved(` ${text}\n`), Option.some(moved))
    assert.deepStrictEqual(parseMoved(text.slice(0, -9)), Option.none())
    assert.deepStrictEqual(parseMoved(`${text} and more`), Option.none())
    assert.isFalse(isMovedText("wss://new.example.com/ws"))
  })
})
