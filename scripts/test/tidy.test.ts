/**
 * The rules over the source tree that the linter cannot hold. They read the files of this directory tree, not the
 * index of version control, so a file fails before it is committed; what `.gitignore` names is passed by.
 */
import { readdirSync, readFileSync } from "node:fs"
import { join, relative } from "node:path"
import { assert, describe, it } from "@effect/vitest"

const root = join(import.meta.dirname, "../..")

/** Where the outside is touched: the only files that may read the clock, the environment or chance by themselves. */
const edgeFiles: ReadonlySet<string> = new Set([
  "packages/broker/src/Version.ts",
  "packages/broker/src/serve.ts",
  "packages/cli/src/Coloured.ts",
  "packages/broker/src/store/postgres/PostgresSocket.ts",
  "packages/cli/src/Launch.ts",
  "packages/cli/src/host/HookCommand.ts",
])

const mayImport: Readonly<Record<string, ReadonlyArray<string>>> = {
  domain: [],
  broker: ["domain"],
  client: ["domain"],
  cli: ["domain", "broker", "client"],
  simulation: ["domain", "broker", "client", "cli"],
}

const ignored = readFileSync(join(root, ".gitignore"), "utf8").split("\n")
const isIgnored = (name: string): boolean =>
  name === ".git" ||
  ignored.some((rule) => rule === name || rule === `${name}/` || rule === `*${name.slice(name.lastIndexOf("."))}`)

const under = (directory: string): ReadonlyArray<string> =>
  readdirSync(directory, { withFileTypes: true })
    .filter((entry) => !isIgnored(entry.name))
    .flatMap((entry) => {
      const path = join(directory, entry.name)
      return entry.isDirectory() ? under(path) : entry.isFile() ? [path] : []
    })

