import { assert, describe, it } from "@effect/vitest"
import { HeapGrowth } from "../src/http/HeapGrowth.ts"

describe("the heap is collected", () => {
  const at: Array<number> = []
  const growTo = (growth: HeapGrowth, from: number, to: number, note: () => number) => {
    for (let open = from; open <= to; open++) {
      const before = note()
      growth.opened(open)
      if (note() > before) at.push(open)
    }
  }

  it("while sockets become more than ever, ever more seldom, and not for those who come back", () => {
    let collections = 0
    const growth = new HeapGrowth(() => void (collections += 1))
    growTo(growth, 1, 2_000, () => collections)
    assert.deepStrictEqual(at, [200, 400, 600, 800, 1_000, 1_200, 1_440, 1_728])
    // All of them leave, and are back.
    growTo(growth, 0, 2_000, () => collections)
    assert.strictEqual(collections, 8)
    growTo(growth, 2_001, 10_000, () => collections)
    assert.strictEqual(collections, 17)
  })
})
