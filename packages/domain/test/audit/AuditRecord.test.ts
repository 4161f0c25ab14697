/** An export's lines: what is written is read again, what is no record is none, and each mesh is checked by itself. */
import { assert, describe, it } from "@effect/vitest"
import { type AuditBlock, blockHash, chainBegins, eventText } from "../../src/audit/AuditBlock.ts"
import { AuditCheck, type AuditRecord, parseRecord, recordText } from "../../src/audit/AuditRecord.ts"
import { eventsOfBlock } from "../../src/audit/BlockEvents.ts"

const blockOf = (mesh: string): AuditBlock => {
  const block = {
    mesh,
    number: 1,
    previous: chainBegins,
    atMillis: 5,
    total: 3,
    actors: '[["ann",null],["bob","s1"]]',
    events:
      '[[1,4,"mesh_created",null,null,null,null,null,2],[2,5,"message_accepted",1,"id","#builds","next",7,3],[null,6,"messages_consumed",0,null,null,null,null,2,[2,3]]]',
  }
  return { ...block, hash: blockHash(block) }
}

const records: ReadonlyArray<AuditRecord> = [
  { type: "key", key: "k" },
  { type: "rotation", key: "k", next: "l", atMillis: 1, signature: "s" },
  { type: "block", ...blockOf("m1") },
  {
    type: "checkpoint",
    mesh: "m1",
    kind: "removed",
    number: 3,
    hash: "h",
    total: 9,
    atMillis: 1,
    key: "k",
    signature: "s",
  },
]

describe("the text of an event", () => {
  it("is JSON, whatever stands in it", () => {
    const texts = [undefined, "", "plain", 'a "quote"', "back\\slash", "line\nend", "\u2028", "\ud800", "é"]
    for (const text of texts) {
      for (const messages of [undefined, [], [3], [3, 4]]) {
        const event = { seq: 7, atMillis: 9, event: "message_accepted", actor: 0, bytes: 1, recipients: 2 }
        const one = { ...event, messageId: text, targetSpec: text, priority: text, messages }
        const all = [7, 9, "message_accepted", 0, text, text, text, 1, 2, ...(messages === undefined ? [] : [messages])]
        assert.strictEqual(eventText(one), JSON.stringify(all))
      }
    }
    const least = { seq: undefined, atMillis: 9, event: "refused", actor: undefined }
    assert.strictEqual(eventText(least), JSON.stringify([null, 9, "refused", null, null, null, null, null, null]))
  })
})

describe("a record of the audit", () => {
  it("is a line that is read as it was written, whatever else stands in it", () => {
    for (const record of records) {
      assert.notInclude(recordText(record), "\n")
      assert.deepStrictEqual(parseRecord(recordText(record)), record)
      assert.deepStrictEqual(parseRecord(JSON.stringify({ more: 1, ...record })), record)
    }
  })

  it("is none where a field is missing or of another kind", () => {
    for (const record of records) {
      for (const name of Object.keys(record)) {
        const { [name]: _, ...others } = { ...record } as Readonly<Record<string, unknown>>
        assert.isUndefined(parseRecord(JSON.stringify(others)), name)
        assert.isUndefined(parseRecord(JSON.stringify({ ...others, [name]: [1] })), name)
      }
    }
    for (const text of ["", "null", "7", "[]", "{", '{"type":"other"}'])
      assert.isUndefined(parseRecord(text), `not a record: ${text}`)
  })

  it("is checked with those of its mesh", () => {
    const check = new AuditCheck({ keys: new Set(), isPart: false })
    for (const mesh of ["m1", "m2"]) check.take({ type: "block", ...blockOf(mesh) })
    check.take({ type: "block", ...blockOf("m2"), number: 2 })
    const found = [...check.end()].map(([mesh, { blocks, tampering }]) => [mesh, blocks, tampering?.what])
    assert.deepStrictEqual(found, [
      ["m1", 1, undefined],
      ["m2", 1, "inserted"],
    ])
  })

  it("has events that name who did what", () => {
    const [made, accepted, consumed] = eventsOfBlock(blockOf("m1"))
    assert.deepInclude(consumed, {
      seq: null,
      event: "messages_consumed",
      member: "ann",
      messages: [2, 3],
      recipients: 2,
    })
    assert.deepInclude(made, { seq: 1, event: "mesh_created", member: null, session: null, recipients: 2 })
    assert.deepStrictEqual(accepted, {
      mesh: "m1",
      block: 1,
      seq: 2,
      atMillis: 5,
      event: "message_accepted",
      member: "bob",
      session: "s1",
      messageId: "id",
      target: "#builds",
      priority: "next",
      bytes: 7,
      recipients: 3,
      messages: null,
    })
    assert.deepStrictEqual(eventsOfBlock({ ...blockOf("m1"), events: "{}" }), [])
    assert.strictEqual(eventsOfBlock({ ...blockOf("m1"), actors: "no" })[1]?.member, null)
  })
})
