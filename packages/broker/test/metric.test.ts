/** What is counted, and how it is written: series that are bounded, histograms that add up, a text that Prometheus takes. */
import { assert, describe, it } from "@effect/vitest"
import { Counters, Gauge, Histogram } from "../src/metrics/Metric.ts"
import { Metrics } from "../src/metrics/Metrics.ts"
import { parseExposition } from "./support/Exposition.ts"

describe("a metric", () => {
  it("counts under a label that is not known as other, so that nothing from outside makes a series", () => {
    const counters = new Counters("a_total", "Things.", "code", ["1000", "1001"])
    for (let code = 1_000; code < 5_000; code++) counters.add(String(code))
    const [family] = parseExposition(counters.text())
    assert.deepStrictEqual(
      family?.samples.map(({ labels, value }) => [labels["code"], value]),
      [
        ["1000", 1],
        ["1001", 1],
        ["other", 3_998],
      ],
    )
  })

  it("puts what is on a bound into the bucket below it, and what is above all of them into the last one", () => {
    const histogram = new Histogram("a_seconds", "Times.", [0.1, 1])
    for (const seconds of [0, 0.1, 0.5, 1, 7]) histogram.observe(seconds)
    const [family] = parseExposition(histogram.text())
    assert.deepStrictEqual(
      family?.samples.map(({ value }) => value),
      [2, 4, 5, 8.6, 5],
    )
  })

  it("is read when it is asked for, and writes no label that would end its line", () => {
    let value = 1
    const gauge = new Gauge("a_bytes", "Bytes.")
    gauge.readAs(() => value, { of: 'a "b"\n# TYPE' })
    value = Number.POSITIVE_INFINITY
    const [family] = parseExposition(gauge.text())
    assert.deepStrictEqual(family?.samples, [
      { name: "a_bytes", labels: { of: "a _b__# TYPE" }, value: Number.POSITIVE_INFINITY },
    ])
  })

  it("has a name that says its unit, and a counter's ends with total", () => {
    const names = new Metrics(
      () => 0,
      () => 0,
      () => 0,
    ).families.map(({ name, type }) => [name, type] as const)
    for (const [name, type] of names) {
      assert.match(name, /^(claudemesh|process)_[a-z]+(_[a-z]+)*$/)
      assert.strictEqual(name.endsWith("_total"), type === "counter", name)
      if (type === "histogram") assert.match(name, /_(seconds|bytes|writes)$/)
    }
    assert.strictEqual(new Set(names.map(([name]) => name)).size, names.length)
  })
})

describe("the reader of the tests", () => {
  it("takes nothing that is not right", () => {
    const head = "# HELP a_total Things.\n# TYPE a_total counter\n"
    assert.lengthOf(parseExposition(`${head}a_total 1\n`), 1)
    for (const wrong of [
      `${head}a_total 1`,
      head,
      `${head}a_total one\n`,
      `${head}b_total 1\n`,
      `${head}a_total 1\na_total 2\n`,
      `${head}a_total{code=1} 1\n`,
      `${head}a_total 1\n${head}a_total 1\n`,
      "# HELP a_seconds Times.\n# TYPE a_seconds counter\na_seconds 1\n",
      "a_total 1\n",
      '# HELP a Times.\n# TYPE a histogram\na_bucket{le="1"} 2\na_bucket{le="+Inf"} 1\na_sum 1\na_count 1\n',
      '# HELP a Times.\n# TYPE a histogram\na_bucket{le="1"} 1\na_sum 1\na_count 1\n',
    ]) {
      assert.throws(() => parseExposition(wrong), undefined, undefined, wrong)
    }
  })
})
