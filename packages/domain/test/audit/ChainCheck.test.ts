/** A chain is whole, or its first bad block is named with what was done to it. */
import { assert, describe, it } from "@effect/vitest"
import {
  type AuditBlock,
  blockHash,
  blockText,
  chainBegins,
  eventsText,
  eventText,
} from "../../src/audit/AuditBlock.ts"
import { ChainCheck, type ChainReport } from "../../src/audit/ChainCheck.ts"
import { type Checkpoint, checkpointStatement } from "../../src/audit/Checkpoint.ts"
import { keysOf, sign } from "../support/Trust.ts"

const auditKey = keysOf("audit")

const hashed = (block: Omit<AuditBlock, "hash">): AuditBlock => ({ ...block, hash: blockHash(block) })

/** Two events in each. */
const chainOf = (count: number, word = "message_accepted"): ReadonlyArray<AuditBlock> => {
  const blocks: Array<AuditBlock> = []
  for (let number = 1; number <= count; number++) {
    const events = [2 * number - 1, 2 * number].map((seq) =>
      eventText({ seq, atMillis: 1_000 + seq, event: word, actor: 0, bytes: 3, recipients: 1 }),
    )
    blocks.push(
      hashed({
        mesh: "m1",
        number,
        previous: blocks.at(-1)?.hash ?? chainBegins,
        atMillis: 1_000 + 2 * number,
        total: 2 * number,
        actors: '[["ann","s1"]]',
        events: eventsText(events),
      }),
    )
  }
  return blocks
}

const signed = (kind: "head" | "removed", { hash, mesh, number, total }: AuditBlock, by = auditKey): Checkpoint => {
  const unsigned = { mesh, kind, number, hash, total, atMillis: 9_000, key: by.key }
  return { ...unsigned, signature: sign(checkpointStatement(unsigned), by) }
}

const check = (
  blocks: ReadonlyArray<AuditBlock>,
  checkpoints: ReadonlyArray<Checkpoint> = [],
  isPart = false,
): ChainReport => {
  const chain = new ChainCheck({ keys: new Set([auditKey.key]), isPart })
  for (const one of checkpoints) chain.checkpoint(one)
  for (const one of blocks) chain.block(one)
  return chain.end()
}

/** Block n of a chain. */
const at = (blocks: ReadonlyArray<AuditBlock>, number: number): AuditBlock => blocks[number - 1] ?? assert.fail()

const chain = chainOf(100)
const tampering = (blocks: ReadonlyArray<AuditBlock>, checkpoints: ReadonlyArray<Checkpoint> = []) => {
  const found = check(blocks, checkpoints).tampering
  return found && [found.what, found.number, found.last]
}

/** All from `from` on hashed anew, as whoever can write to the store might do. */
const rehashed = (blocks: ReadonlyArray<AuditBlock>): ReadonlyArray<AuditBlock> => {
  const result: Array<AuditBlock> = []
  for (const [index, { hash: _, ...block }] of blocks.entries())
    result.push(hashed({ ...block, number: index + 1, previous: result.at(-1)?.hash ?? chainBegins }))
  return result
}

const withEvents = (block: AuditBlock, events: string): AuditBlock => ({ ...block, events })
const otherEvents = at(chain, 20).events.replace("1039", "1030")

