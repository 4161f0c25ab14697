/** The broker's folders stand on each other in one order, so that each can be read with those below it alone. */
import { readdirSync, readFileSync } from "node:fs"
import { dirname, join, relative } from "node:path"
import { assert, describe, it } from "@effect/vitest"

const root = join(import.meta.dirname, "../../packages/broker/src")

/** Each stands on those before it, and on none behind it. The page about the architecture has them in this order. */
const order = [
  "metrics",
  "trust",
  "store",
  "state",
  "delivery",
  "presence",
  "session",
  "membership",
  "mesh",
  "connection",
  "http",
] as const

/** Of the files beside the folders: these are read by `http` at the most, or put all of it together. Everything stands on the others. */
const beside: Readonly<Record<string, number>> = {
  "Config.ts": order.length,
  "Broker.ts": order.length + 1,
  "main.ts": order.length + 1,
  "serve.ts": order.length + 1,
}

/** Where a file stands: 0 is below every folder. */
const levelOf = (path: string): number => {
  const [folder = "", ...rest] = path.split("/")
  return rest.length > 0 ? order.findIndex((name) => name === folder) + 1 : (beside[path] ?? 0)
}

const files = readdirSync(root, { recursive: true, encoding: "utf8" }).filter((path) => path.endsWith(".ts"))

const arrows = files.flatMap((path) =>
  [...readFileSync(join(root, path), "utf8").matchAll(/(?:from|import) "(\.[^"]+)"/g)].map(([, to = ""]) => ({
    from: path,
    to: relative(root, join(root, dirname(path), to)),
  })),
)

describe("the broker's folders", () => {
  it("are all in the order", () => {
    const folders = new Set(files.filter((path) => path.includes("/")).map((path) => path.split("/")[0] ?? ""))
    assert.deepStrictEqual([...folders].toSorted(), [...order].toSorted())
  })

  it("stand on none that stands on them", () => {
    assert.isAbove(arrows.length, 200)
    const back = arrows.filter(({ from, to }) => levelOf(from) < levelOf(to))
    assert.deepStrictEqual(
      back.map(({ from, to }) => `${from} -> ${to}`),
      [],
    )
  })
})
