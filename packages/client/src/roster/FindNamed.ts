/**
 * The one rule by which what a person types finds a key among named ones: members, and invites. All 64 digits are that
 * key and nothing else; 8 or more may be its beginning; else it is a name, as it is written or else in another case. What our
 * own lists put around a name, or a person does, is taken off, too.
 */
import { PublicKey } from "@claudemesh/domain/Ids"
import { foldedName } from "@claudemesh/domain/trust/NameSkeleton"
import { Schema } from "effect"

export interface Named {
  readonly key: PublicKey
  readonly name: string
  /** What has ended, such as a member that was revoked, is found only where nothing else is. */
  readonly isEnded: boolean
}

export const isPublicKey = Schema.is(PublicKey)

/** No session is found by such a name: it would stand in for a member's key. */
export const looksLikeKey = (text: string): boolean => /^[0-9a-f]{8,64}$/.test(text)

export const isSameName = (asked: string, name: string): boolean => foldedName(asked) === foldedName(name)

/** Digits of a key as they are copied: in capitals, or with the dots of a shortened one behind them. */
export const keyDigits = (asked: string): string => {
  const digits = asked
    .trim()
    .replace(/(?:…|\.\.\.)$/, "")
    .toLowerCase()
  return looksLikeKey(digits) ? digits : asked
}

/** Of a pair that a person or a program put around it; quotation marks come in all mixtures. */
const marks = "\"'`´“”„‟«»‘’‚‹›「」『』｢｣＂"
const around = new RegExp(
  String.raw`^(?:[${marks}](?<quoted>.*)[${marks}]|<(?<angled>[^<>]+)>|\[(?<squared>[^[\]]+)\]|\((?<round>[^()]+)\)|(?<stars>\*{1,2})(?<bold>[^*]+)\k<stars>)$`,
  "su",
)
/** As our lists write a member whose name needs it. */
const escapes: Readonly<Record<string, string>> = { "&quot;": '"', "&lt;": "<", "&amp;": "&", '\\"': '"', "\\\\": "\\" }

