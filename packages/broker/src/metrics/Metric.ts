/**
 * What is counted, and how it is written for Prometheus (text format 0.0.4). Counting is an addition to a number, on the way of
 * every frame; all else is done when somebody scrapes. A label has the values that are named here and "other", so what comes from
 * outside makes no new series.
 */

/** One line of an answer: what stands behind the family's name, and a value. */
interface Sample {
  readonly suffix?: string
  readonly labels?: Readonly<Record<string, string>>
  readonly value: number
}

abstract class Family {
  abstract readonly type: "counter" | "gauge" | "histogram"

  constructor(
    readonly name: string,
    readonly help: string,
  ) {}

  abstract samples(): ReadonlyArray<Sample>

  /** Nothing where there is nothing to tell. */
  text(): string {
    const lines = this.samples().map(
      ({ labels, suffix, value }) => `${this.name}${suffix ?? ""}${labelsText(labels ?? {})} ${numberText(value)}\n`,
    )
    if (lines.length === 0) return ""
    return `# HELP ${this.name} ${this.help}\n# TYPE ${this.name} ${this.type}\n${lines.join("")}`
  }
}
export type { Family }

export class Counter extends Family {
  readonly type = "counter"
  value = 0

  samples(): ReadonlyArray<Sample> {
    return [{ value: this.value }]
  }
}

/** A counter that somebody else keeps. */
export class CounterOf extends Family {
  readonly type = "counter"

  constructor(
    name: string,
    help: string,
    private readonly read: () => number,
  ) {
    super(name, help)
  }

  samples(): ReadonlyArray<Sample> {
    return [{ value: this.read() }]
  }
}

export class Counters extends Family {
  readonly type = "counter"
  readonly #counts: Map<string, number>
  #others = 0

  constructor(
    name: string,
    help: string,
    private readonly label: string,
    values: ReadonlyArray<string>,
  ) {
    super(name, help)
    this.#counts = new Map(values.map((value) => [value, 0]))
  }

  add(value: string): void {
    const before = this.#counts.get(value)
    if (before === undefined) this.#others += 1
    else this.#counts.set(value, before + 1)
  }

  samples(): ReadonlyArray<Sample> {
    return [...this.#counts, ["other", this.#others] as const].map(([value, count]) => ({
      labels: { [this.label]: value },
      value: count,
    }))
  }
}

/** Read when somebody scrapes. Whoever owns what is read says how. */
export class Gauge extends Family {
  readonly type = "gauge"
  readonly #sources: Array<{ readonly labels: Readonly<Record<string, string>>; readonly read: () => number }> = []

  readAs(read: () => number, labels: Readonly<Record<string, string>> = {}): void {
    this.#sources.push({ labels, read })
  }

  samples(): ReadonlyArray<Sample> {
    return this.#sources.map(({ labels, read }) => ({ labels, value: read() }))
  }
}

export class Histogram extends Family {
  readonly type = "histogram"
  readonly #counts: Array<number>
  #sum = 0

  constructor(
    name: string,
    help: string,
    /** What the buckets hold at most, from the least. One more takes what is above. */
    readonly bounds: ReadonlyArray<number>,
  ) {
    super(name, help)
    this.#counts = Array.from({ length: bounds.length + 1 }, () => 0)
  }

  observe(value: number): void {
    let bucket = 0
    while (bucket < this.bounds.length && value > (this.bounds[bucket] ?? 0)) bucket += 1
    this.#counts[bucket] = (this.#counts[bucket] ?? 0) + 1
    this.#sum += value
  }

  samples(): ReadonlyArray<Sample> {
    let count = 0
    const buckets = [...this.bounds, Number.POSITIVE_INFINITY].map((bound, index) => {
      count += this.#counts[index] ?? 0
      return { suffix: "_bucket", labels: { le: numberText(bound) }, value: count }
    })
    return [...buckets, { suffix: "_sum", value: this.#sum }, { suffix: "_count", value: count }]
  }
}

const numberText = (value: number): string => (Number.isFinite(value) ? String(value) : value > 0 ? "+Inf" : "NaN")

const labelsText = (labels: Readonly<Record<string, string>>): string => {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${value.replace(/["\\\n]/g, "_")}"`)
  return pairs.length === 0 ? "" : `{${pairs.join(",")}}`
}
