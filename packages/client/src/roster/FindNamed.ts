/**
 * The one rule by which what a person types finds a key among named ones: members, and invites. All 64 digits are that
 * key and nothing else; 8 or more may be its beginning; else it is a name, as it is written or else in another case.
 */
import { PublicKey } from "@claudemesh/domain/Ids"
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

const folded = (text: string): string => text.normalize("NFKC").toLowerCase()

export const isSameName = (asked: string, name: string): boolean => folded(asked) === folded(name)

/** Those that fit: more than one is for the person to decide. */
export const findNamed = <A>(asked: string, all: ReadonlyArray<A>, of: (one: A) => Named): ReadonlyArray<A> => {
  if (isPublicKey(asked)) return all.filter((one) => of(one).key === asked)
  const byKey = looksLikeKey(asked) ? all.filter((one) => of(one).key.startsWith(asked)) : []
  const inAnyCase = all.filter((one) => isSameName(asked, of(one).name))
  const asWritten = inAnyCase.filter((one) => of(one).name === asked)
  const found = [...new Set([...byKey, ...(asWritten.length > 0 ? asWritten : inAnyCase)])]
  const current = found.filter((one) => !of(one).isEnded)
  return current.length > 0 ? current : found
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
