/** What is wrong with a time that a person wrote: its unit, that it is none at all, or that it is too long. */
import * as lineWords from "../words/usage.ts"

interface Times {
  readonly units: ReadonlyArray<string>
  readonly longest: string
  readonly examples: string
}

export const wrongTime = (text: string, { examples, longest, units }: Times): string => {
  const [, count = "", unit = ""] = /^(\d+)([a-z]*)$/i.exec(text) ?? []
  const like = `write it like ${examples}`
  const listed = `${units.slice(0, -1).join(", ")} and ${units.at(-1) ?? ""}`
  const isUsual = unit === "" && units.includes("s")
  if (text === "") return like
  if (count === "") return lineWords.isNotATime(text, like)
  if (!isUsual && !units.includes(unit)) return lineWords.hasNoneOfTheUnits(text, listed, like)
  if (/^0+$/.test(count)) return lineWords.isNoTimeAtAll(text, like)
  if (count.startsWith("0")) return `${text} begins with a 0; ${like}`
  return `${text} is longer than ${longest}; ${like}`
}
