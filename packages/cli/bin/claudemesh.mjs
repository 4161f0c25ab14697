#!/usr/bin/env node
// Starts the command under Bun, which `npm ci` installed: a fresh machine has only Node.
import { spawn } from "node:child_process"
import { createRequire } from "node:module"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"

const main = join(dirname(fileURLToPath(import.meta.url)), "../src/main.ts")
const bun = join(dirname(createRequire(import.meta.url).resolve("bun/package.json")), "bin/bun.exe")
const child = spawn(bun, [main, ...process.argv.slice(2)], { stdio: "inherit" })

for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => child.kill(signal))
child.on("error", (error) => {
  console.error(`claudemesh: Bun could not be started (${error.message}); run npm ci again`)
  process.exit(1)
})
child.on("exit", (code, signal) => process.exit(code ?? (signal === "SIGINT" ? 130 : 1)))
