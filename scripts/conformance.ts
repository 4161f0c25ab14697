/**
 * `npm run test:conformance`: the scenarios of `@modelcontextprotocol/conformance` that apply to this server, and the tools as the reference
 * inspector's command line lists them. The first speaks HTTP alone (0.1.16 has no other client), so its messages are passed on, unchanged, to the
 * built program's stdin and stdout. Both are put into a cache folder by npm: they are no dependency of ours.
 */
import { mkdirSync, mkdtempSync, rmSync } from "node:fs"
import { createServer } from "node:http"
import { homedir, tmpdir } from "node:os"
import { join } from "node:path"
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js"
import { StreamableHTTPServerTransport } from "@modelcontextprotocol/sdk/server/streamableHttp.js"
import { build } from "./build.ts"

const packages = ["@modelcontextprotocol/conformance@0.1.16", "@modelcontextprotocol/inspector@0.15.0"]

/** The others ask for tools, prompts and resources that the reference server alone has, or are about HTTP itself. */
const applies = [
  "server-initialize",
  "logging-set-level",
  "ping",
  "completion-complete",
  "tools-list",
  "tools-call-simple-text",
  "tools-call-error",
  "server-sse-multiple-streams",
  "resources-list",
  "prompts-list",
]

const folder = mkdtempSync(join(tmpdir(), "claudemesh-conformance-"))
const server = [process.execPath, "--no-env-file", "--no-install", join(folder, "dist/claudemesh.js"), "mcp"] as const
const environment = { PATH: process.env["PATH"] ?? "", HOME: folder, CLAUDEMESH_HOME: join(folder, "home") }

const cache = join(process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"), "claudemesh-test/mcp")

const run = async (command: ReadonlyArray<string>): Promise<string> => {
  const child = Bun.spawn([...command], {
    env: { ...process.env, ...environment },
    stdio: ["ignore", "pipe", "inherit"],
  })
  const said = await new Response(child.stdout).text()
  await child.exited
  return said
}

const sessions = new Map<string, StreamableHTTPServerTransport>()

/** One process of ours for each session of the client. */
const begin = async (): Promise<StreamableHTTPServerTransport> => {
  const http = new StreamableHTTPServerTransport({
    sessionIdGenerator: () => `s${sessions.size + 1}`,
    onsessioninitialized: (id) => void sessions.set(id, http),
  })
  const [command, ...args] = server
  const stdio = new StdioClientTransport({ command, args, env: environment, stderr: "ignore" })
  stdio.onmessage = (message) => void http.send(message).catch(() => undefined)
  http.onmessage = (message) => void stdio.send(message)
  http.onclose = () => void stdio.close()
  await Promise.all([stdio.start(), http.start()])
  return http
}

const bridge = createServer((request, response) => {
  const id = request.headers["mcp-session-id"]
  const known = typeof id === "string" ? sessions.get(id) : undefined
  void (known === undefined ? begin() : Promise.resolve(known)).then((http) => http.handleRequest(request, response))
})

try {
  mkdirSync(cache, { recursive: true })
  await run(["npm", "install", "--prefix", cache, "--no-audit", "--no-fund", "--ignore-scripts", ...packages])
  await build(join(folder, "dist"))
  await new Promise<void>((resolve) => void bridge.listen(0, "127.0.0.1", resolve))
  const address = bridge.address()
  const port = typeof address === "object" && address !== null ? address.port : 0
  // Its file uses what older versions of Node have not.
  const bin = join(cache, "node_modules/.bin")
  const url = `http://127.0.0.1:${port}/mcp`
  const failed: Array<string> = []
  const said = await run([process.execPath, "--bun", join(bin, "conformance"), "server", "--url", url])
  for (const scenario of applies) {
    const isPassed = said.includes(`✓ ${scenario}: `)
    if (!isPassed) failed.push(scenario)
    console.log(`${isPassed ? "ok    " : "FAILED"}  ${scenario}`)
  }
  const listed = await run([join(bin, "mcp-inspector"), "--cli", ...server, "--method", "tools/list"])
  const areListed = listed.includes('"send_message"')
  if (!areListed) failed.push("inspector")
  console.log(`${areListed ? "ok    " : "FAILED"}  the inspector lists the tools`)
  process.exitCode = failed.length === 0 ? 0 : 1
} finally {
  bridge.close()
  bridge.closeAllConnections()
  for (const http of sessions.values()) await http.close()
  rmSync(folder, { recursive: true, force: true })
}
