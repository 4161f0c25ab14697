/**
 * What a message costs as everything around it grows: meshes in the broker, messages that wait and were audited, members of its
 * mesh. Each row is a broker of its own, filled, warmed up and loaded as `npm run bench` loads it; the cost is its processor
 * time, so it says something on a busy machine, too. `load` is the time from a restart's first hello to its answer.
 *
 *   npm run bench:growth [-- --only members --rounds 3 --database postgres --most 100000]
 *
 * On Postgres the cost is the broker's and, beside it, the server's. A million messages that wait take minutes to be sent: `--most` leaves them out.
 */
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { parseArgs } from "node:util"
import { makeMesh, type TestMesh } from "../packages/broker/test/support/Meshes.ts"
import { RawClient } from "../packages/broker/test/support/RawClient.ts"
import { answers, freePort, launch, processorSeconds, runLoad, startPostgres } from "./Server.ts"
import { median } from "./startup.ts"

const { values } = parseArgs({
  options: {
    only: { type: "string" },
    rounds: { type: "string", default: "3" },
    database: { type: "string", default: "sqlite" },
    most: { type: "string", default: "1000000" },
  },
})

interface Size {
  readonly meshes: number
  readonly waiting: number
  readonly members: number
}

const base: Size = { meshes: 1, waiting: 0, members: 20 }
const sizes: Readonly<Record<keyof Size, ReadonlyArray<number>>> = {
  meshes: [1, 100, 1_000],
  waiting: [0, 100_000, 1_000_000],
  members: [20, 100, 500],
}
/** An inbox takes 10,000. */
const waitingEach = 9_000
const messages = 10_000

const names = (count: number) => Array.from({ length: count }, (_, number) => `m${number}`)

const loadOf = (port: number, mesh: TestMesh) => {
  const people = mesh.members.map(({ keys, memberId }) => ({
    memberId,
    publicKey: keys.publicKey,
    secretKey: Buffer.from(keys.secretKey).toString("hex"),
  }))
  const common = { url: `ws://127.0.0.1:${port}/ws`, meshId: mesh.meshId, inFlight: 16, ciphertextBytes: 700 }
  return {
    ...common,
    sessionsEach: 1,
    toEveryone: false,
    senders: people.slice(0, 10),
    receivers: people.slice(10, 20),
  }
}

const fill = async (port: number, { meshes, waiting }: Size): Promise<void> => {
  const origin = `http://127.0.0.1:${port}`
  for (let number = 1; number < meshes; number++) {
    const mesh = await makeMesh(origin, ["alice", "bob"])
    // Somebody has been there, so the broker has it in memory.
    await (await RawClient.authenticatedV2(`ws://127.0.0.1:${port}/ws`, mesh.member("alice"))).close()
  }
  for (let left = waiting; left > 0; left -= 10 * waitingEach) {
    const load = loadOf(port, await makeMesh(origin, names(20)))
    await runLoad({ ...load, messages: Math.min(left, 10 * waitingEach), receiversAway: true })
  }
}

const measure = async (size: Size) => {
  const data = await mkdtemp(join(tmpdir(), "claudemesh-growth-"))
  const port = await freePort()
  const postgres = values.database === "postgres" ? await startPostgres(data) : undefined
  const where =
    postgres === undefined
      ? { BROKER_DATA_DIR: data }
      : { DATABASE_URL: await postgres.database(), BROKER_HOST: "127.0.0.1" }
  const environment = { ...where, BROKER_PORT: String(port) }
  const begin = () => launch([join(import.meta.dirname, "broker.ts")], environment)
  let server = begin()
  try {
    await answers(port)
    const mesh = await makeMesh(`http://127.0.0.1:${port}`, names(size.members))
    await fill(port, size)
    const load = { ...loadOf(port, mesh), messages }
    await runLoad(load)
    const [costs, databaseCosts]: [Array<number>, Array<number>] = [[], []]
    for (let round = 0; round < Number(values.rounds); round++) {
      const [before, databaseBefore] = [processorSeconds(server.pid), postgres?.seconds() ?? 0]
      await runLoad(load)
      costs.push(((processorSeconds(server.pid) - before) / messages) * 1e6)
      databaseCosts.push((((postgres?.seconds() ?? 0) - databaseBefore) / messages) * 1e6)
    }
    server.kill("SIGTERM")
    await server.exited
    server = begin()
    await answers(port)
    const begun = performance.now()
    const [first] = mesh.members
    if (first === undefined) throw new Error("a mesh has members")
    await (await RawClient.authenticatedV2(`ws://127.0.0.1:${port}/ws`, first)).close()
    return { cost: median(costs), databaseCost: median(databaseCosts), load: performance.now() - begun }
  } finally {
    server.kill("SIGKILL")
    await server.exited
    await postgres?.stop()
    await rm(data, { recursive: true, force: true })
  }
}

const rows = []
for (const what of ["meshes", "waiting", "members"] as const) {
  if (values.only !== undefined && values.only !== what) continue
  let smallest: number | undefined
  for (const count of sizes[what]) {
    if (count > Number(values.most)) continue
    const { cost, databaseCost, load } = await measure({ ...base, [what]: count })
    smallest ??= cost
    const ratio = Number((cost / smallest).toFixed(2))
    const ofServer = values.database === "postgres" ? { "µs of the server": Math.round(databaseCost) } : {}
    rows.push({ what, count, "µs a message": Math.round(cost), ratio, ...ofServer, "load ms": Number(load.toFixed(1)) })
    process.stderr.write(
      `${what} ${count}: ${cost.toFixed(0)} µs, ${databaseCost.toFixed(0)} of the server, load ${load.toFixed(1)} ms\n`,
    )
  }
}
console.table(rows)
process.exit(0)
