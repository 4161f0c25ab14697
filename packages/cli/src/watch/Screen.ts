/**
 * A terminal that shows one table, drawn anew in place. It is written to at once and as a whole, so nothing flickers, and each line is
 * cut to the width, so nothing wraps. Whatever ends this, the cursor and what was on the screen before are back.
 */
import { writeSync } from "node:fs"
import { Effect } from "effect"
import { bold, padded } from "../Output.ts"

export interface Picture {
  readonly head: ReadonlyArray<string>
  readonly rows: ReadonlyArray<ReadonlyArray<string>>
  /** Beneath the table: what is wrong, and how this is ended. */
  readonly foot: ReadonlyArray<string>
}

export interface Screen {
  readonly draw: (picture: Picture) => void
}

export interface Size {
  readonly columns: number
  readonly rows: number
}

const [enter, leave] = ["\u001b[?1049h\u001b[?25l", "\u001b[?25h\u001b[?1049l"]
/** Terminals that know it show nothing in between; the others pass over it. */
const [begin, end] = ["\u001b[?2026h", "\u001b[?2026l"]
const [home, clearLine, clearRest] = ["\u001b[H", "\u001b[K", "\u001b[J"]

const stdout = 1

/** A terminal that is gone takes nothing: the process is told by its signals. */
const put = (text: string): void => {
  try {
    const bytes = new TextEncoder().encode(text)
    for (let from = 0; from < bytes.length;) from += writeSync(stdout, bytes.subarray(from))
  } catch {}
}

const sizeNow = (): Size => {
  const [columns, rows] = process.stdout.getWindowSize()
  // Some terminals say nothing of their size.
  return { columns: columns > 0 ? columns : 80, rows: rows > 0 ? rows : 24 }
}

/** For as long as the scope is open. The last picture stays, as text, where the terminal goes on. */
export const openScreen = Effect.acquireRelease(
  Effect.sync(() => {
    let last: Picture | undefined
    let isOpen = false
    let shown = ""
    const show = () => {
      if (!isOpen || last === undefined) return
      const size = sizeNow()
      // Not the last column: what is cleared behind a whole line is its last letter.
      const text = linesOf(last, { ...size, columns: size.columns - 1 })
        .map((line) => `${line}${clearLine}`)
        .join("\r\n")
      const seen = `${size.columns} ${size.rows} ${text}`
      if (seen === shown) return
      shown = seen
      put(`${begin}${home}${text}${clearRest}${end}`)
    }
    const open = () => {
      isOpen = true
      shown = ""
      put(enter)
      show()
    }
    const close = () => {
      if (isOpen) put(leave)
      isOpen = false
    }
    /** Ctrl-Z: the shell gets its screen, and this one comes back with `fg`. */
    const pause = () => {
      close()
      process.kill(process.pid, "SIGSTOP")
    }
    const signals = { SIGWINCH: show, SIGTSTP: pause, SIGCONT: open } as const
    for (const [signal, handler] of Object.entries(signals)) process.on(signal, handler)
    process.on("exit", close)
    open()
    const draw = (picture: Picture) => {
      last = picture
      show()
    }
    const release = () => {
      for (const [signal, handler] of Object.entries(signals)) process.off(signal, handler)
      close()
      process.off("exit", close)
      if (last !== undefined) put(`${linesOf({ ...last, foot: [] }, sizeNow()).join("\r\n")}\r\n`)
    }
    return { draw, release }
  }),
  ({ release }) => Effect.sync(release),
)

/** As many as there is room for, of which the last says how many more there are. */
export const linesOf = ({ foot, head, rows }: Picture, { columns, rows: height }: Size): ReadonlyArray<string> => {
  const beneath = foot.slice(0, Math.max(0, height - 2))
  const room = Math.max(0, height - 1 - beneath.length)
  const shown = rows.length <= room ? rows : rows.slice(0, Math.max(0, room - 1))
  const left = rows.length - shown.length
  const widths = head.map((title, column) =>
    Math.max(Bun.stringWidth(title), ...shown.map((row) => Bun.stringWidth(row[column] ?? ""))),
  )
  const line = (cells: ReadonlyArray<string>) =>
    cut(cells.map((cell, column) => padded(cell, widths[column])).join("  "), columns)
  return [
    bold(line(head)),
    ...shown.map(line),
    ...(left > 0 && room > 0 ? [cut(`${left} more`, columns)] : []),
    ...beneath.map((text) => cut(text, columns)),
  ].slice(0, height)
}

const graphemes = new Intl.Segmenter()

/** By what a terminal shows: a letter may be two columns wide, or several code points. */
export const cut = (text: string, columns: number): string => {
  const trimmed = text.trimEnd()
  if (Bun.stringWidth(trimmed) <= columns) return trimmed
  let shown = ""
  let width = 0
  for (const { segment } of graphemes.segment(trimmed)) {
    width += Bun.stringWidth(segment)
    if (width > columns - 1) break
    shown += segment
  }
  return columns > 0 ? `${shown}…` : ""
}
