/** The broker's pages in a real Chromium, where the machine has one: light and dark, on a phone, by keyboard, and looked through by axe. */
import { readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { type BrowserContextOptions, chromium, type Page } from "playwright-core"
import { startBroker } from "../support/TestBroker.ts"

type Look = BrowserContextOptions & { readonly viewport: { readonly width: number; readonly height: number } }

const executablePath = Bun.which("chromium")
const axe = readFileSync(fileURLToPath(import.meta.resolve("axe-core/axe.min.js")), "utf8")

const looks: Readonly<Record<string, Look>> = {
  light: { colorScheme: "light", viewport: { width: 1280, height: 800 } },
  dark: { colorScheme: "dark", viewport: { width: 1280, height: 800 } },
  "light, on a phone": { colorScheme: "light", viewport: { width: 360, height: 640 }, isMobile: true, hasTouch: true },
  "dark, on a phone": { colorScheme: "dark", viewport: { width: 360, height: 640 }, isMobile: true, hasTouch: true },
}

const browser = Effect.acquireRelease(
  Effect.promise(() => chromium.launch({ executablePath: executablePath ?? "", args: ["--no-sandbox"] })),
  (running) => Effect.promise(() => running.close()),
)

/** Of what axe has rules for, by WCAG 2.2 AA and its own best practices. */
const violationsOf = async (page: Page): Promise<ReadonlyArray<string>> => {
  await page.evaluate(axe)
  return page.evaluate("axe.run().then(({ violations }) => violations.map(({ id, help }) => `${id}: ${help}`))")
}

/** Whatever the Tab key leads to has a ring around it. */
const assertKeyboardIsSeen = async (page: Page, name: string): Promise<void> => {
  const links = await page.locator("a").count()
  for (let link = 0; link < links; link++) {
    await page.keyboard.press("Tab")
    const focused = "getComputedStyle(document.activeElement)"
    assert.strictEqual(await page.evaluate(`document.activeElement === document.links[${link}]`), true, name)
    assert.strictEqual(await page.evaluate(`${focused}.outlineStyle + ${focused}.outlineWidth`), "solid3px", name)
  }
}

describe.skipIf(executablePath === null)("in Chromium", () => {
  for (const path of ["/", "/join"]) {
    it.live(`the page ${path} is readable light and dark, on a screen and on a phone, and complains of nothing`, () =>
      Effect.scoped(
        Effect.gen(function* () {
          const { origin } = yield* startBroker()
          const running = yield* browser
          yield* Effect.promise(async () => {
            for (const [name, look] of Object.entries(looks)) {
              const page = await running.newPage(look)
              const said: Array<string> = []
              page.on("console", (message) => said.push(message.text()))
              await page.goto(`${origin}${path}`)
              assert.deepStrictEqual(await violationsOf(page), [], name)
              const width = Number(await page.evaluate("document.documentElement.scrollWidth"))
              assert.isAtMost(width, look.viewport.width, `${name}: it is wider than the screen`)
              assert.deepStrictEqual(said, [], name)
              await assertKeyboardIsSeen(page, name)
              await page.close()
            }
          })
        }),
      ),
    )
  }
})
