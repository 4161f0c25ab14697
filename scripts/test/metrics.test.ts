/**
 * The metrics that a broker has stand in the operations page, each with what to do about it, and the other way round; the dashboard
 * and the alert rules ask for nothing else. Where `promtool` is on the PATH each rule is shown to fire on the fault that it is for.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import { Metrics } from "../../packages/broker/src/metrics/Metrics.ts"

const root = join(import.meta.dirname, "../..")
const read = (path: string): string => readFileSync(join(root, path), "utf8")

const { families } = new Metrics(
  () => 0,
  () => 0,
  () => 0,
)
const series = new Set(
  families.flatMap(({ name, type }) =>
    type === "histogram" ? [`${name}_bucket`, `${name}_sum`, `${name}_count`] : [name],
  ),
)

const decodeRules = Schema.decodeUnknownSync(
  Schema.Struct({
    groups: Schema.Tuple([
      Schema.Struct({
        name: Schema.String,
        rules: Schema.Array(
          Schema.Struct({
            alert: Schema.String,
            expr: Schema.String,
            for: Schema.optionalKey(Schema.String),
            labels: Schema.Struct({ severity: Schema.Literals(["page", "ticket"]) }),
            annotations: Schema.Struct({ summary: Schema.String }),
          }),
        ),
      }),
    ]),
  }),
)
const { rules } = decodeRules(Bun.YAML.parse(read("deploy/alerts.yml"))).groups[0]

const decodeDashboard = Schema.decodeUnknownSync(
  Schema.Struct({
    panels: Schema.Array(
      Schema.Struct({
        id: Schema.Int,
        title: Schema.String,
        gridPos: Schema.Struct({ x: Schema.Int, y: Schema.Int, w: Schema.Int, h: Schema.Int }),
        targets: Schema.Array(Schema.Struct({ expr: Schema.String })),
      }),
    ),
  }),
)
const { panels } = decodeDashboard(JSON.parse(read("deploy/dashboard.json")))
const graphs = panels.flatMap(({ targets }) => targets.map(({ expr }) => expr))

const asked = (expression: string): ReadonlyArray<string> => expression.match(/\b(?:claudemesh|process)_\w+/g) ?? []

const page = read("docs/operations.md")
const section = (heading: string): string => page.split(`\n### ${heading}\n`)[1]?.split(/\n##+ /)[0] ?? ""
const rowsOf = (heading: string): ReadonlyArray<ReadonlyArray<string>> =>
  [...section(heading).matchAll(/^\| `(\w+)` \| (.+) \|$/gm)].map(([, name = "", rest = ""]) => [
    name,
    ...rest.split(" | "),
  ])

describe("docs/operations.md", () => {
  it("says of every metric what it means and what to do about it, in their order, and of no other", () => {
    const rows = rowsOf("Metrics")
    assert.sameMembers(
      rows.map(([name]) => name),
      families.map(({ name }) => name),
    )
    for (const [name, meaning = "", advice = ""] of rows) {
      assert.isAbove(meaning.length, 5, name)
      assert.isAbove(advice.length, 5, name)
    }
  })

  it("says of every alert what to do, and of no other", () =>
    assert.deepStrictEqual(
      rowsOf("Alerts").map(([name]) => name),
      rules.map(({ alert }) => alert),
    ))
})

describe("deploy", () => {
  it("asks in alert rules and on the dashboard for series that there are", () => {
    const named = [...rules.map(({ expr }) => expr), ...graphs].flatMap(asked)
    assert.isAbove(named.length, 40)
    assert.deepStrictEqual(
      named.filter((name) => !series.has(name)),
      [],
    )
  })

  it("shows every metric on the dashboard, on panels that do not cover each other", () => {
    const shown = new Set(graphs.flatMap(asked).map((name) => name.replace(/_bucket$/, "")))
    assert.deepStrictEqual(
      families.map(({ name }) => name).filter((name) => !shown.has(name)),
      [],
    )
    const cells = panels.map(({ gridPos: { x, y } }) => `${x}/${y}`)
    assert.strictEqual(new Set(cells).size, cells.length)
    assert.ok(panels.every(({ gridPos: { h, w, x } }) => w === 8 && h === 8 && x + w <= 24))
  })
})

/** So long a fault lasts, and so long all is well again. */
const minutes = 20
/** During the fault each minute so much more, and then no more. */
const rising = (each: number): string => `0+${each}x${minutes} ${each * minutes}x${minutes}`
const first = (during: number, after: number): string => `${during}x${minutes} ${after}x${minutes}`
const slow = (name: string) => [
  { series: `${name}_bucket{instance="a",le="0.05"}`, values: `0x${minutes} 0+60x${minutes}` },
  { series: `${name}_bucket{instance="a",le="1"}`, values: `0+60x${minutes} 1200+60x${minutes}` },
  { series: `${name}_bucket{instance="a",le="+Inf"}`, values: `0+60x${minutes} 1200+60x${minutes}` },
]

