/** What is published: one package with the built program, which needs Bun and nothing else, and starts quickly. */
import { mkdtempSync, readFileSync, writeFileSync } from "node:fs"
import { copyFile, mkdir, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { initialized, type Start, workUntilEnd, workUntilInitialized } from "../../bench/startup.ts"
import { build } from "../build.ts"

const root = join(import.meta.dirname, "../..")
const read = (path: string) => JSON.parse(readFileSync(join(root, path), "utf8"))
const manifest = read("package.json")

const folder = mkdtempSync(join(tmpdir(), "claudemesh-test-"))
const dist = join(folder, "package/dist")
let metafile: Awaited<ReturnType<typeof build>>

beforeAll(async () => {
  await mkdir(dist, { recursive: true })
  metafile = await build(dist)
  for (const name of ["package.json", "README.md", "CHANGELOG.md", "LICENSE"])
    await copyFile(join(root, name), join(dist, "..", name))
})

afterAll(() => rm(folder, { recursive: true, force: true }))

describe("the package", () => {
  it("has the built program, the licences of what is in it, and no source", async () => {
    const npm = Bun.spawn(["npm", "pack", "--dry-run", "--json", "--ignore-scripts"], {
      cwd: join(dist, ".."),
      env: { PATH: process.env["PATH"] ?? "", HOME: folder },
      stderr: "ignore",
    })
    const [packed] = JSON.parse(await npm.stdout.text())
    const files: ReadonlyArray<{ readonly path: string; readonly mode: number }> = packed.files
    const paths = files.map(({ path }) => path)
    const others = paths.filter((path) => !path.startsWith("dist/"))
    assert.sameMembers(others, ["CHANGELOG.md", "LICENSE", "README.md", "package.json"])
    assert.includeMembers(paths, ["dist/claudemesh.js", "dist/claudemesh.mjs", "dist/bunfig.toml", "dist/LICENSES.txt"])
    assert.deepStrictEqual(
      paths.filter((path) => /\.ts$|test|\.map$/.test(path)),
      [],
    )
    assert.strictEqual(files.find(({ path }) => path === manifest.bin.claudemesh)?.mode, 0o755)
    assert.isBelow(packed.size, 1_500_000)
  })

  it("is a version that the changes tell of, with what an upgrade to it needs", () => {
    const [, newest = ""] = readFileSync(join(root, "CHANGELOG.md"), "utf8").split(/^## /m)
    assert.ok(newest.startsWith(`${manifest.version}\n`), newest)
    assert.include(newest, "**Upgrade**")
  })

  it("needs Bun and nothing else, and is the one that is published", () => {
    assert.deepStrictEqual(Object.keys(manifest.dependencies), ["bun"])
    assert.isUndefined(manifest.private)
    assert.deepStrictEqual(manifest.publishConfig, { access: "public", provenance: true })
    for (const workspace of manifest.workspaces) {
      const { dependencies, private: isPrivate, version } = read(`${workspace}/package.json`)
      assert.deepStrictEqual(
        { workspace, isPrivate, version },
        { workspace, isPrivate: true, version: manifest.version },
      )
      if (dependencies.bun !== undefined) assert.strictEqual(dependencies.bun, manifest.dependencies.bun)
    }
  })
})

describe("a release", () => {
  it("is published by a CI alone, of a repository that provenance can be proved of", () => {
    const published = (env: Readonly<Record<string, string>>) => {
      const script = join(root, "scripts/publishable.ts")
      const { exitCode, stderr } = Bun.spawnSync([process.execPath, "--no-env-file", "--no-install", script], { env })
      return { exitCode, said: stderr.toString() }
    }
    const here = published({})
    assert.strictEqual(here.exitCode, 1)
    assert.include(here.said, "This is not a CI run.")
    const inCi = published({ CI: "true" })
    assert.notInclude(inCi.said, "This is not a CI run.")
    assert.strictEqual(inCi.exitCode, "repository" in manifest ? 0 : 1, inCi.said)
    assert.match(manifest.scripts.prepublishOnly, /scripts\/publishable\.ts$/)
  })

  it("has its version in the lock file, for itself and each workspace", () => {
    const { packages } = read("package-lock.json")
    for (const path of ["", ...manifest.workspaces]) {
      assert.strictEqual(packages[path].version, manifest.version, path)
    }
  })
})

/** Of a module in the build: all that is loaded before it runs. */
const loadedBefore = (source: string): ReadonlyArray<string> => {
  const outputs = metafile?.outputs ?? {}
  const seen = new Set<string>()
  const visit = (path: string): void => {
    const output = outputs[path] ?? outputs[`./${path.replace(/^\.\//, "")}`]
    if (output === undefined || seen.has(path)) return
    seen.add(path)
    for (const imported of output.imports) if (imported.kind === "import-statement") visit(imported.path)
  }
  const [start] = Object.entries(outputs).find(([, { entryPoint }]) => entryPoint?.endsWith(source) === true) ?? []
  visit(start ?? assert.fail(`${source} is not loaded by itself`))
  return [...seen].flatMap((path) => Object.keys((outputs[path] ?? outputs[`./${path}`])?.inputs ?? {}))
}

const startsMax = 20

/** One of so many: what a process works is less wherever nothing else disturbs it. */
const oneWithin = async (millis: number, start: () => Promise<number>): Promise<void> => {
  const all: Array<number> = []
  while (all.length < startsMax) {
    all.push(await start())
    if (Math.min(...all) <= millis) return
  }
  assert.fail(`none of ${all.map(Math.round).join(", ")} ms is within ${Math.round(millis)} ms`)
}

describe("a start of the built program", () => {
  const at = (...command: ReadonlyArray<string>): Start => ({
    command: [process.execPath, ...command],
    environment: { HOME: folder, CLAUDEMESH_HOME: join(folder, "home") },
  })
  const entry = join(dist, "claudemesh.js")

  it("loads no library for a host's first answer, and behind it no cryptography, no command line, no database server and no validator", () => {
    const loaded = loadedBefore("packages/cli/src/mcp/serveAgent.ts")
    assert.isAbove(loaded.length, 100)
    const later = /libsodium|node_modules\/ajv|unstable\/cli\/|sql-pg|packages\/broker|MeshManager|BrokerClient/
    assert.deepStrictEqual(
      loaded.filter((path) => later.test(path)),
      [],
    )
    for (const first of ["packages/cli/src/start.ts", "packages/cli/src/mcp/FirstAnswer.ts"]) {
      const libraries = loadedBefore(first).filter((path) => path.includes("node_modules"))
      assert.deepStrictEqual(libraries, [], first)
    }
  })

  it("loads for a broker no command line and no cryptography, and of the two databases its own alone, without a client", () => {
    const later =
      /libsodium|unstable\/cli\/Command|sql-pg|unstable\/sql\/(SqlClient|Migrator)|store\/postgres\/(?!PostgresUrl)/
    for (const source of ["cli/src/commands/RunBroker.ts", "broker/src/store/sqlite/SqliteStores.ts"]) {
      const loaded = loadedBefore(`packages/${source}`)
      assert.isAbove(loaded.length, 100)
      assert.deepStrictEqual(
        loaded.filter((path) => later.test(path)),
        [],
        source,
      )
    }
    assert.notInclude(loadedBefore("packages/cli/src/commands/RunBroker.ts").join(), "store/sqlite")
  })

  it("is twice the work of an empty script for the list of commands, and three times until initialize is answered", async () => {
    const empty = join(folder, "empty.js")
    writeFileSync(empty, "")
    const nothing = Math.min(
      await workUntilEnd(at(empty)),
      await workUntilEnd(at(empty)),
      await workUntilEnd(at(empty)),
    )
    // Without the page that the build makes it is 13 times, and 25 where the libraries answer.
    await oneWithin(8 * nothing, () => workUntilEnd(at(entry, "--help")))
    await oneWithin(8 * nothing, () => workUntilInitialized(at(entry, "mcp")))
  })

  it("holds less than 70 MiB once a host is there", async () =>
    assert.isBelow((await initialized(at(entry, "mcp"), 500)).megabytes, 70))
})
