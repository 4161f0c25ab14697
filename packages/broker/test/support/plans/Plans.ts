/** How Postgres carried statements out, from what `auto_explain` logs: which tables it read whole, and how many rows it looked at. */
import { Effect, Schema } from "effect"

/** For who connects to the database from then on. */
export const explaining = (database: string): ReadonlyArray<string> =>
  [
    ["session_preload_libraries", "'auto_explain'"],
    ["auto_explain.log_min_duration", "0"],
    ["auto_explain.log_analyze", "on"],
    ["auto_explain.log_timing", "off"],
    ["auto_explain.log_format", "json"],
    ["auto_explain.log_parameter_max_length", "0"],
  ].map(([name, value]) => `ALTER DATABASE ${database} SET ${name} = ${value}`)

const Node = Schema.Struct({
  "Node Type": Schema.String,
  "Relation Name": Schema.optionalKey(Schema.String),
  "Index Cond": Schema.optionalKey(Schema.String),
  "Actual Rows": Schema.optionalKey(Schema.Number),
  "Actual Loops": Schema.optionalKey(Schema.Number),
  "Rows Removed by Filter": Schema.optionalKey(Schema.Number),
})
type Node = typeof Node.Type
const isNode = Schema.is(Node)

const decodeRoot = Schema.decodeUnknownEffect(
  Schema.fromJsonString(Schema.Struct({ "Query Text": Schema.String, Plan: Schema.Unknown })),
)

export interface Scan {
  readonly table: string
  readonly how: string
  /** Through an index, and by no key: all of it, in an order. */
  readonly whole: boolean
  readonly rows: number
}

export interface Plan {
  readonly statement: string
  readonly scans: ReadonlyArray<Scan>
}

const scanOf = (node: Node): ReadonlyArray<Scan> => {
  const { "Node Type": how, "Relation Name": table } = node
  if (table === undefined || !/Scan/.test(how)) return []
  const looked = (node["Actual Rows"] ?? 0) + (node["Rows Removed by Filter"] ?? 0)
  const whole = /Seq Scan/.test(how) || (/Index/.test(how) && node["Index Cond"] === undefined)
  return [{ table, how, whole: whole && how !== "Tid Scan", rows: Math.round(looked * (node["Actual Loops"] ?? 1)) }]
}

const scansIn = (value: unknown): ReadonlyArray<Scan> => {
  if (Array.isArray(value)) return value.flatMap(scansIn)
  if (typeof value !== "object" || value === null) return []
  return [...(isNode(value) ? scanOf(value) : []), ...Object.values(value).flatMap(scansIn)]
}

/** Of those that name our schema. */
export const plansIn = (log: string): Effect.Effect<ReadonlyArray<Plan>> =>
  Effect.forEach(
    log
      .split(/duration: [\d.]+ ms  plan:\n/)
      .slice(1)
      .map((text) => /^\t?\{[\s\S]*?\n\t?\}(?=\n|$)/.exec(text)?.[0].replaceAll("\n\t", "\n") ?? "{}"),
    (json) =>
      Effect.map(Effect.orDie(decodeRoot(json)), (root) => ({
        statement: root["Query Text"],
        scans: scansIn(root.Plan),
      })),
  ).pipe(Effect.map((plans) => plans.filter(({ statement }) => statement.includes("mesh."))))