const unwrapped = (text: string): string => {
  const { angled, bold, quoted, round, squared } = around.exec(text)?.groups ?? {}
  const inner = quoted?.replaceAll(/&quot;|&lt;|&amp;|\\["\\]/g, (found) => escapes[found] ?? found)
  return (inner ?? angled ?? squared ?? round ?? bold ?? text).trim()
}

/** No name has what nobody sees, or two spaces in a row. */
const asSeen = (text: string): string =>
  text
    .replaceAll(/\p{Default_Ignorable_Code_Point}/gu, "")
    .replaceAll(/\s+/g, " ")
    .trim()

/** What follows a name in a sentence; a session's id may end so. */
const withoutComma = (text: string): string => (text.includes("/") ? text : text.replace(/(?<=.)[,;:，、：]+$/u, ""))

/**
 * The same without what may stand around it: spaces, quotation marks, brackets, the `@` of other programs, a comma behind it, and
 * characters that nobody sees.
 */
export const bare = (asked: string): string => barer(asked).at(-1) ?? asked

/** The same step by step: a name may have quotation marks of its own, between those of a list. */
const barer = (asked: string): ReadonlyArray<string> => {
  const plain = withoutComma(asSeen(asked))
  const once = unwrapped(plain)
  const named = withoutComma(once)
    .replace(/^[@＠]+(?=.)/u, "")
    .trim()
  return [plain, once, named, unwrapped(named)]
}

/** `Bob (3fa9c1d2)`, as lists print a member, or in other brackets, or in none as a table has it: both must be right. */
const digitsOf = String.raw`[0-9a-f]{8,64}(?:…|\.\.\.)?`
const nameAndKey = new RegExp(
  String.raw`^(?<name>.*\S)(?:\s*\(\s*(?<round>${digitsOf})(?:\s*,[^()]*)?\)|\s*\[\s*(?<squared>${digitsOf})\s*\]|\s*<\s*(?<angled>${digitsOf})\s*>|\s(?<plain>${digitsOf}))$`,
  "isu",
)

const splitName = (text: string): { readonly name: string; readonly key: string } | undefined => {
  const { angled, name, plain, round, squared } = nameAndKey.exec(text)?.groups ?? {}
  const digits = round ?? squared ?? angled ?? plain
  return name === undefined || digits === undefined ? undefined : { name, key: keyDigits(digits) }
}

/** The name in a text that may have its key behind it. */
export const namePart = (asked: string): string => bare(splitName(bare(asked))?.name ?? asked)

/**
 * Those that fit: more than one is for the person to decide. Whoever is called like what lists or people write of another, such as
 * `Bob (3fa9c1d2)` or `"Bob"`, is one of two and never the one: members choose their names.
 */
export const findNamed = <A>(asked: string, all: ReadonlyArray<A>, of: (one: A) => Named): ReadonlyArray<A> => {
  const written = [...new Set([asked, ...barer(asked)])]
  const withKeys = written.flatMap((text) => {
    const split = splitName(text)
    if (split === undefined) return []
    const keyed = all.filter((one) => of(one).key.startsWith(split.key))
    return keyed.length === 0 ? [] : barer(split.name).flatMap((name) => found(name, keyed, of))
  })
  return currentOf([...written.flatMap((text) => found(text, all, of)), ...withKeys], of)
}

const currentOf = <A>(fit: ReadonlyArray<A>, of: (one: A) => Named): ReadonlyArray<A> => {
  const current = fit.filter((one) => !of(one).isEnded)
  return [...new Set(current.length > 0 ? current : fit)]
}

const found = <A>(asked: string, all: ReadonlyArray<A>, of: (one: A) => Named): ReadonlyArray<A> => {
  const digits = keyDigits(asked)
  if (isPublicKey(digits)) return all.filter((one) => of(one).key === digits)
  const byKey = looksLikeKey(digits) ? all.filter((one) => of(one).key.startsWith(digits)) : []
  const inAnyCase = all.filter((one) => isSameName(asked, of(one).name))
  const asWritten = inAnyCase.filter((one) => of(one).name === asked)
  return currentOf([...byKey, ...(asWritten.length > 0 ? asWritten : inAnyCase)], of)
}

const nearMax = 3
/** Fewer digits of a key say nothing. */
const keyDigitsNear = 4

/** Whose key begins with what is too short to be taken for it. */
export const nearKey = <A>(asked: string, all: ReadonlyArray<A>, keyOf: (one: A) => string): ReadonlyArray<A> => {
  const digits = bare(asked)
    .toLowerCase()
    .replace(/(?:…|\.\.\.)$/, "")
  const isBeginning = digits.length >= keyDigitsNear && /^[0-9a-f]+$/.test(digits)
  return isBeginning ? all.filter((one) => keyOf(one).startsWith(digits)).slice(0, nearMax) : []
}

/** What stands before a colon, where it may be a mesh: no name has one. A tag is something else. */
export const slugPart = (asked: string): readonly [slug: string, to: string] | undefined => {
  const [, slug = "", to = ""] = /^([a-z0-9][a-z0-9-]{0,31})\s*:\s*(\S.*)$/isu.exec(bare(asked)) ?? []
  return to === "" || slug.toLowerCase() === "tag" ? undefined : [slug, to]
}

/** Whom a person may have meant: the nearest first, of those that are a slip of the finger or a part of the name away. */
export const nearest = <A>(asked: string, all: ReadonlyArray<A>, nameOf: (one: A) => string): ReadonlyArray<A> => {
  const wanted = foldedName(namePart(asked))
  if (wanted.length === 0 || wanted.length > 64) return []
  const near = all.flatMap((one) => {
    const distance = farFrom(wanted, foldedName(nameOf(one)))
    return distance === undefined ? [] : [{ one, distance }]
  })
  return near
    .toSorted((a, b) => a.distance - b.distance)
    .slice(0, nearMax)
    .map(({ one }) => one)
}

const partCharactersMin = 3

/** Undefined where it is too far for a slip. */
const farFrom = (wanted: string, name: string): number | undefined => {
  const slips = slipsBetween(wanted, name)
  const longer = Math.max(wanted.length, name.length)
  if (slips <= (longer <= 3 ? 1 : longer <= 8 ? 2 : 3) && slips < longer) return slips
  const [short, long] = wanted.length < name.length ? [wanted, name] : [name, wanted]
  return short.length >= partCharactersMin && (long.startsWith(short) || long.split(/[\s._-]+/).includes(short))
    ? long.length
    : undefined
}

/** Letters that were left out, added, taken for another, or swapped with the next (optimal string alignment). */
const slipsBetween = (one: string, other: string): number => {
  const [a, b] = [Array.from(one), Array.from(other)]
  const far = a.length > b.length + 3 || b.length > a.length + 3
  if (far) return Number.POSITIVE_INFINITY
  let before: ReadonlyArray<number> = []
  let last: ReadonlyArray<number> = Array.from({ length: b.length + 1 }, (_, column) => column)
  for (const [row, letter] of a.entries()) {
    const now = [row + 1]
    for (const [column, there] of b.entries()) {
      const replaced = (last[column] ?? 0) + (letter === there ? 0 : 1)
      const swapped = letter === b[column - 1] && a[row - 1] === there ? (before[column - 1] ?? 0) + 1 : replaced
      now.push(Math.min((last[column + 1] ?? 0) + 1, (now[column] ?? 0) + 1, replaced, swapped))
    }
    before = last
    last = now
  }
  return last[b.length] ?? 0
}

/** Digits of a key, or characters of a session's id, that may stand for all of it. */
export const shortestBeginning = 8

/** As much of a key or a session's id as tells it from the others. */
export const beginning = (whole: string, others: ReadonlyArray<string>): string => {
  const lengths = others.map((other) => {
    if (other === whole) return shortestBeginning
    let same = 0
    while (whole[same] === other[same]) same += 1
    return same + 1
  })
  return whole.slice(0, Math.max(shortestBeginning, ...lengths))
}

const plainName =
  /^(?=.{1,40}$)(?!.*\p{Default_Ignorable_Code_Point})[\p{L}\p{M}\p{N}_'.-]+(?: [\p{L}\p{M}\p{N}_'.-]+){0,2}$/u

/**
 * Whether a name may stand among our words without quotation marks: at most three words of letters and digits, and 40
 * characters, is too little for a key, a standing or a sentence of ours.
 */
export const isPlainName = (name: string): boolean => plainName.test(name)

/** Others chose it: what could pass for words of ours is set apart. */
export const nameAmongWords = (name: string): string => (isPlainName(name) ? name : JSON.stringify(name))
