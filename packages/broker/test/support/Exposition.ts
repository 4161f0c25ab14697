/**
 * A strict reader of the text that Prometheus scrapes, written from its description of the format 0.0.4: what it takes is right,
 * and everything else is an error that names the line.
 */
export interface Sample {
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

export interface ParsedFamily {
  readonly name: string
  readonly type: string
  readonly samples: ReadonlyArray<Sample>
}

const sampleLine = /^([a-z_][a-z0-9_]*)(?:\{([^}]*)\})? (-?(?:\d+(?:\.\d+)?(?:e[+-]?\d+)?|Inf)|\+Inf|NaN)$/
const pair = /^([a-z_][a-z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"$/

const suffixes: Readonly<Record<string, ReadonlyArray<string>>> = {
  counter: [""],
  gauge: [""],
  histogram: ["_bucket", "_sum", "_count"],
}

const numberOf = (text: string): number =>
  text.endsWith("Inf") ? Number(text.replace("Inf", "Infinity")) : Number(text)

const sampleOf = (line: string): Sample => {
  const [, name = "", labels, value = ""] = sampleLine.exec(line) ?? []
  if (name === "") throw new Error(`not a sample: ${line}`)
  const pairs = (labels === undefined ? [] : labels.split(",")).map((text) => {
    const [, label = "", content = ""] = pair.exec(text) ?? []
    if (label === "") throw new Error(`not a label: ${text} in ${line}`)
    return [label, content] as const
  })
  return { name, labels: Object.fromEntries(pairs), value: numberOf(value) }
}

const histogramDoubt = (name: string, samples: ReadonlyArray<Sample>): string | undefined => {
  const buckets = samples.filter((sample) => sample.name === `${name}_bucket`)
  const bounds = buckets.map(({ labels }) => numberOf(labels["le"] ?? "NaN"))
  const count = samples.find((sample) => sample.name === `${name}_count`)?.value
  if (bounds.at(-1) !== Number.POSITIVE_INFINITY) return "has no bucket for everything"
  if (bounds.some((bound, index) => index > 0 && !(bound > (bounds[index - 1] ?? 0)))) return "has buckets out of order"
  if (buckets.some(({ value }, index) => value < (buckets[index - 1]?.value ?? 0)))
    return "has a bucket with less than the one before"
  return buckets.at(-1)?.value === count ? undefined : "counts something else than its last bucket"
}

const familyOf = (text: string): ParsedFamily => {
  const [help = "", kind = "", ...lines] = text.split("\n")
  const [, name = ""] = /^# HELP ([a-z_][a-z0-9_]*) \S.*\.$/.exec(help) ?? []
  const [, named = "", type = ""] = /^# TYPE (\S+) (counter|gauge|histogram)$/.exec(kind) ?? []
  if (name === "" || named !== name) throw new Error(`not the head of a family: ${help}`)
  const samples = lines.map(sampleOf)
  const allowed = (suffixes[type] ?? []).map((suffix) => `${name}${suffix}`)
  const series = samples.map(({ name: of, labels }) => `${of} ${JSON.stringify(labels)}`)
  const doubt =
    samples.length === 0
      ? "has no sample"
      : samples.some((sample) => !allowed.includes(sample.name))
        ? "has a sample of another family"
        : new Set(series).size < series.length
          ? "has a series twice"
          : (type === "counter") !== name.endsWith("_total")
            ? "is named as what it is not"
            : type === "histogram"
              ? histogramDoubt(name, samples)
              : undefined
  if (doubt !== undefined) throw new Error(`${name} ${doubt}`)
  return { name, type, samples }
}

export const parseExposition = (text: string): ReadonlyArray<ParsedFamily> => {
  if (!text.endsWith("\n")) throw new Error("the last line does not end")
  const families = text
    .slice(0, -1)
    .split(/\n(?=# HELP )/)
    .map(familyOf)
  const names = families.map(({ name }) => name)
  if (new Set(names).size < names.length) throw new Error("a family stands there twice")
  return families
}
