import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import { foldedName, looksTheSame } from "../../src/trust/NameSkeleton.ts"

it.effect.each([
  ["another case", "Bob", "BOB"],
  ["a decomposed letter", "Zoë", "Zoe\u0308"],
  ["full-width letters", "Bob", "Ｂｏｂ"],
  ["a word in Cyrillic letters", "Cox", "Сох"],
  ["a word in Greek letters", "BOX", "ΒΟΧ"],
  ["a capital I for a small l", "Alice", "AIice"],
  ["a digit for a letter", "Bob", "B0b"],
  ["a dotless i", "Kim", "Kım"],
  ["the sharp s in capitals", "Strauß", "STRAUSS"],
  ["a palochka, which is drawn as an l", "alice", "аӏісе"],
  ["another hyphen", "Bob-1", "Bob\u20101"],
  ["another apostrophe", "O'Neil", "O’Neil"],
  ["a letter that is not seen", "Bob", "B\u200bob"],
  ["capitals of another script for a word in both cases", "Bob", "ВОВ"],
  ["capitals of Greek for a word in both cases", "Tim", "ΤΙΜ"],
  ["letters of Lisu", "Bob", "ꓐꓳꓐ"],
  ["letters of Coptic", "Bob", "Ⲃⲟⲃ"],
  ["letters of Cherokee", "Kat", "ᏦᎪᎢ"],
  ["syllabics", "Paul", "ᑭᗩᑌᒪ"],
  ["letters of an alphabet that nobody writes in any more", "Bob", "𐊂𐊒𐊂"],
  ["small capitals", "Bob", "ʙᴏʙ"],
  ["a dot on an i that has one", "Ali", "Ali\u0307"],
  ["a capital i with its dot", "Ilker", "İlker"],
  ["r and n for an m", "Tom", "Torn"],
  ["two v for a w", "Wim", "VVim"],
] as const)("takes %s for the same name", ([, one, other]) =>
  Effect.sync(() => assert.isTrue(looksTheSame(one, other))),
)

it.effect.each([
  ["another letter", "Bob", "Rob"],
  ["an accent, which people are called by", "Rene", "René"],
  ["a name that only capitals make alike", "Ian", "Lan"],
  ["a Russian name in small letters", "Bob", "Вов"],
  ["a name that only its own capitals make another", "Нина", "Huha"],
  ["c and l, which is not d", "Clara", "Dara"],
] as const)("tells %s apart", ([, one, other]) => Effect.sync(() => assert.isFalse(looksTheSame(one, other))))

it.effect("folds a sigma at the end of a word as any other", () =>
  Effect.sync(() => assert.strictEqual(foldedName("ΟΔΟΣ"), foldedName("οδος"))),
)
