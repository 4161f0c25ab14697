/** What a person is called where they did not say it. */
import { mkdir, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Effect, Option } from "effect"
import { temporaryFolder } from "../../broker/test/support/TestBroker.ts"
import { gitName, personName } from "../src/commands/OwnName.ts"

describe("a person's name", () => {
  it("is never that of an account that many machines have", () => {
    for (const account of ["root", "ubuntu", "Administrator", "runner"]) {
      assert.isTrue(Option.isNone(personName(account)), account)
    }
    assert.deepStrictEqual(personName("ann").toString(), Option.some("ann").toString())
  })

  it.live("is what git's own settings say, with what they include, and not a folder's", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const home = yield* temporaryFolder
        const named = (text: string, more: Readonly<Record<string, string>> = {}) =>
          Effect.andThen(
            Effect.promise(() => writeFile(join(home, ".gitconfig"), text)),
            gitName.pipe(
              Effect.provide(ConfigProvider.layer(ConfigProvider.fromEnvRecord({ HOME: home, ...more }))),
              Effect.map(Option.getOrUndefined),
            ),
          )
        yield* Effect.promise(async () => {
          await mkdir(join(home, ".git"))
          await writeFile(join(home, ".git/config"), "[user]\nname = Eve\n")
          await writeFile(join(home, "other"), "[user]\n\tname = Ann at work\n")
        })
        const cases: Readonly<Record<string, string | undefined>> = {
          "[user]\n\tname = Ann Bell\n": "Ann Bell",
          '[core]\n\tname = no\n[User] # me\n  Name = "Zoë" ; it is me\n': "Zoë",
          "[user]\nname = A\nname = B\n": "B",
          "[user]\nname = Ann\n[include]\npath = ~/other\n": "Ann at work",
          "[user]\nname = Ann\n[include]\npath = gone\n": "Ann",
          "[user]\nemail = a@b\n": undefined,
          "[user]\nname = a/b:c\n": undefined,
          "[user]\nname = root\n": undefined,
          "[user]\nname = Ann   Bell\n": "Ann Bell",
          "[user]\nname = Ann \\\n  Bell\n": "Ann Bell",
          '[user]\nname = "半角 ﾃｽﾄ"\n': "半角 テスト",
        }
        for (const [text, name] of Object.entries(cases)) {
          assert.strictEqual(yield* named(text), name, text)
        }
        assert.strictEqual(yield* named("", { GIT_CONFIG_GLOBAL: "~/other" }), "Ann at work")
      }),
    ),
  )
})
