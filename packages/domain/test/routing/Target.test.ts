import { assert, describe, it } from "@effect/vitest"
import { Option, Result, Schema } from "effect"
import { formatTarget, isDirect, parseTarget, Target, TargetSpec } from "../../src/routing/Target.ts"
import { alice, builds, laptop } from "../support/Cast.ts"

describe("Target", () => {
  it.prop("parses to what was formatted (I5)", { target: Target }, ({ target }) => {
    assert.deepStrictEqual(parseTarget(formatTarget(target)), Option.some(target))
  })

  it.prop("has one spelling: what parses is formatted as it came (I5)", { spec: TargetSpec }, ({ spec }) => {
    const text = formatTarget(spec)
    assert.strictEqual(Schema.encodeSync(TargetSpec)(Schema.decodeSync(TargetSpec)(text)), text)
  })

  it.prop(
    "of any text parses to something that formats as that text, or not at all",
    { text: Schema.String },
    ({ text }) => {
      for (const spec of [text, `#${text}`, `tag:${text}`, `${alice}/${text}`]) {
        const parsed = parseTarget(spec)
        if (Option.isSome(parsed)) assert.strictEqual(formatTarget(parsed.value), spec)
      }
    },
  )

  it("has five forms", () => {
    const forms: ReadonlyArray<readonly [string, Target, boolean]> = [
      [alice, Target.make({ _tag: "Member", key: alice }), true],
      [`${alice}/laptop`, Target.make({ _tag: "Session", key: alice, session: laptop }), true],
      ["#builds", Target.make({ _tag: "Channel", channel: builds }), false],
      ["tag:builds", Target.make({ _tag: "Tag", tag: builds }), false],
      ["*", Target.make({ _tag: "Everyone" }), false],
    ]
    for (const [spec, target, direct] of forms) {
      assert.deepStrictEqual(parseTarget(spec), Option.some(target))
      assert.strictEqual(isDirect(target), direct, spec)
    }
  })

  const refused = {
    nothing: "",
    "a space": " ",
    "upper-case hex": alice.toUpperCase(),
    "one upper-case digit": `A${alice.slice(1)}`,
    "63 digits": alice.slice(1),
    "65 digits": `${alice}a`,
    "a digit that is not hex": `g${alice.slice(1)}`,
    "a name": "alice",
    "an empty channel": "#",
    "an upper-case channel": "#A",
    "a channel with a leading dot": "#.a",
    "a channel of 65 characters": `#${"a".repeat(65)}`,
    "a channel with a space": "#a b",
    "two marks": "##a",
    "an empty tag": "tag:",
    "an upper-case tag": "tag:A",
    "an upper-case tag mark": "TAG:a",
    "two stars": "**",
    "a star and a space": "* ",
    "a key with an empty session": `${alice}/`,
    "a session with a slash": `${alice}/a/b`,
    "a session with a space": `${alice}/a b`,
    "a session of 129 characters": `${alice}/${"s".repeat(129)}`,
    "a session of nobody": "/laptop",
    "a session of an upper-case key": `${alice.toUpperCase()}/laptop`,
    "a trailing newline": `${alice}\n`,
    "a newline in a channel": "#a\n",
    "a control character in a tag": "tag:a\u0000",
    "a control character in a session": `${alice}/a\u001b`,
    "an escape before a star": "\u001b*",
    "full-width digits": `${"\uff11".repeat(64)}`,
  }
  for (const [what, spec] of Object.entries(refused)) {
    it(`refuses ${what} (I5)`, () => {
      assert.isTrue(Option.isNone(parseTarget(spec)))
      assert.isTrue(Result.isFailure(Schema.decodeUnknownResult(TargetSpec)(spec)))
    })
  }
})