describe("a chain of the audit", () => {
  it("hashes one text, written down to the byte", () => {
    const [first] = chain
    if (first === undefined) return assert.fail()
    assert.strictEqual(
      blockText(first),
      `claudemesh-audit-v1\nm1\n1\n${"0".repeat(64)}\n1002\n2\n14\n99\n[["ann","s1"]]` +
        `[[1,1001,"message_accepted",0,null,null,null,3,1],[2,1002,"message_accepted",0,null,null,null,3,1]]`,
    )
    assert.strictEqual(first.hash, "44cc250f43f9f459fdce0b4af216ffd075f69940e2df6948dc4316f25ec71241")
  })

  it("is whole, and says up to where and up to where it is signed", () => {
    assert.deepStrictEqual(check(chain, [signed("head", at(chain, 60))]), {
      first: 1,
      last: 100,
      hash: at(chain, 100).hash,
      blocks: 100,
      events: 200,
      signedTo: 60,
      tampering: undefined,
    })
    assert.deepInclude(check([]), { first: 0, last: 0, blocks: 0, tampering: undefined })
  })

  it("shows a block that was changed, in any of its parts", () => {
    const changes: ReadonlyArray<Partial<AuditBlock>> = [
      { events: otherEvents },
      { actors: '[["bob","s1"]]' },
      { atMillis: 5 },
      { total: 41 },
      { mesh: "m2" },
      { hash: "1".repeat(64) },
      { previous: "1".repeat(64) },
      // The two texts are one after the other, so that one takes from the other.
      { actors: "", events: at(chain, 20).actors + at(chain, 20).events },
    ]
    for (const change of changes)
      assert.deepStrictEqual(tampering(chain.with(19, { ...at(chain, 20), ...change })), ["changed", 20, 20])
    assert.deepStrictEqual(tampering(chain.with(99, { ...at(chain, 100), atMillis: 5 })), ["changed", 100, 100])
  })

  it("shows one that was changed and hashed anew by the one that follows", () => {
    const changed = hashed(withEvents(at(chain, 20), otherEvents))
    assert.deepStrictEqual(tampering(chain.with(19, changed)), ["changed", 20, 20])
  })

  it("shows one whose count of events is not that of its events, though its hash is right", () => {
    const wrong = rehashed(chain.map((block) => (block.number === 20 ? withEvents(block, "[]") : block)))
    assert.deepStrictEqual(tampering(wrong), ["changed", 20, 20])
    assert.deepStrictEqual(tampering(rehashed(chain.with(19, withEvents(at(chain, 20), "no JSON")))), [
      "changed",
      20,
      20,
    ])
  })

  it("shows blocks that are gone: in between, from the beginning, and where those behind have been given their numbers", () => {
    const without = (from: number, to: number) => chain.filter(({ number }) => number < from || number > to)
    assert.deepStrictEqual(tampering(without(20, 20)), ["missing", 20, 20])
    assert.deepStrictEqual(tampering(without(20, 29)), ["missing", 20, 29])
    assert.deepStrictEqual(tampering(without(1, 9)), ["missing", 1, 9])
    const renumbered = without(20, 22).map((block, index) => ({ ...block, number: index + 1 }))
    assert.deepStrictEqual(tampering(renumbered), ["missing", 20, 22])
  })

  it("shows a block that was put in: with a hash that fits, or none, under a number of its own or another's", () => {
    const forged = (number: number, previous: string) => hashed({ ...at(chain, 3), number, previous })
    const fitting = [...chain.slice(0, 19), forged(20, at(chain, 19).hash), ...chain.slice(19)]
    assert.deepStrictEqual(tampering(fitting), ["inserted", 20, 20])
    const renumbered = fitting.map((block, index) => ({ ...block, number: index + 1 }))
    assert.deepStrictEqual(tampering(renumbered), ["inserted", 20, 20])
    const loose = chain.toSpliced(19, 0, forged(20, "2".repeat(64)))
    assert.deepStrictEqual(tampering(loose), ["inserted", 20, 20])
  })

  it("shows blocks in another order: with their own numbers, or with each other's", () => {
    const swapped = chain.with(19, at(chain, 21)).with(20, at(chain, 20))
    assert.deepStrictEqual(tampering(swapped), ["reordered", 20, 20])
    const renumbered = swapped.map((block, index) => ({ ...block, number: index + 1 }))
    assert.deepStrictEqual(tampering(renumbered), ["reordered", 20, 20])
    const later = [...chain.slice(0, 19), ...chain.slice(20, 40), at(chain, 20), ...chain.slice(40)]
    assert.deepStrictEqual(tampering(later), ["reordered", 20, 20])
  })

  it("shows a tail that was cut against a checkpoint, and a chain of which nothing is left", () => {
    const kept = [signed("head", at(chain, 60)), signed("head", at(chain, 100))]
    assert.deepStrictEqual(tampering(chain.slice(0, 98), kept), ["cut", 99, 100])
    assert.deepStrictEqual(tampering([], kept), ["cut", 1, 100])
  })

  it("shows a history that was replaced by another that is whole in itself, against a checkpoint that was kept", () => {
    const other = chainOf(100, "key_revoked")
    assert.isUndefined(tampering(other))
    assert.deepStrictEqual(tampering(other, [signed("head", at(chain, 60))]), ["rewritten", 60, 60])
    // Also where the broker signs for it again.
    const both = [signed("head", at(chain, 60)), signed("head", at(other, 60))]
    assert.deepStrictEqual(tampering(other, both), ["rewritten", 60, 60])
    // And where it is found out at the end.
    const late = new ChainCheck({ keys: new Set([auditKey.key]), isPart: false })
    for (const block of other) late.block(block)
    late.checkpoint(signed("head", at(chain, 100)))
    assert.strictEqual(late.end().tampering?.what, "rewritten")
  })

  it("takes no checkpoint that another key signed, or nobody", () => {
    const right = signed("head", at(chain, 60))
    assert.deepStrictEqual(tampering(chain, [signed("head", at(chain, 60), keysOf("mallory"))]), ["unsigned", 60, 60])
    assert.deepStrictEqual(tampering(chain, [{ ...right, number: 59, hash: at(chain, 59).hash }]), ["unsigned", 59, 59])
    assert.deepStrictEqual(tampering(chain, [{ ...right, kind: "removed" }]), ["unsigned", 60, 60])
    assert.deepStrictEqual(tampering(chain, [{ ...right, signature: "" }]), ["unsigned", 60, 60])
  })

  it("goes on from what was removed by a signed word, whether all of that is gone yet or not", () => {
    const removed = signed("removed", at(chain, 30))
    assert.deepInclude(check(chain.slice(30), [removed]), { first: 31, last: 100, signedTo: 30, tampering: undefined })
    assert.deepInclude(check(chain.slice(12), [removed]), { first: 13, last: 100, signedTo: 30, tampering: undefined })
    assert.deepStrictEqual(tampering(chain.slice(35), [removed]), ["missing", 31, 35])
    const other = chainOf(100, "key_revoked")
    assert.deepStrictEqual(tampering(other.slice(30), [removed]), ["rewritten", 31, 31])
    assert.deepStrictEqual(tampering(other.slice(12), [removed]), ["rewritten", 30, 30])
    // A checkpoint of what was removed says nothing any more.
    assert.isUndefined(tampering(chain.slice(30), [removed, signed("head", at(chain, 10))]))
  })

  it("is looked at in part, where that is asked for", () => {
    assert.deepInclude(check(chain.slice(40, 60), [], true), { first: 41, last: 60, events: 40, tampering: undefined })
    const changed = chain.slice(40, 60).with(5, { ...at(chain, 46), atMillis: 5 })
    assert.deepInclude(check(changed, [], true).tampering, { what: "changed", number: 46 })
    assert.isUndefined(check(chain.slice(40, 60), [signed("head", at(chain, 100))], true).tampering)
  })
})
