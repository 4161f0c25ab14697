/** How commands print: data to stdout, as tables for people or as JSON; colours and codes only on a terminal. */
import { Console, Effect } from "effect"
import { coloured, colouredStderr } from "./Coloured.ts"

const style = (code: number) => (text: string) => (coloured ? `\u001b[${code}m${text}\u001b[0m` : text)
export const bold = style(1)
export const dim = style(2)
export const green = style(32)
export const yellow = style(33)

/** Yellow beside the data, where stderr shows it. */
export const warned = (text: string): string => (colouredStderr ? `\u001b[33m${text}\u001b[0m` : text)

/** Words of others among ours, on a terminal: what would act on it is left out, and so is what nobody sees, but for joiners in words and emoji. */
export const printable = (text: string): string =>
  text.replace(/[^\P{Cc}\n\t]|(?![\u200c\u200d])\p{Cf}|\p{Zl}|\p{Zp}/gu, "")

export const printJson = (value: unknown): Effect.Effect<void> => Console.log(JSON.stringify(value))

/** To the person, beside the data; as it is, while `Console.error` of Bun makes it red on a terminal. */
export const aside = (text: string): Effect.Effect<void> => Effect.sync(() => void process.stderr.write(`${text}\n`))

/** To so many columns of a terminal: a letter may be two wide, or several code points. */
export const padded = (cell: string, width = 0): string => cell + " ".repeat(Math.max(0, width - Bun.stringWidth(cell)))

/** Columns as wide as their widest cell; the last one is not padded. */
export const table = (head: ReadonlyArray<string>, rows: ReadonlyArray<ReadonlyArray<string>>): string => {
  const widths = head.map((title, column) =>
    Math.max(Bun.stringWidth(title), ...rows.map((row) => Bun.stringWidth(row[column] ?? ""))),
  )
  const line = (cells: ReadonlyArray<string>) =>
    cells
      .map((cell, column) => (column === cells.length - 1 ? cell : padded(cell, widths[column])))
      .join("  ")
      .trimEnd()
  return [bold(line(head)), ...rows.map(line)].join("\n")
}

/** Enough of a key to tell people apart; never enough to compare identities by. */
export const shortKey = (key: string): string => key.slice(0, 8)
