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
] as const)("takes %s for the same name", ([, one, other]) =>
  Effect.sync(() => assert.isTrue(looksTheSame(one, other))),
)

it.effect.each([
  ["another letter", "Bob", "Rob"],
  ["an accent, which people are called by", "Rene", "René"],
  ["a name that only capitals make alike", "Ian", "Lan"],
] as const)("tells %s apart", ([, one, other]) => Effect.sync(() => assert.isFalse(looksTheSame(one, other))))

it.effect("folds a sigma at the end of a word as any other", () =>
  Effect.sync(() => assert.strictEqual(foldedName("ΟΔΟΣ"), foldedName("οδος"))),
)
