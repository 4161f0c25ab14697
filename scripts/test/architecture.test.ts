/** The architecture page is about this tree: every folder is in it, every file it names is there. */
import { existsSync, readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { brokerLimits } from "../../packages/broker/src/Limits.ts"

const root = join(import.meta.dirname, "../..")
const read = (path: string): string => readFileSync(join(root, path), "utf8")

const foldersUnder = (folder: string): ReadonlyArray<string> => [
  folder,
  ...readdirSync(join(root, folder), { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .flatMap((entry) => foldersUnder(`${folder}/${entry.name}`)),
]

const { workspaces }: { readonly workspaces: ReadonlyArray<string> } = JSON.parse(read("package.json"))
const folders = workspaces.flatMap((workspace) => foldersUnder(`${workspace}/src`))

const page = read("docs/architecture.md")
const named = (text: string): ReadonlyArray<string> => [...text.matchAll(/`([^`\n]+)`/g)].map(([, name = ""]) => name)

/** Each heading with what is under it, up to the next one. */
const sections = page.split(/^(?=##)/m).map((text) => {
  const [heading = ""] = text.split("\n")
  return { folders: named(heading), names: named(text) }
})
const headed = sections.flatMap((section) => section.folders)

describe("docs/architecture.md", () => {
  it("has a heading for every folder of the source", () => {
    assert.isAbove(folders.length, 15)
    assert.deepStrictEqual(
      folders.filter((folder) => !headed.includes(folder)),
      [],
    )
  })

  it("names files and folders that exist, from the root or from the folder of their heading", () => {
    const paths = sections.flatMap(({ folders: under, names }) =>
      names
        .filter((name) => /\.(ts|md)$/.test(name) || /^(packages|scripts|docs)\//.test(name))
        .map((name) => ({ name, places: [name, ...under.map((folder) => `${folder}/${name}`)] })),
    )
    assert.isAbove(paths.length, 50)
    assert.deepStrictEqual(
      paths.filter(({ places }) => !places.some((path) => existsSync(join(root, path)))).map(({ name }) => name),
      [],
    )
  })

  it("names every file of the broker under the heading of its folder", () => {
    const broker = folders.filter((folder) => folder.startsWith("packages/broker/src"))
    const files = broker.flatMap((folder) =>
      readdirSync(join(root, folder))
        .filter((name) => name.endsWith(".ts"))
        .map((name) => ({ folder, name, path: `${folder}/${name}` })),
    )
    assert.isAbove(files.length, 100)
    const isNamed = ({ folder, name, path }: (typeof files)[number]) =>
      sections.some(
        (section) => section.folders.includes(folder) && [name, path].some((one) => section.names.includes(one)),
      )
    assert.deepStrictEqual(
      files.filter((file) => !isNamed(file)).map(({ path }) => path),
      [],
    )
  })

  it("names tables that the migrations make", () => {
    const store = join(root, "packages/broker/src/store")
    const sources = readdirSync(store, { recursive: true, encoding: "utf8" })
      .filter((name) => /\/(Migrations|Layout|Sqlite|AuditChain|AuditTables)\.ts$/.test(name))
      .map((name) => readFileSync(join(store, name), "utf8"))
    const made = new Set(
      [...sources.join("\n").matchAll(/CREATE TABLE (?:IF NOT EXISTS )?(mesh\.\w+)/g)].map(([, table]) => table),
    )
    assert.sameMembers(
      [...page.matchAll(/^\| `(mesh\.\w+)` \|/gm)].map(([, table]) => table),
      [...made],
    )
  })
})

describe("docs/protocol.md", () => {
  it("gives the broker's own limits with their numbers (I23)", () => {
    const [, table = ""] = read("docs/protocol.md").split("`packages/broker/src/Limits.ts`")
    const [limits = ""] = table.split("\n## ")
    const given = [...limits.matchAll(/^\| `(\w+)` \| ([\d,]+) \|/gm)]
    assert.isAbove(given.length, 5)
    const numbers = new Map<string, number>(Object.entries(brokerLimits))
    assert.deepStrictEqual(
      given.map(([, name = "", value = ""]) => [name, Number(value.replaceAll(",", ""))]),
      given.map(([, name = ""]) => [name, numbers.get(name)]),
    )
  })
})
