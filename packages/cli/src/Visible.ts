/**
 * A text of somebody else as it was written, but for what would act on a terminal or change how the rest is seen: that is shown as
 * codes. Emoji of several signs, joiners of scripts, tabs and CRLF stay as they are.
 */

/**
 * What neither a person nor a terminal can see, or what changes how the rest is seen: control characters, among them
 * those of terminals, forced directions, letters that are invisible, and variation selectors where no script has them. What
 * emoji and scripts are written with stays: the letters in the flags of England, Scotland and Wales, one selector behind a
 * character, and those of the supplement behind a Han character. Only what is to be shown as codes is in the group.
 */
const unseen =
  /\u{1f3f4}\u{e0067}\u{e0062}(?:\u{e0065}\u{e006e}\u{e0067}|\u{e0073}\u{e0063}\u{e0074}|\u{e0077}\u{e006c}\u{e0073})\u{e007f}|\r\n|\p{Script=Han}[\u{e0100}-\u{e01ef}](?![\ufe00-\ufe0f\u{e0100}-\u{e01ef}])|((?:[\ufe00-\ufe0f]|[\u{e0100}-\u{e01ef}]){2,}|[^\P{Cc}\n\t]|[\u202a-\u202e\u2066-\u2069]|[\u{e0000}-\u{e007f}]|[\u{e0100}-\u{e01ef}])/gu

interface Visible {
  readonly text: string
  /** Characters of it that are shown as codes. */
  readonly codes: number
}

const codeOf = (character: string): string =>
  `[U+${(character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, "0")}]`

export const visible = (text: string): Visible => {
  let codes = 0
  const shown = text.replace(unseen, (found: string, hidden?: string) => {
    if (hidden === undefined) return found
    return hidden.replace(/./gsu, (character) => {
      codes += 1
      return codeOf(character)
    })
  })
  return { text: shown, codes }
}
