/**
 * In a line for `send` and `reply` a word that no flag looks like is text, though it begins with a dash: it is marked, so that what
 * reads flags takes it for a word. And `--wait` gets its value.
 */

/** A character that no word of a line can have. */
const mark = "\u0000"

const isFlag = (word: string): boolean => /^--[a-z][a-z-]*(?:=|$)/.test(word) || /^-[a-z]$/i.test(word)

export const withDashedWords = (line: ReadonlyArray<string>): ReadonlyArray<string> => {
  if (line[0] !== "send" && line[0] !== "reply") return line
  const dashes = line.indexOf("--")
  const end = dashes === -1 ? line.length : dashes
  const words = withWait(line.slice(0, end)).map((word) =>
    !/^-./s.test(word) || isFlag(word) ? word : `${mark}${word}`,
  )
  return [...words, ...line.slice(end)]
}

/** What is waited for may be said, as in the tool `send_message`, and need not be: such a word right behind `--wait` is no text. */
const withWait = (words: ReadonlyArray<string>): ReadonlyArray<string> =>
  words.flatMap((word, at) => {
    const [before, after] = [words[at - 1], words[at + 1]]
    if (word === "--wait") return [after !== undefined && isAwaited(after) ? `--wait=${after}` : "--wait=shown"]
    return before === "--wait" && isAwaited(word) ? [] : [word]
  })

const isAwaited = (word: string): boolean => word === "shown" || word === "reply"

export const unmarked = (word: string): string => (word.startsWith(mark) ? word.slice(1) : word)
