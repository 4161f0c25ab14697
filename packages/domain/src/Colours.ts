/**
 * Whether a stream shows colours, by what the environment says: a terminal does, unless `NO_COLOR` or a dumb one says otherwise; with
 * `FORCE_COLOR` any does. The command and the broker have one rule.
 */

export interface ColourSettings {
  readonly FORCE_COLOR?: string | undefined
  readonly NO_COLOR?: string | undefined
  readonly TERM?: string | undefined
}

/** Who forces colours for one command means it more than what is set for all. */
export const wantsColours = ({ FORCE_COLOR, NO_COLOR, TERM }: ColourSettings, isTerminal: boolean): boolean => {
  if (FORCE_COLOR !== undefined && FORCE_COLOR !== "") return !["0", "false"].includes(FORCE_COLOR)
  return isTerminal && (NO_COLOR ?? "") === "" && TERM !== "dumb"
}

const colourCodes = /\p{Cc}\[[0-9;]*m/gu

/** Of a text whose writer knows nothing of these: the cursor is still moved as it says. */
export const withoutColours = (text: string): string => text.replaceAll(colourCodes, "")
