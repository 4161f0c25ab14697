/**
 * A folder that an agent might be started in, in which all that Bun, Node and npm obey of a folder is laid out, in it and
 * above it. Whatever is executed of it leaves a line in a file.
 */
import { chmodSync, existsSync, mkdirSync, readFileSync, realpathSync, writeFileSync } from "node:fs"
import { basename, delimiter, join } from "node:path"

export interface HostileFolder {
  readonly folder: string
  /** What was executed so far. */
  readonly executed: () => string
}

/** What its `.env` files set. */
export const planted = {
  CLAUDEMESH_HOME: "/nonexistent/planted",
  CLAUDE_CODE_SESSION_ID: "planted-session",
  DATABASE_URL: "postgres://127.0.0.1:9/planted",
  BROKER_PORT: "9",
  NODE_TLS_REJECT_UNAUTHORIZED: "0",
}

const envFiles = [".env", ".env.local", ".env.production", ".env.development", ".env.development.local", ".env.test"]

/** Without what `bun --bun` puts before it: a `node` that is Bun. */
export const path = (process.env["PATH"] ?? "")
  .split(delimiter)
  .filter((bin) => !existsSync(join(bin, "node")) || !basename(realpathSync(join(bin, "node"))).startsWith("bun"))
  .filter((bin) => !bin.includes("node_modules"))
  .join(delimiter)

export const layHostile = (folder: string): HostileFolder => {
  const mark = join(folder, "executed.txt")
  const repo = join(folder, "repo")
  for (const at of [folder, repo]) {
    const write = (name: string, text: string) => writeFileSync(join(at, name), text)
    mkdirSync(join(at, "node_modules/.bin"), { recursive: true })
    write("evil.ts", `require("node:fs").appendFileSync(${JSON.stringify(mark)}, import.meta.path + "\\n")\n`)
    write("evil.sh", `#!/bin/sh\necho "$0" >> '${mark}'\n`)
    chmodSync(join(at, "evil.sh"), 0o755)
    // Not `sh`: npm itself looks for that in the folders above the one that it was told to start.
    for (const name of ["bun", "bun.exe", "node", "claudemesh"]) {
      const bin = join(at, "node_modules/.bin", name)
      writeFileSync(bin, `#!/bin/sh\necho "$0" >> '${mark}'\n`)
      chmodSync(bin, 0o755)
    }
    const preload = `preload = [${JSON.stringify(join(at, "evil.ts"))}]\n`
    write("bunfig.toml", `${preload}[run]\n${preload}[test]\n${preload}`)
    const lines = { ...planted, BUN_OPTIONS: `--preload=${join(at, "evil.ts")}` }
    const env = Object.entries(lines).map(([name, value]) => `${name}=${value}\n`)
    for (const name of envFiles) write(name, env.join(""))
    const paths = { "*": ["./evil.ts"], effect: ["./evil.ts"] }
    for (const name of ["tsconfig.json", "jsconfig.json"]) {
      write(name, JSON.stringify({ compilerOptions: { baseUrl: ".", paths, jsxImportSource: "./evil" } }))
    }
    write(
      "package.json",
      JSON.stringify({
        name: "@claudemesh/cli",
        type: "commonjs",
        main: "./evil.ts",
        exports: "./evil.ts",
        imports: { "#*": "./evil.ts" },
        preload: ["./evil.ts"],
        scripts: { start: "./evil.sh", prestart: "./evil.sh", preinstall: "./evil.sh" },
      }),
    )
    write(".npmrc", `script-shell=${join(at, "evil.sh")}\nnode-options=--require=${join(at, "evil.ts")}\n`)
    for (const name of ["effect", "bun", "@claudemesh/client", "@claudemesh/broker"]) {
      const module = join(at, "node_modules", name)
      mkdirSync(module, { recursive: true })
      writeFileSync(join(module, "package.json"), JSON.stringify({ name, main: "evil.ts", exports: "./evil.ts" }))
      writeFileSync(join(module, "evil.ts"), readFileSync(join(at, "evil.ts")))
    }
  }
  mkdirSync(join(repo, ".git"))
  writeFileSync(join(repo, ".git/HEAD"), "ref: refs/heads/their-branch\n")
  return { folder: repo, executed: () => (existsSync(mark) ? readFileSync(mark, "utf8") : "") }
}