const files = under(root).map((path) => ({ path: relative(root, path), text: readFileSync(path, "utf8") }))
const typescript = files.filter(({ path }) => /\.tsx?$/.test(path))
const source = typescript.filter(({ path }) => /^packages\/[^/]+\/src\//.test(path))
const tests = typescript.filter(({ path }) => /\/test\//.test(path))

interface Line {
  readonly path: string
  readonly number: number
  readonly text: string
}

/** Every line that is not a comment, without the comment at its end. */
const code = (of: ReadonlyArray<{ readonly path: string; readonly text: string }>): ReadonlyArray<Line> =>
  of.flatMap(({ path, text }) =>
    text
      .split("\n")
      .map((line, index) => ({ path, number: index + 1, text: line.replace(/(^|\s)\/\/ .*$/, "") }))
      .filter((line) => !/^\s*(\/\*|\*)/.test(line.text)),
  )

const places = (lines: ReadonlyArray<Line>, pattern: RegExp): ReadonlyArray<string> =>
  lines.filter(({ text }) => pattern.test(text)).map(({ number, path, text }) => `${path}:${number}: ${text.trim()}`)

/** What is left of a line when its texts and patterns are taken out: `"Done!"` asserts nothing. */
const withoutTexts = (line: Line): Line => ({
  ...line,
  text: line.text.replace(/(["'`])(?:\\.|(?!\1)[^\\])*\1|\/(?:\\.|[^/\\])+\/[a-z]*/g, '""'),
})

const none = (found: ReadonlyArray<string>): void => assert.deepStrictEqual(found, [])

describe("source", () => {
  const inner = code(source.filter(({ path }) => !edgeFiles.has(path)))
  const banned = {
    "the system's clock": /\bDate\s*\.\s*now\b|\bnew\s+Date\b/,
    "chance of its own": /\bMath\s*\.\s*random\b|\brandomUUID\b/,
    "a timer of the host": /\bsetTimeout\b|\bsetInterval\b/,
    "the environment": /\bprocess\s*\.\s*env\b|\bBun\s*\.\s*env\b/,
    "a worker, for which Bun reads the working folder again": /\bnew\s+Worker\b/,
  }
  for (const [what, pattern] of Object.entries(banned)) {
    it(`does not use ${what} outside the edge files (I25)`, () => none(places(inner, pattern)))
  }

  it("has every edge file of the list, and each needs to be there", () => {
    const needed = Object.values(banned)
    none(
      [...edgeFiles].filter(
        (edge) => !code(source).some(({ path, text }) => path === edge && needed.some((use) => use.test(text))),
      ),
    )
  })

  it("begins each file with a comment that says what it is", () =>
    none(source.filter(({ text }) => !/^(#!.*\n)?\/\*\*/.test(text)).map(({ path }) => path)))

  it("has no barrel", () => none(source.filter(({ path }) => /\/index\.tsx?$/.test(path)).map(({ path }) => path)))
})

describe("every TypeScript file", () => {
  it("has at most 600 lines", () =>
    none(typescript.filter(({ text }) => text.split("\n").length > 601).map(({ path }) => path)))

  it("leaves the type checker on: no any, and no assertion that something is there", () => {
    const uses = /\bas\s+any\b|:\s*any\b|<any\b|\bany\[\]|(?<=[\w)\]])!(?=[.;,)\][]|\s*$)/
    none(places(code(typescript).map(withoutTexts), uses))
  })

  it("does not silence it in a comment", () =>
    none(typescript.filter(({ text }) => /@ts-(ignore|nocheck|expect-error)/.test(text)).map(({ path }) => path)))
})

describe("imports", () => {
  const imported = ({ path, text }: { readonly path: string; readonly text: string }) =>
    [...text.matchAll(/\b(?:from|import|require)\b\s*\(?\s*["'`]([^"'`\n]+)["'`]/g)].map(([, specifier = ""]) => ({
      path,
      specifier,
    }))
  const imports = source.flatMap(imported)
  const packageOf = (path: string): string => path.split("/")[1] ?? ""
  const show = (found: ReadonlyArray<{ readonly path: string; readonly specifier: string }>) =>
    none(found.map(({ path, specifier }) => `${path}: ${specifier}`))

  it("are there to be checked", () => assert.isAbove(imports.length, 50))

  it("go in one direction between the packages, static, dynamic and of types", () =>
    show(
      imports.filter(({ path, specifier }) => {
        const [scope, name = ""] = specifier.split("/")
        return scope === "@claudemesh" && !(mayImport[packageOf(path)] ?? []).includes(name)
      }),
    ))

  it("do not leave their package by a path", () =>
    show(
      imports.filter(
        ({ path, specifier }) =>
          /^[./]/.test(specifier) && !join(path, "..", specifier).startsWith(`packages/${packageOf(path)}/`),
      ),
    ))

  it("of the domain are effect, node:crypto and itself", () =>
    show(
      imports.filter(
        ({ path, specifier }) =>
          packageOf(path) === "domain" && !/^(effect(\/.*)?|node:crypto|\.\.?\/.*)$/.test(specifier),
      ),
    ))

  it("of the client's keys are of the domain, of what is kept on this machine, and of each other: of no network", () =>
    none(
      imports
        .filter(({ path }) => path.startsWith("packages/client/src/keys/"))
        .filter(({ specifier }) => specifier.startsWith("../") && !/^\.\.\/(local\/|Limits\.ts$)/.test(specifier))
        .map(({ path, specifier }) => `${path}: ${specifier}`),
    ))

  it("name what they import: none is computed", () => none(places(code(source), /\bimport\s*\(\s*(?!["'`)])/)))
})

describe("manifests", () => {
  const sections = ["dependencies", "devDependencies", "peerDependencies", "optionalDependencies", "overrides"]
  const manifests = files.filter(({ path }) => /(^|\/)package\.json$/.test(path))

  it("name exact versions", () => {
    const versions = manifests.flatMap(({ path, text }) =>
      Object.entries<Record<string, unknown>>(JSON.parse(text))
        .filter(([section]) => sections.includes(section))
        .flatMap(([, entries]) =>
          Object.entries(entries).map(([name, version]) => ({ path, name, version: String(version) })),
        ),
    )
    assert.isAbove(versions.length, 10)
    none(
      versions
        .filter(({ version }) => !/^\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?$/.test(version))
        .map(({ name, path, version }) => `${path}: ${name} ${version}`),
    )
  })
})

describe("the repository", () => {
  const lines = files.flatMap(({ path, text }) =>
    text.split("\n").map((line, index) => ({ path, number: index + 1, text: line })),
  )

  it("names no path of one machine", () => none(places(lines, /(?<![\w.~*)}-])\/(?:work|root|tmp)\//)))

  it("has no program that tells anybody to fetch claudemesh by a name that is not ours yet", () =>
    none(
      places(
        lines.filter(({ path }) => /^packages\/[^/]+\/(src|bin)\/|^packages\/plugin\//.test(path)),
        /\bnpx\s+claudemesh\b/,
      ),
    ))

  it("names no package registry, so that any will do", () => {
    none(places(lines, /https?:\/\/[^\s"'/]*(?:registry|npmjs\.org)|^\s*registry\s*=/))
    none(
      places(
        lines.filter(({ path }) => path === "package-lock.json"),
        /"resolved":\s*"https?:/,
      ),
    )
  })
})

describe("test names", () => {
  it("name invariants that exist, I1 to I29", () => {
    const named = [...source, ...tests].flatMap(({ path, text }) =>
      [...text.matchAll(/\((I\d+(?:(?:,| and|, and| to)? I\d+)*)\)/g)].flatMap(([, list = ""]) =>
        [...list.matchAll(/\d+/g)].map(([number]) => ({ path, number: Number(number) })),
      ),
    )
    assert.isAbove(named.length, 10)
    none(named.filter(({ number }) => number < 1 || number > 29).map(({ number, path }) => `${path}: I${number}`))
  })
})
