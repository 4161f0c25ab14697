/**
 * In a line for `send` and `reply` a word that no flag looks like is text, though it begins with a dash: it is marked, so that what
 * reads flags takes it for a word.
 */

/** A character that no word of a line can have. */
const mark = "\u0000"

const isFlag = (word: string): boolean => /^--[a-z][a-z-]*(?:=|$)/.test(word) || /^-[a-z]$/i.test(word)

export const withDashedWords = (line: ReadonlyArray<string>): ReadonlyArray<string> => {
  if (line[0] !== "send" && line[0] !== "reply") return line
  const end = line.indexOf("--")
  return line.map((word, at) =>
    (end !== -1 && at >= end) || !/^-./s.test(word) || word === "--" || isFlag(word) ? word : `${mark}${word}`,
  )
}

export const unmarked = (word: string): string => (word.startsWith(mark) ? word.slice(1) : word)
