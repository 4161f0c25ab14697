/**
 * `npm run simulate:mutants [-- --seeds N --only NAME]`: plants one-line faults in a copy of the sources, one at a
 * time, and counts the seeds until the simulation notices. A fault that is not noticed means that the simulation is
 * too weak, and exits with 1.
 */
import { cp, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { parseArgs } from "node:util"

interface Mutant {
  readonly name: string
  readonly file: string
  readonly find: string
  readonly put: string
}

const broker = "packages/broker/src"
const client = "packages/client/src"

const mutants: ReadonlyArray<Mutant> = [
  {
    name: "ack before commit",
    file: `${broker}/store/CommitLane.ts`,
    find: "void Queue.offerUnsafe(incoming, { write, done }),",
    put: 'void (done(Exit.succeed({ _tag: "Done" })), Queue.offerUnsafe(incoming, { write, done: () => {} })),',
  },
  {
    name: "in-flight kept after detach",
    file: `${broker}/mesh/Attach.ts`,
    find: "  reclaim(connection)\n",
    put: "",
  },
  {
    name: "window off by one",
    file: `${broker}/mesh/Deliver.ts`,
    find: "connection.windowMax - reserved - connection.inFlight.size",
    put: "connection.windowMax - reserved - connection.inFlight.size + 1",
  },
  {
    name: "drain forgotten on status change",
    file: `${broker}/mesh/Requests.ts`,
    find: 'frame: { type: "ok", id: frame.id } }))\n  for (const inbox of inboxesOf(connection)) pump(state, inbox, nowMillis, effects)',
    put: 'frame: { type: "ok", id: frame.id } }))',
  },
  {
    name: "drain forgotten on expiry of working",
    file: `${broker}/mesh/Requests.ts`,
    find: "    for (const inbox of inboxesOf(connection)) pump(state, inbox, nowMillis, effects)\n    settlePull(connection, effects)",
    put: "    settlePull(connection, effects)",
  },
  {
    name: "dedupe dropped in the broker",
    file: `${broker}/connection/SendIdentity.ts`,
    find: "if (id !== undefined) return",
    put: 'if (id === "never") return',
  },
  {
    name: "dedupe dropped in the client",
    file: `${client}/inbox/PushBuffer.ts`,
    find: "if (this.#handedOver.has(messageId)) {",
    put: 'if (messageId === "never") {',
  },
  {
    name: "acked when buffered",
    file: `${client}/inbox/PushBuffer.ts`,
    find: "    this.#waiting.push(message)\n",
    put: "    this.#waiting.push(message)\n    this.#ack([messageId])\n",
  },
  {
    name: "consumption not recorded",
    file: `${broker}/mesh/Deliver.ts`,
    find: "    consume(state, connection, messageId, flight, nowMillis, effects)\n",
    put: "",
  },
  {
    name: "consumption lost with the database",
    file: `${broker}/store/CommitLane.ts`,
    find: "else kept.push(job)",
    put: "else job.done(failed)",
  },
  {
    name: "outbox cleared on reconnect",
    file: `${client}/connection/Outbox.ts`,
    find: "for (const entry of entries.values()) entry.onWire = false\n      refusals = 0",
    put: "entries.clear()\n      refusals = 0",
  },
  {
    name: "redelivery not marked",
    file: `${broker}/mesh/Deliver.ts`,
    find: "if (inbox.attempted.has(message.seq)) return true",
    put: "if (inbox.attempted.has(message.seq)) return false",
  },
  {
    name: "redelivery not marked after a restart",
    file: `${broker}/mesh/Deliver.ts`,
    find: "session.attachedUntilMillis >= message.createdAtMillis",
    put: "session.attachedUntilMillis < 0",
  },
  {
    name: "outdated page pushed",
    file: `${broker}/mesh/Deliver.ts`,
    find: "lane.outdated = true\n}",
    put: "}",
  },
  {
    name: "unknown outcome taken for a failure",
    file: `${broker}/mesh/Accept.ts`,
    find: "if (inbox !== undefined) mayWait(",
    put: "if (inbox === null) mayWait(",
  },
  {
    name: "late hello replaces a newer connection",
    file: `${broker}/mesh/Attach.ts`,
    find: "older.peer.number > peer.number",
    put: "older.peer.number < 0",
  },
  {
    name: "unread messages kept over a lost connection",
    file: `${client}/BrokerClient.ts`,
    find: "inbox.connectionLost(",
    put: "void (",
  },
  {
    name: "caught up too early",
    file: `${broker}/mesh/Deliver.ts`,
    find: "rows.value.length < request.limit && !lane.grown",
    put: "!lane.grown",
  },
]

const { values } = parseArgs({ options: { seeds: { type: "string", default: "300" }, only: { type: "string" } } })
const root = join(import.meta.dirname, "../../..")

const copySources = async (folder: string): Promise<void> => {
  await cp(join(root, "packages"), join(folder, "packages"), {
    recursive: true,
    filter: (path) => !path.includes("node_modules"),
  })
  const modules = join(folder, "node_modules")
  await mkdir(join(modules, "@claudemesh"), { recursive: true })
  for (const name of await readdir(join(root, "node_modules"))) {
    if (name !== "@claudemesh") await symlink(join(root, "node_modules", name), join(modules, name))
  }
  for (const name of await readdir(join(root, "packages"))) {
    await symlink(join(folder, "packages", name), join(modules, "@claudemesh", name))
  }
}

interface Outcome {
  readonly caught: string
  readonly problem: string
}

const run = async (folder: string): Promise<Outcome> => {
  const main = join(folder, "packages/simulation/src/main.ts")
  const child = Bun.spawn([process.execPath, main, "--seeds", values.seeds], { stdout: "pipe", stderr: "pipe" })
  const [said, code] = await Promise.all([new Response(child.stdout).text(), child.exited])
  if (code === 0) return { caught: "NO", problem: "" }
  const lines = said.trim().split("\n")
  return { caught: /seed (\d+)/.exec(said)?.[1] ?? "at once", problem: lines[1]?.trim() ?? "it does not run" }
}

const folder = await mkdtemp(join(tmpdir(), "claudemesh-mutants-"))
let missed = 0
try {
  await copySources(folder)
  console.log(`${"fault".padEnd(46)} seed  what was seen`)
  for (const { file, find, name, put } of mutants.filter(
    (one) => values.only === undefined || one.name === values.only,
  )) {
    const path = join(folder, file)
    const source = await readFile(path, "utf8")
    if (source.split(find).length !== 2) throw new Error(`${name}: its line is not in ${file} exactly once`)
    await writeFile(
      path,
      source.replace(find, () => put),
    )
    const { caught, problem } = await run(folder)
    await writeFile(path, source)
    if (caught === "NO") missed += 1
    console.log(`${name.padEnd(46)} ${caught.padStart(4)}  ${problem}`)
  }
} finally {
  await rm(folder, { recursive: true, force: true })
}
console.log(missed === 0 ? "every planted fault was noticed" : `${missed} planted faults were not noticed`)
process.exit(missed === 0 ? 0 : 1)
