/**
 * `npm run build`: everything that the command runs, broker and MCP server included, as one program in `dist/`: what is not
 * needed at the start is loaded when it is, from files beside it. Nothing of `node_modules` is needed to run it, only Bun.
 * `--outdir DIR` writes it elsewhere. The sources run without it.
 */
import { existsSync } from "node:fs"
import { chmod, copyFile, cp, mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises"
import { join, resolve } from "node:path"
import { parseArgs } from "node:util"
import type { BunPlugin } from "bun"
import { Option } from "effect"
import { helpFiles } from "../packages/cli/src/HelpPage.ts"
import { commitFile, headCommit } from "../packages/cli/src/usage/ProgramVersion.ts"

const root = join(import.meta.dirname, "..")
const cli = join(root, "packages/cli")

/** Copied as they are: how the program is started, and what Bun is told to read then. */
const launchers = ["claudemesh", "claudemesh.mjs", "bunfig.toml", "tsconfig.json"]

/**
 * The MCP SDK loads a validator of JSON schemas for a server that makes none of its own. Ours makes one (`McpServer.ts`), so
 * that 130 kB stay out, and 10 ms of every start.
 */
const withoutAjv: BunPlugin = {
  name: "without ajv",
  setup: (builder) => {
    builder.onLoad({ filter: /[/\\]validation[/\\]ajv-provider\.js$/ }, () => ({
      loader: "js",
      contents: `export class AjvJsonSchemaValidator { constructor() { throw new Error("left out of the build") } }`,
    }))
  },
}

/** Says what became of which file. */
export const build = async (directory: string) => {
  await rm(directory, { recursive: true, force: true })
  await mkdir(directory, { recursive: true })
  const { metafile, outputs } = await Bun.build({
    entrypoints: [join(cli, "src/start.ts")],
    outdir: directory,
    target: "bun",
    format: "esm",
    minify: true,
    splitting: true,
    naming: { entry: "claudemesh.js", chunk: "[name]-[hash].js" },
    plugins: [withoutAjv],
    metafile: true,
  })
  for (const output of outputs) {
    // It would work on this machine alone.
    if ((await output.text()).includes(root)) throw new Error(`${output.path} names the folder that it was built in`)
  }
  for (const name of launchers) await copyFile(join(cli, "bin", name), join(directory, name))
  await chmod(join(directory, "claudemesh"), 0o755)
  const plugin = join(root, "packages/plugin")
  if (existsSync(plugin)) await cp(plugin, join(directory, "plugin"), { recursive: true })
  await writeFile(join(directory, "LICENSES.txt"), await licenses(Object.keys(metafile?.inputs ?? {})))
  await writeFile(join(directory, commitFile), `${Option.getOrElse(commit(root), () => "")}\n`)
  // Both before one is written: what is there is printed.
  const [plain, coloured, man] = await Promise.all([
    printed(directory, ["--help"], false),
    printed(directory, ["--help"], true),
    printed(directory, ["help", "--man"], false),
  ])
  await writeFile(join(directory, "claudemesh.1"), man)
  await writeFile(join(directory, helpFiles.plain), plain)
  await writeFile(join(directory, helpFiles.coloured), coloured)
  return metafile
}

/** None in a folder that was not checked out. */
const commit = Option.liftThrowable(headCommit)

/** Of every package that is in it, as each of them asks for. */
const licenses = async (inputs: ReadonlyArray<string>): Promise<string> => {
  const packages = new Set(inputs.flatMap((path) => /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(path)?.[0] ?? []))
  const texts = [...packages].toSorted().map(async (path) => {
    const folder = resolve(root, path)
    const { license, name, version } = JSON.parse(await readFile(join(folder, "package.json"), "utf8"))
    const file = (await readdir(folder)).find((candidate) => /^licen[cs]e/i.test(candidate))
    const text = file === undefined ? "" : await readFile(join(folder, file), "utf8")
    return `${name} ${version} (${license})\n\n${text.trim()}\n`
  })
  if (texts.length === 0) throw new Error("no package is named that the build is made of")
  return (await Promise.all(texts)).join(`\n${"-".repeat(80)}\n\n`)
}

/** What the program itself prints, for it to print again without loading what makes it. */
const printed = async (directory: string, words: ReadonlyArray<string>, coloured: boolean): Promise<string> => {
  const entry = JSON.stringify(join(directory, "claudemesh.js"))
  const line = words.map((word) => JSON.stringify(word)).join(", ")
  const script = `process.argv.splice(1, Infinity, ${entry}, ${line}); await import(${entry})`
  const child = Bun.spawn([process.execPath, "--no-env-file", "--no-install", "-e", script], {
    stdio: ["ignore", "pipe", "inherit"],
    env: { PATH: process.env["PATH"] ?? "", HOME: directory, ...(coloured && { FORCE_COLOR: "1" }) },
  })
  const page = await new Response(child.stdout).text()
  if ((await child.exited) !== 0 || !page.includes("FLAGS OF EVERY COMMAND"))
    throw new Error(`no help is printed: ${page}`)
  return page
}

if (import.meta.main) {
  const { values } = parseArgs({ options: { outdir: { type: "string" } } })
  await build(values.outdir === undefined ? join(root, "dist") : resolve(values.outdir))
}