interface Fault {
  readonly series: string
  readonly values: string
}

/** What a Prometheus sees when that happens. */
const faults: Readonly<Record<string, ReadonlyArray<Fault>>> = {
  ClaudemeshDown: [{ series: 'up{job="claudemesh",instance="a"}', values: first(0, 1) }],
  ClaudemeshStoreNotWritable: [{ series: 'claudemesh_store_up{instance="a",access="write"}', values: first(0, 1) }],
  ClaudemeshCommitsSlow: slow("claudemesh_accept_to_commit_seconds"),
  ClaudemeshEventLoopSlow: slow("claudemesh_event_loop_delay_seconds"),
  ClaudemeshMeshRestarts: [{ series: 'claudemesh_mesh_restarts_total{instance="a"}', values: rising(1) }],
  ClaudemeshNearlyFull: [
    { series: 'claudemesh_connections{instance="a"}', values: first(9_500, 100) },
    { series: 'claudemesh_connections_max{instance="a"}', values: first(10_000, 10_000) },
  ],
  ClaudemeshQueueFull: [
    { series: 'claudemesh_queue_deepest{instance="a",queue="mailbox"}', values: first(1_024, 3) },
    { series: 'claudemesh_queue_capacity{instance="a",queue="mailbox"}', values: first(1_024, 1_024) },
    // It has no capacity, so it is never full.
    { series: 'claudemesh_queue_deepest{instance="a",queue="commit"}', values: first(100_000, 100_000) },
    { series: 'claudemesh_queue_capacity{instance="a",queue="commit"}', values: `Inf+0x${2 * minutes}` },
  ],
  ClaudemeshInternalErrors: [{ series: 'claudemesh_refusals_total{instance="a",code="internal"}', values: rising(1) }],
  ClaudemeshCertificateExpires: [
    { series: 'claudemesh_tls_certificate_expires_seconds{instance="a"}', values: first(86_400, 90 * 86_400) },
  ],
  ClaudemeshRefusesMany: [
    { series: 'claudemesh_refusals_total{instance="a",code="flooding"}', values: rising(60 * 100) },
  ],
}

/** The labels that an alert has, from the series of its fault. */
const labelsOf = (alert: string): Readonly<Record<string, string>> => {
  const [main] = faults[alert] ?? []
  const pairs = [...(main?.series ?? "").matchAll(/(\w+)="([^"]*)"/g)].map(([, name = "", value = ""]) => [name, value])
  const { severity } = rules.find((rule) => rule.alert === alert)?.labels ?? {}
  return { ...Object.fromEntries(pairs.filter(([name]) => name !== "le")), ...(severity && { severity }) }
}

const promtool = Bun.which("promtool")

describe.skipIf(promtool === null)("promtool", () => {
  const run = (...words: ReadonlyArray<string>): string => {
    const { exitCode, stderr, stdout } = Bun.spawnSync([promtool ?? "", ...words])
    const said = `${stdout.toString()}${stderr.toString()}`
    assert.strictEqual(exitCode, 0, said)
    return said
  }

  it("takes the alert rules", () => assert.include(run("check", "rules", join(root, "deploy/alerts.yml")), "SUCCESS"))

  it("shows that each of them fires on the fault that it is for, on no other's, not before its time, and is over with it", () => {
    assert.sameMembers(
      Object.keys(faults),
      rules.map(({ alert }) => alert),
    )
    const folder = mkdtempSync(join(tmpdir(), "claudemesh-test-"))
    const tests = Object.entries(faults).map(([fault, seriesOf]) => ({
      interval: "1m",
      input_series: seriesOf,
      alert_rule_test: rules.flatMap(({ alert, for: wait = "" }) => {
        const fires = alert === fault ? [{ exp_labels: labelsOf(alert), exp_annotations: summaryOf(alert) }] : []
        const early = Number(/^(\d+)m$/.exec(wait)?.[1] ?? 0) - 1
        const at = (minute: number, expected: typeof fires) => ({
          eval_time: `${minute}m`,
          alertname: alert,
          exp_alerts: expected,
        })
        return [...(early > 0 ? [at(early, [])] : []), at(minutes, fires), at(2 * minutes, [])]
      }),
    }))
    writeFileSync(join(folder, "test.yml"), JSON.stringify({ rule_files: [join(root, "deploy/alerts.yml")], tests }))
    try {
      run("test", "rules", join(folder, "test.yml"))
    } finally {
      rmSync(folder, { recursive: true })
    }
  })
})

const summaryOf = (alert: string): Readonly<Record<string, string>> => {
  const summary = rules.find((rule) => rule.alert === alert)?.annotations.summary ?? ""
  const labels = labelsOf(alert)
  return { summary: summary.replace(/\{\{ \$labels\.(\w+) \}\}/g, (_, name: string) => labels[name] ?? "") }
}
