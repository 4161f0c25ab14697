/**
 * A host as a process of its own, to be stopped and killed: it starts `claudemesh mcp`, says a word when that is ready, asks for
 * messages as soon as a line comes on its stdin, and stops itself a moment later, with the answer unread in the pipe.
 */
import { spawn } from "node:child_process"

const [program = "", ...args] = process.argv.slice(2)
const server = spawn(program, args, { stdio: ["pipe", "pipe", "ignore"] })
const ask = (id: number, method: string, params: object) =>
  `${JSON.stringify({ jsonrpc: "2.0", id, method, params })}\n`

server.stdin.write(
  ask(1, "initialize", { protocolVersion: "2025-06-18", capabilities: {}, clientInfo: { name: "h", version: "1" } }),
)
server.stdin.write(ask(2, "tools/call", { name: "list_peers", arguments: {} }))
let read = ""
server.stdout.on("data", (bytes: Buffer) => {
  read += bytes.toString()
  if (read.includes('"id":2')) process.stdout.write("ready\n")
})
process.stdin.once("data", () => {
  server.stdout.pause()
  server.stdin.write(ask(3, "tools/call", { name: "check_messages", arguments: {} }))
  void Bun.sleep(1_500).then(() => process.kill(process.pid, "SIGSTOP"))
})
