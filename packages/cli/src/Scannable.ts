/**
 * A text as a QR code, for the camera of a machine that nothing can be pasted into; said to be left out where stderr is no terminal.
 * Light on black in any theme, since not every camera reads it the other way round, and whole lines, or none reads it.
 */
import { renderUnicodeCompact } from "uqr"
import { colouredStderr } from "./Coloured.ts"
import * as joiningWords from "./words/joining.ts"

export const scannable = (text: string): ReadonlyArray<string> => {
  const { columns, isTTY } = process.stderr
  if (!isTTY) return [joiningWords.noCodeWithoutTerminal]
  const rows = renderUnicodeCompact(text, { ecc: "L", border: 2 }).split("\n")
  const width = rows[0]?.length ?? 0
  if (columns > 0 && columns < width) return [joiningWords.noCodeInSoFewColumns(width)]
  return colouredStderr ? rows.map((row) => `\u001b[97;40m${row}\u001b[0m`) : rows
}
