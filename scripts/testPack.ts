/**
 * `npm run test:pack`: packs the package, installs it as people do (into a project, globally, and where install scripts are
 * forbidden), and runs the main job from there, broker included. Bun comes from npm's cache, else from the registry.
 */
import { mkdtempSync, readdirSync } from "node:fs"
import { mkdir, rm } from "node:fs/promises"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { initialized } from "../bench/startup.ts"

const root = join(import.meta.dirname, "..")
const folder = mkdtempSync(join(tmpdir(), "claudemesh-pack-"))

const run = async (
  command: ReadonlyArray<string>,
  cwd: string,
  environment: Readonly<Record<string, string | undefined>>,
): Promise<string> => {
  const child = Bun.spawn([...command], {
    cwd,
    env: { ...environment },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  })
  const [stdout, stderr, code] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited])
  if (code !== 0) throw new Error(`${command.join(" ")} ended with ${code}: ${stderr}${stdout}`)
  return stdout
}

const npm = (...args: ReadonlyArray<string>) => run(["npm", ...args], root, process.env)

const freePort = (): Promise<number> =>
  new Promise((resolve, reject) => {
    const server = createServer()
    server.listen(0, "127.0.0.1", () => {
      const address = server.address()
      server.close(() => (typeof address === "object" && address !== null ? resolve(address.port) : reject()))
    })
  })

const expect = (text: string, pattern: RegExp): void => {
  if (!pattern.test(text)) throw new Error(`${pattern} is not in: ${text}`)
}

/** Two people, from a folder that has nothing to do with where it is installed. */
const mainJob = async (claudemesh: string, home: string): Promise<void> => {
  await mkdir(home, { recursive: true })
  // Nothing of this tree, and no Bun.
  const own = { PATH: "/usr/bin:/bin", HOME: home }
  const as = (name: string, ...args: ReadonlyArray<string>) =>
    run([claudemesh, ...args], home, { ...own, CLAUDEMESH_HOME: join(home, name) })
  const port = await freePort()
  const broker = Bun.spawn([claudemesh, "broker"], {
    cwd: home,
    env: { ...own, BROKER_PORT: String(port) },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "inherit",
  })
  let ended = 1
  try {
    await broker.stdout.getReader().read()
    await as("ann", "create", "team", "--as", "Ann", "--broker", `ws://127.0.0.1:${port}/ws`)
    await as("bob", "join", (await as("ann", "invite")).trim(), "--as", "Bob")
    await as("bob", "send", "Ann", "good morning")
    expect(await as("ann", "inbox"), /good morning/)
    expect(await as("none", "list"), new RegExp(`Make one: ${claudemesh} create`))
    const environment = { ...own, CLAUDEMESH_HOME: join(home, "ann") }
    await initialized({ command: [claudemesh, "mcp"], environment }, 0)
  } finally {
    broker.kill("SIGTERM")
    ended = await broker.exited
  }
  if (ended !== 0) throw new Error("the broker did not end as it should")
}

const quietly = ["--prefer-offline", "--no-audit", "--no-fund"]
const ways = {
  "into a project": ["node_modules/.bin", []],
  globally: ["bin", ["--global"]],
  "without install scripts": ["node_modules/.bin", ["--ignore-scripts"]],
} as const

try {
  await npm("pack", "--pack-destination", folder)
  const [tarball = ""] = readdirSync(folder)
  console.log(`packed    ${tarball}`)
  for (const [way, [bin, flags]] of Object.entries(ways)) {
    const prefix = join(folder, way.replaceAll(" ", "-"))
    await mkdir(prefix)
    await npm("install", ...quietly, ...flags, "--prefix", prefix, join(folder, tarball))
    await mainJob(join(prefix, bin, "claudemesh"), join(prefix, "home"))
    console.log(`installed ${way}: two people write to each other`)
  }
} finally {
  await rm(folder, { recursive: true, force: true })
}
