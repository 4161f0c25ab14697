/**
 * Keeps answers inside their bounds. A text is only ever cut where no character and no escape is torn, and what is
 * left out is counted.
 */

type More = (left: number, shown: number) => string

/** How many of the lines fit, from the first; where not all do, what `more` says of the rest has a place as well. */
export const countFitting = (lines: ReadonlyArray<string>, charactersMax: number, more: More): number => {
  const whole = lines.reduce((sum, line) => sum + line.length + 1, -1)
  if (whole <= charactersMax) return lines.length
  let used = 0
  const end = lines.findIndex((line, index) => {
    used += line.length + 1
    return used + more(lines.length - index - 1, index + 1).length > charactersMax
  })
  return end === -1 ? lines.length - 1 : end
}

/** The lines that fit, and what `more` says of the rest. */
export const fitted = (lines: ReadonlyArray<string>, charactersMax: number, more: More): ReadonlyArray<string> => {
  const count = countFitting(lines, charactersMax, more)
  return count === lines.length ? lines : [...lines.slice(0, count), more(lines.length - count, count)]
}

const cutMark = " […]"

export const clamped = (text: string, charactersMax: number): string =>
  text.length <= charactersMax ? text : text.slice(0, safeCut(text, charactersMax - cutMark.length)) + cutMark

/** The whole text in parts, each at most so long; cut behind a line or a word where one ends near the bound. */
export const split = (text: string, charactersMax: number): ReadonlyArray<string> => {
  const parts: Array<string> = []
  let rest = text
  while (rest.length > charactersMax) {
    const end = niceCut(rest, charactersMax)
    parts.push(rest.slice(0, end))
    rest = rest.slice(end)
  }
  return [...parts, rest]
}

/** How far before the bound a better place is looked for. */
const niceCharacters = 1_000

const niceCut = (text: string, end: number): number => {
  const tail = text.slice(Math.max(1, end - niceCharacters), end)
  for (const border of ["\n", " "]) {
    const last = tail.lastIndexOf(border)
    if (last !== -1) return end - tail.length + last + 1
  }
  return safeCut(text, end)
}

/** The longest escape that we write, or a sender may have. */
const escape = /&[a-z0-9#]{1,8};/iy
const escapeCharactersMax = 10

/** At `end`, or a few characters before it: never inside an escape or between the halves of a character. */
const safeCut = (text: string, end: number): number => {
  const ampersand = text.lastIndexOf("&", end - 1)
  if (ampersand > 0 && end - ampersand < escapeCharactersMax) {
    escape.lastIndex = ampersand
    const [found = ""] = escape.exec(text) ?? []
    if (ampersand + found.length > end) return ampersand
  }
  return end > 1 && isLowSurrogate(text.charCodeAt(end)) && isHighSurrogate(text.charCodeAt(end - 1)) ? end - 1 : end
}

const isHighSurrogate = (unit: number): boolean => unit >= 0xd800 && unit <= 0xdbff
const isLowSurrogate = (unit: number): boolean => unit >= 0xdc00 && unit <= 0xdfff
