/** What a member's machine says of a head that its broker tells: by the one that it kept, and by who signed either. */
import { assert, describe, it } from "@effect/vitest"
import { AuditCheck } from "../../src/audit/AuditRecord.ts"
import { type AuditBlock, blockHash, chainBegins, eventsText, eventText } from "../../src/audit/AuditBlock.ts"
import { type Checkpoint, checkpointStatement } from "../../src/audit/Checkpoint.ts"
import { judgeHead } from "../../src/audit/HeadCheck.ts"
import { type KeyRotation, leadsTo, rotationStatement } from "../../src/audit/KeyRotation.ts"
import { keysOf, sign } from "../support/Trust.ts"

const [first, second, third] = [keysOf("first"), keysOf("second"), keysOf("third")]

const signed = (one: Partial<Checkpoint>, by = first): Checkpoint => {
  const unsigned = {
    mesh: "m1",
    kind: "head" as const,
    number: 7,
    hash: "a".repeat(64),
    total: 9,
    atMillis: 1_000,
    ...one,
    key: by.key,
  }
  return { ...unsigned, signature: sign(checkpointStatement(unsigned), by) }
}

const handedOver = (from: typeof first, to: typeof first, by = from): KeyRotation => {
  const unsigned = { key: from.key, next: to.key, atMillis: 5 }
  return { ...unsigned, signature: sign(rotationStatement(unsigned), by) }
}

const kept = signed({})
const other = "b".repeat(64)
const judged = (told: Checkpoint, rotations: ReadonlyArray<KeyRotation> = [], before: Checkpoint | undefined = kept) =>
  judgeHead(before, told, rotations)

describe("a head that a broker tells", () => {
  it("is kept where it is the first, or goes on from the one that is kept", () => {
    assert.strictEqual(judgeHead(undefined, kept, []), "newer")
    assert.strictEqual(judged(signed({ number: 8, hash: other, total: 10 })), "newer")
    assert.strictEqual(judged(signed({ number: 8, hash: other, total: 10, atMillis: 1 })), "newer")
    assert.strictEqual(judged(kept), "known")
    assert.strictEqual(judged(signed({ atMillis: 2_000 })), "known")
  })

  it("is evidence where it has fewer blocks and was signed later, or has another block of that number", () => {
    assert.strictEqual(judged(signed({ number: 6, hash: other, total: 8, atMillis: 1_001 })), "cut")
    assert.strictEqual(judged(signed({ hash: other, atMillis: 2_000 })), "rewritten")
    assert.strictEqual(judged(signed({ hash: other, atMillis: 1 })), "rewritten")
    assert.strictEqual(judged(signed({ total: 10 })), "rewritten")
  })

  it("is evidence of nothing where it is an older word that came late", () => {
    for (const atMillis of [1, 1_000])
      assert.strictEqual(judged(signed({ number: 6, hash: other, total: 8, atMillis })), "known")
  })

  it("is evidence where its key has not signed it, be it in one field", () => {
    const changes: ReadonlyArray<Partial<Checkpoint>> = [
      { number: 8 },
      { hash: other },
      { total: 10 },
      { atMillis: 1_001 },
      { mesh: "m2" },
      { kind: "removed" },
      { key: second.key },
      { key: "none" },
      { signature: "" },
    ]
    for (const change of changes) assert.strictEqual(judged({ ...kept, ...change }), "unsigned", JSON.stringify(change))
    assert.strictEqual(judgeHead(undefined, { ...kept, hash: other }, []), "unsigned")
  })

  it("is of another key, unless the known one has handed over to it", () => {
    const told = signed({ number: 8, hash: other, total: 10, atMillis: 2_000 }, third)
    assert.strictEqual(judged(told), "other_key")
    assert.strictEqual(judged(told, [handedOver(first, second)]), "other_key")
    assert.strictEqual(judged(told, [handedOver(second, third)]), "other_key")
    assert.strictEqual(judged(told, [handedOver(first, third, second)]), "other_key")
    assert.strictEqual(judged(told, [handedOver(second, third), handedOver(first, second)]), "newer")
    // The new key is kept, also where nothing was recorded since.
    assert.strictEqual(judged(signed({}, second), [handedOver(first, second)]), "newer")
    assert.strictEqual(judged(signed({ hash: other }, second), [handedOver(first, second)]), "rewritten")
    const back = [handedOver(first, second), handedOver(second, first)]
    assert.isTrue(leadsTo(first.key, first.key, back))
    // A broker that had read the earlier key before the new one was there.
    const late = signed({ number: 8, hash: other, total: 10 })
    assert.strictEqual(judgeHead(signed({}, second), late, [handedOver(first, second)]), "newer")
    assert.strictEqual(judgeHead(signed({}, second), late, []), "other_key")
  })
})

describe("an export whose key was rotated", () => {
  const block = (number: number, previous: string): AuditBlock => {
    const made = {
      mesh: "m1",
      number,
      previous,
      atMillis: number,
      total: number,
      actors: "[]",
      events: eventsText([eventText({ seq: number, atMillis: number, event: "message_accepted", actor: undefined })]),
    }
    return { ...made, hash: blockHash(made) }
  }
  const one = block(1, chainBegins)
  const two = block(2, one.hash)
  const at = ({ hash, number, total }: AuditBlock) => ({ hash, number, total })
  const checked = (known: string, rotations: ReadonlyArray<KeyRotation>) => {
    const check = new AuditCheck({ keys: new Set([known]), isPart: false })
    for (const rotation of rotations) check.take({ type: "rotation", ...rotation })
    for (const [made, by] of [
      [one, first],
      [two, second],
    ] as const) {
      check.take({ type: "block", ...made })
      check.take({ type: "checkpoint", ...signed(at(made), by) })
    }
    const report = check.end().get("m1")
    return [report?.signedTo, report?.tampering?.what]
  }

  it("is checked from the first key on", () => {
    assert.deepStrictEqual(checked(first.key, [handedOver(first, second)]), [2, undefined])
  })

  it("is not, without the first key's word", () => {
    assert.deepStrictEqual(checked(first.key, []), [1, "unsigned"])
    assert.deepStrictEqual(checked(first.key, [handedOver(first, second, second)]), [1, "unsigned"])
  })

  it("is checked by a later key alone for what that one has signed", () => {
    assert.deepStrictEqual(checked(second.key, [handedOver(first, second)]), [2, undefined])
    assert.deepStrictEqual(checked(third.key, [handedOver(first, second)]), [0, "unsigned"])
  })
})
