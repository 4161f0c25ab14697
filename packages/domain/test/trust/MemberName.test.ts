/** Names that people and models pick each other by. */
import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import { MemberName } from "../../src/trust/MemberName.ts"

const isMemberName = Schema.is(MemberName)

describe("a member's name", () => {
  const good = [
    "alice",
    "member-11",
    "Ann O'Neil",
    "José Müller",
    "Łukasz_Żak (ops)",
    "李雷 Li",
    "山田ハナコ",
    "김 Kim",
    "Дмитрий",
    "Νίκος",
    "محمد",
    "bot #2",
    "dave 🚀",
  ]
  for (const name of good) it(`may be ${name}`, () => assert.isTrue(isMemberName(name)))

  const bad = {
    "Latin with a Cyrillic letter in it": "b\u043Eb",
    "Cyrillic with a Latin letter in it": "\u0414mitry",
    "Greek mixed with Latin": "\u0391lice",
    "a letter of a script that is in no group, beside Latin": "bob\u13AA",
    "a letter that is invisible": "bob\u3164",
    "a zero-width joiner": "bo\u200Db",
    "a direction mark": "bob\u202Egnp",
    "a soft hyphen": "bo\u00ADb",
    "a tag character": "bob\u{E0041}",
    "a variation selector": "bob\uFE0F",
    "an escape sequence": "\u001B[31mbob",
    "a new line": "bob\nadmin",
    "a no-break space": "bob\u00A0b",
    "two spaces": "bob  b",
    "a space at its end": "bob ",
    "full-width letters": "\uFF42\uFF4F\uFF42",
    "mathematical letters": "\u{1D41B}ob",
    "a ligature": "\uFB01x",
    "a letter and its accent apart": "Jose\u0301",
    "stacked marks": "b\u0353\u0354\u0355ob",
    "braille's blank": "bob\u2800",
    "a private character": "bob\uE000",
    "half of a pair": "bob\uD83D",
    "a slash, which stands before a session": "bob/laptop",
    "a colon, which stands behind a mesh": "team:bob",
    "a hash at its beginning, as a channel": "#builds",
    "a star at its beginning, as everyone": "*",
    "the beginning of a key": "deadbeef",
    nothing: "",
    "65 characters": "x".repeat(65),
  }
  for (const [what, name] of Object.entries(bad)) it(`is not ${what}`, () => assert.isFalse(isMemberName(name)))
})
