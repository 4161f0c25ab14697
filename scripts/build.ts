/**
 * `npm run build`: everything that the command runs, broker and MCP server included, as one program in `dist/`: what is not
 * needed at the start is loaded when it is, from files beside it. Nothing of `node_modules` is needed to run it, only Bun.
 * `--outdir DIR` writes it elsewhere. The sources run without it.
 */
import { chmod, copyFile, mkdir, rm } from "node:fs/promises"
import { join, resolve } from "node:path"
import { parseArgs } from "node:util"

const root = join(import.meta.dirname, "..")
const cli = join(root, "packages/cli")

/** Copied as they are: how the program is started, and what Bun is told to read then. */
const launchers = ["claudemesh", "claudemesh.mjs", "bunfig.toml", "tsconfig.json"]

const build = async (directory: string): Promise<void> => {
  await rm(directory, { recursive: true, force: true })
  await mkdir(directory, { recursive: true })
  const { outputs } = await Bun.build({
    entrypoints: [join(cli, "src/main.ts")],
    outdir: directory,
    target: "bun",
    format: "esm",
    minify: true,
    splitting: true,
    naming: { entry: "claudemesh.js", chunk: "[name]-[hash].js" },
  })
  for (const output of outputs) {
    // It would work on this machine alone.
    if ((await output.text()).includes(root)) throw new Error(`${output.path} names the folder that it was built in`)
  }
  for (const name of launchers) await copyFile(join(cli, "bin", name), join(directory, name))
  await chmod(join(directory, "claudemesh"), 0o755)
}

const { values } = parseArgs({ options: { outdir: { type: "string" } } })

await build(values.outdir === undefined ? join(root, "dist") : resolve(values.outdir))
