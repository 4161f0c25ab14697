/** The difference of two texts as a unified diff, for a person to read before anything is written. Pure. */
import { differenceLinesMax } from "./Limits.ts"
import * as installWords from "../words/install.ts"

interface Line {
  readonly sign: " " | "-" | "+"
  readonly text: string
}

const around = 3

/** Empty where they are the same. */
export const difference = (path: string, before: string | undefined, after: string | undefined): string => {
  if (before === after) return ""
  const lines = compared(linesOf(before), linesOf(after))
  const from = before === undefined ? "/dev/null" : path
  const to = after === undefined ? "/dev/null" : path
  return [`--- ${from}`, `+++ ${to}`, ...hunks(lines)].join("\n")
}

/** Each with its end, so that a missing one at the end of the file shows. */
const linesOf = (text = ""): ReadonlyArray<string> => text.match(/[^\n]*\n|[^\n]+$/g) ?? []

const compared = (before: ReadonlyArray<string>, after: ReadonlyArray<string>): ReadonlyArray<Line> => {
  let head = 0
  while (head < before.length && head < after.length && before[head] === after[head]) head++
  let tail = 0
  const most = Math.min(before.length, after.length) - head
  while (tail < most && before[before.length - 1 - tail] === after[after.length - 1 - tail]) tail++
  const as = (sign: Line["sign"], texts: ReadonlyArray<string>) => texts.map((text): Line => ({ sign, text }))
  const removed = before.slice(head, before.length - tail)
  const added = after.slice(head, after.length - tail)
  return [
    ...as(" ", before.slice(0, head)),
    ...(Math.max(removed.length, added.length) > differenceLinesMax
      ? [...as("-", removed), ...as("+", added)]
      : longestCommon(removed, added)),
    ...as(" ", before.slice(before.length - tail)),
  ]
}

const longestCommon = (before: ReadonlyArray<string>, after: ReadonlyArray<string>): ReadonlyArray<Line> => {
  const width = after.length + 1
  const common = new Uint16Array((before.length + 1) * width)
  const at = (row: number, column: number): number => common[row * width + column] ?? 0
  for (let row = before.length - 1; row >= 0; row--) {
    for (let column = after.length - 1; column >= 0; column--) {
      const same = before[row] === after[column]
      common[row * width + column] = same
        ? at(row + 1, column + 1) + 1
        : Math.max(at(row + 1, column), at(row, column + 1))
    }
  }
  const lines: Array<Line> = []
  let row = 0
  let column = 0
  while (row < before.length || column < after.length) {
    const removed = before[row]
    const added = after[column]
    if (removed !== undefined && removed === added) {
      lines.push({ sign: " ", text: removed })
      row++
      column++
    } else if (removed !== undefined && (added === undefined || at(row + 1, column) >= at(row, column + 1))) {
      lines.push({ sign: "-", text: removed })
      row++
    } else if (added !== undefined) {
      lines.push({ sign: "+", text: added })
      column++
    }
  }
  return lines
}

const hunks = (lines: ReadonlyArray<Line>): ReadonlyArray<string> => {
  const near = lines.map((_, index) => lines.slice(Math.max(0, index - around), index + around + 1).some(isChange))
  const out: Array<string> = []
  let before = 0
  let after = 0
  for (let index = 0; index < lines.length;) {
    const end = near[index] === true ? endOfRun(near, index) : index + 1
    const part = lines.slice(index, end)
    const [removed, added] = [
      part.filter(({ sign }) => sign !== "+").length,
      part.filter(({ sign }) => sign !== "-").length,
    ]
    if (near[index] === true)
      out.push(`@@ -${place(before, removed)} +${place(after, added)} @@`, ...part.flatMap(shown))
    before += removed
    after += added
    index = end
  }
  return out
}

const isChange = ({ sign }: Line): boolean => sign !== " "

const endOfRun = (near: ReadonlyArray<boolean>, from: number): number => {
  const end = near.indexOf(false, from)
  return end === -1 ? near.length : end
}

const place = (before: number, count: number): string => `${count === 0 ? before : before + 1},${count}`

const shown = ({ sign, text }: Line): ReadonlyArray<string> =>
  text.endsWith("\n") ? [`${sign}${text.slice(0, -1)}`] : [`${sign}${text}`, installWords.noNewlineAtEndOfFile]
