/**
 * A text as a QR code, for the camera of a machine that nothing can be pasted into; nothing where stderr is no terminal.
 * Light on black in any theme, since not every camera reads it the other way round, and whole lines, or none reads it.
 */
import { renderUnicodeCompact } from "uqr"

export const scannable = (text: string): ReadonlyArray<string> => {
  const { columns, isTTY } = process.stderr
  if (!isTTY) return []
  const rows = renderUnicodeCompact(text, { ecc: "L", border: 2 }).split("\n")
  const width = rows[0]?.length ?? 0
  if (columns > 0 && columns < width) return [`(In a terminal of ${width} columns it is also drawn as a code to scan.)`]
  return (process.env["NO_COLOR"] ?? "") === "" ? rows.map((row) => `\u001b[97;40m${row}\u001b[0m`) : rows
}
