/**
 * A name that a certificate may carry. Peers choose it, and people and models pick each other by it, so it is held
 * to more than a display name: one spelling, one writing system, and nothing that reads as a key or a target.
 * The mixed-script rule is that of UTS #39, "highly restrictive"; two names of one script may still look alike, so
 * wherever it matters the key stands beside the name.
 */
import { Schema } from "effect"
import { DisplayName } from "../Ids.ts"

/** Writing systems that one name may mix, beside letters and marks that all of them share. */
const together = [
  ["Latin"],
  ["Latin", "Han", "Hiragana", "Katakana"],
  ["Latin", "Han", "Bopomofo"],
  ["Latin", "Han", "Hangul"],
  ["Cyrillic"],
  ["Greek"],
]
const named: ReadonlySet<string> = new Set(together.flat())
const scripts = [...named].map((name) => ({ name, letter: new RegExp(`\\p{Script_Extensions=${name}}`, "u") }))
/** Of no script by itself: digits, punctuation, and marks that follow their letter. */
const shared = /[\p{Script=Common}\p{Script=Inherited}]/u

const isOneWriting = (name: string): boolean => {
  const letters = Array.from(name).filter((character) => !shared.test(character))
  const isWrittenIn = (group: ReadonlyArray<string>) =>
    letters.every((letter) => scripts.some(({ letter: of, name }) => group.includes(name) && of.test(letter)))
  const known = letters.some((letter) => scripts.some(({ letter: of }) => of.test(letter)))
  // Scripts that are not in the list are taken alone: none of their letters beside one of a listed script.
  return known ? together.some(isWrittenIn) : true
}

/** Not one of: invisible though a letter, unassigned or private, stacked marks, a separator of targets, doubled space. */
const unfit = /[\p{Default_Ignorable_Code_Point}\p{Co}\p{Cn}\u2800/:]|\p{M}{3}|\s\s|^[#*@]/u
const looksLikeKey = /^[0-9a-f]{8,}$/i

const isMemberName = (name: string): boolean =>
  name === name.normalize("NFKC") && !unfit.test(name) && !looksLikeKey.test(name) && isOneWriting(name)

/** As a certificate spells what somebody typed: systems write letters with marks in two ways, and people any number of spaces. */
export const spelledName = (typed: string): string => typed.normalize("NFKC").replaceAll(/ +/g, " ").trim()

export const MemberName = DisplayName.check(
  Schema.makeFilter((name: string) => isMemberName(name), {
    expected: "a name in one writing system, without / or :, and not like a key",
    // What is generated for tests: of arbitrary letters next to none would be of one writing system.
    arbitraryConstraint: { patterns: [{ source: "^[A-Z][a-z]{2,30}$", flags: "" }] },
  }),
)
