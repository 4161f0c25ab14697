/** What became of rows from one look to the next, one change for each row. Pure. */

export interface Watched<Row> {
  /** What makes it the same row. */
  readonly keyOf: (row: Row) => string
  /** What is shown of it: a row that shows the same has not changed. */
  readonly shownOf: (row: Row) => string
}

export interface Change<Row> {
  readonly event: "here" | "joined" | "left" | "changed"
  readonly row: Row
}

/** `before` is undefined at the first look: all that is found is `here`. */
export const changesBetween = <Row>(
  before: ReadonlyArray<Row> | undefined,
  now: ReadonlyArray<Row>,
  { keyOf, shownOf }: Watched<Row>,
): ReadonlyArray<Change<Row>> => {
  if (before === undefined) return now.map((row) => ({ event: "here", row }))
  const old = new Map(before.map((row) => [keyOf(row), row]))
  const keys = new Set(now.map(keyOf))
  const left = before.filter((row) => !keys.has(keyOf(row))).map((row): Change<Row> => ({ event: "left", row }))
  const others = now.flatMap((row): ReadonlyArray<Change<Row>> => {
    const known = old.get(keyOf(row))
    if (known === undefined) return [{ event: "joined", row }]
    return shownOf(known) === shownOf(row) ? [] : [{ event: "changed", row }]
  })
  return [...left, ...others]
}
