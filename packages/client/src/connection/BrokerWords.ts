/**
 * What a broker says in its own words: why it refuses, and why it closes. It stands in errors that people and models
 * read beside our own words, so it is kept to one short line in which nothing is hidden and nothing is a tag.
 */
export const brokerWordsMax = 300

export const brokerWords = (text: string): string => {
  const line = text
    .slice(0, 4 * brokerWordsMax)
    .replaceAll(/[\s\p{Cc}\p{Zl}\p{Zp}]+/gu, " ")
    .replaceAll(/[\p{Cf}<>]/gu, "")
    .trim()
  return line.length > brokerWordsMax ? `${line.slice(0, brokerWordsMax)}…` : line
}
