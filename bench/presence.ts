/**
 * `npm run bench:presence [-- --sessions 500 --drop 200]`: what it costs to tell a mesh who comes, goes and changes: frames, bytes and
 * the broker's processor time for each change; and what is told when many sessions drop and come back, or the broker is killed.
 */
import { randomBytes } from "node:crypto"
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { parseArgs } from "node:util"
import sodium from "libsodium-wrappers"
import { answers, freePort, launch, makeMesh, person, processorSeconds } from "./Server.ts"

const { values } = parseArgs({
  options: {
    sessions: { type: "string", default: "500" },
    drop: { type: "string", default: "200" },
    changes: { type: "string", default: "40" },
  },
})
const [sessionCount, dropCount, changeCount] = [values.sessions, values.drop, values.changes].map(Number)

/** Of `POST /meshes`. */
const membersMax = 100
/** Longer than changes are told together within. */
const apartMillis = 260

const members = Array.from({ length: membersMax }, person)

interface Told {
  frames: number
  bytes: number
  joined: number
  left: number
  changed: number
  lists: number
}
const told: Told = { frames: 0, bytes: 0, joined: 0, left: 0, changed: 0, lists: 0 }

interface Session {
  readonly number: number
  readonly socket: WebSocket
}

let at = { port: 0, meshId: "" }

const connect = (number: number): Promise<Session> =>
  new Promise((resolve, reject) => {
    const socket = new WebSocket(`ws://127.0.0.1:${at.port}/ws`)
    socket.addEventListener("error", () => reject(new Error("no connection")))
    socket.addEventListener("message", ({ data }) => {
      const text = String(data)
      const frame = JSON.parse(text)
      if (frame.type === "challenge") socket.send(hello(number, frame.nonce))
      else if (frame.type === "hello_ack") socket.send(JSON.stringify({ type: "list_peers", id: "list" }))
      else if (frame.type === "peers") {
        told.lists += 1
        resolve({ number, socket })
      } else if (frame.type === "presence") {
        told.frames += 1
        told.bytes += text.length
        for (const { event } of frame.changes) told[event as "joined" | "left" | "changed"] += 1
      } else if (frame.type === "error") reject(new Error(text))
    })
  })

const hello = (number: number, nonce: string): string => {
  const { memberId, publicKey: pubkey, secretKey } = members[number % membersMax] ?? person()
  const sessionId = `session-${number}`
  const { meshId, port } = at
  const lines = ["claudemesh-hello-v2", `ws://127.0.0.1:${port}`, meshId, memberId, pubkey, sessionId, nonce]
  const signature = sodium.to_hex(sodium.crypto_sign_detached(lines.join("\n"), sodium.from_hex(secretKey)))
  const client = { name: "bench", version: "1" }
  const proved = { meshId, memberId, pubkey, sessionId, nonce, signature }
  return JSON.stringify({ type: "hello", protocol: 2, ...proved, client, presence: true })
}

/** A few at a time, as over a second or two. */
const connectAll = async (numbers: ReadonlyArray<number>): Promise<ReadonlyArray<Session>> => {
  const made: Array<Session> = []
  for (let from = 0; from < numbers.length; from += 50) {
    made.push(...(await Promise.all(numbers.slice(from, from + 50).map(connect))))
  }
  return made
}

const quiet = () => Bun.sleep(1_500)

const rows: Array<Readonly<Record<string, string | number>>> = []

/** What `act` causes, for each of so many changes. */
const measure = async (what: string, pid: number, count: number, act: () => Promise<unknown>) => {
  await quiet()
  for (const key of Object.keys(told)) told[key as keyof Told] = 0
  const before = processorSeconds(pid)
  await act()
  await quiet()
  const millis = (processorSeconds(pid) - before) * 1_000
  const each = (total: number) => Number((total / count).toFixed(2))
  rows.push({
    what,
    changes: count,
    "frames each": each(told.frames),
    "KB each": each(told.bytes / 1_024),
    "broker ms each": each(millis),
    joined: told.joined,
    left: told.left,
    changed: told.changed,
  })
}

const status = (session: Session | undefined, status: string) =>
  session?.socket.send(JSON.stringify({ type: "set_status", status, id: "s" }))

/** As long as a real one. */
const profile = (session: Session | undefined) =>
  session?.socket.send(
    JSON.stringify({
      type: "set_profile",
      id: "p",
      nonce: randomBytes(24).toString("base64"),
      ciphertext: randomBytes(420).toString("base64"),
      sealedKeys: members.map(({ publicKey }) => ({ pubkey: publicKey, key: randomBytes(80).toString("base64") })),
    }),
  )

const range = (count: number) => Array.from({ length: count }, (_, n) => n)

const folder = await mkdtemp(join(tmpdir(), "claudemesh-presence-"))
const port = await freePort()
const start = async () => {
  const server = launch([join(import.meta.dirname, "broker.ts")], {
    BROKER_DATA_DIR: folder,
    BROKER_PORT: String(port),
  })
  await answers(port)
  return server
}
let server = await start()
try {
  at = { port, meshId: await makeMesh(port, members) }
  let sessions = await connectAll(range(sessionCount ?? 0))

  await measure("a status, one at a time", server.pid, changeCount ?? 0, async () => {
    for (const n of range(changeCount ?? 0)) {
      status(sessions[n], "working")
      await Bun.sleep(apartMillis)
    }
  })
  await measure("a status of each at once", server.pid, sessions.length, async () => {
    for (const session of sessions) status(session, "dnd")
  })
  await measure("a profile, one at a time", server.pid, changeCount ?? 0, async () => {
    for (const n of range(changeCount ?? 0)) {
      profile(sessions[n])
      await Bun.sleep(apartMillis)
    }
  })
  await measure("one joins, and says goodbye", server.pid, 2 * (changeCount ?? 0), async () => {
    for (const n of range(changeCount ?? 0)) {
      const { socket } = await connect(10_000 + n)
      await Bun.sleep(apartMillis)
      socket.close(1000)
      await Bun.sleep(apartMillis)
    }
  })
  const dropped = sessions.slice(0, dropCount)
  await measure(`${dropCount} drop, and come back after 5 s`, server.pid, dropped.length, async () => {
    for (const { socket } of dropped) socket.terminate()
    await Bun.sleep(5_000)
    sessions = [...(await connectAll(dropped.map(({ number }) => number))), ...sessions.slice(dropCount)]
  })
  const all = sessions.slice(0, dropCount)
  for (const { socket } of sessions.slice(dropCount)) socket.close(1000)
  await quiet()
  for (const key of Object.keys(told)) told[key as keyof Told] = 0
  server.kill("SIGKILL")
  await server.exited
  server = await start()
  await measure(`${dropCount} come back to a broker that was killed`, server.pid, all.length, () =>
    connectAll(all.map(({ number }) => number)),
  )
  console.table(rows)
} finally {
  server.kill("SIGKILL")
  await server.exited
  await rm(folder, { recursive: true, force: true })
}
process.exit(0)
