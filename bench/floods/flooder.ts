/**
 * One that floods a broker until it is killed, in a process of its own. Prints once a second what it has said and heard.
 *
 *   bun bench/floods/flooder.ts '{"flood":"sends to everyone","port":…,"meshId":…,"flooder":{…},"everyone":[…]}'
 */
import { dial, type Frame, authenticated, type Person, type Place, request, sealedTo, sendFrame } from "./Member.ts"

interface Job extends Place {
  readonly flood: string
  readonly flooder: Person
  readonly owner: Person
  /** Another mesh of the same members. */
  readonly elsewhere: string
  /** Of the mesh, with the flooder. */
  readonly everyone: ReadonlyArray<Person>
}

const job: Job = JSON.parse(process.argv[2] ?? "{}")
const address = "192.0.2.1"
const heard = new Map<string, number>()
const count = (what: string, by = 1): void => void heard.set(what, (heard.get(what) ?? 0) + by)
const countFrame = (frame: Frame): void =>
  count(frame["type"] === "error" ? `refused: ${String(frame["code"])}` : `answered: ${String(frame["type"])}`)

const json = JSON.stringify
let numbers = 0
const nextId = (): string => `f${(numbers += 1)}`
/** What of it is not yet taken by the broker: more would only fill this process. */
const bufferedMax = 4 * 1024 * 1024

/** As fast as the broker takes it; one that is closed comes back a moment later. */
const fromOne = async (connect: () => Promise<WebSocket>, next: () => string): Promise<void> => {
  while (true) {
    try {
      const socket = await connect()
      while (socket.readyState === WebSocket.OPEN) {
        for (let n = 0; n < 50 && socket.bufferedAmount < bufferedMax; n++) {
          socket.send(next())
          count("said")
        }
        await Bun.sleep(1)
      }
    } catch {
      await Bun.sleep(100)
    }
    count("closed")
  }
}

const fromSessions = async (sessions: number, next: () => string): Promise<void> => {
  const flood = (number: number) =>
    fromOne(() => authenticated(job, job.flooder, `flood-${number}`, address, countFrame), next)
  await Promise.all(Array.from({ length: sessions }, (_, number) => flood(number)))
}

/** Forty, each from its own address, who ack what they get: together more than any broker takes. */
const fromMembers = async (
  meshId: string,
  next: (member: Person, index: number, all: ReadonlyArray<Person>) => string,
): Promise<void> => {
  const members = job.everyone.slice(-40)
  const onFrame = (frame: Frame, socket: WebSocket): void => {
    if (frame["type"] !== "push") return countFrame(frame)
    count("delivered")
    socket.send(json({ type: "client_ack", messageIds: [frame["messageId"]] }))
  }
  const flood = (member: Person, index: number) => {
    const own = `203.0.113.${index}`
    const connect = () => authenticated({ ...job, meshId }, member, "flood", own, onFrame)
    return fromOne(connect, () => next(member, index, members))
  }
  await Promise.all(members.map(flood))
}

/** To the next one. */
const sendToNext = (_: Person, index: number, all: ReadonlyArray<Person>): string =>
  sendFrame(nextId(), `${all[(index + 1) % all.length]?.publicKey}/flood`, "A".repeat(32), 1_000)
const sendToEveryone = (): string =>
  sendFrame(nextId(), "*", "A".repeat(32), 1_000, { sealedKeys: sealedTo(job.everyone), priority: "low" })
const askForStatus = (): string => json({ type: "message_status", id: nextId(), messageId: "0".repeat(32) })

/** One after the other, so many at a time. */
const over = async (atOnce: number, one: () => Promise<unknown>): Promise<void> => {
  const go = async () => {
    while (true) {
      await one().catch(() => Bun.sleep(5))
      count("said")
    }
  }
  await Promise.all(Array.from({ length: atOnce }, go))
}

const byHttp = (method: "GET" | "POST", path: string, body: string, who: Person) => async () => {
  const response = await request(job, method, path, body, who, address)
  count(`answered: ${response.status}`)
  await response.text()
}

const socketsOfAStranger = () =>
  over(200, async () => {
    const socket = dial(job, address)
    const code = await new Promise((resolve) => socket.addEventListener("close", (event) => resolve(event.code)))
    count(`closed: ${String(code)}`)
  })

const framesOfAStranger = () =>
  over(20, async () => {
    const socket = dial(job, address)
    await new Promise((resolve) => socket.addEventListener("open", resolve))
    while (socket.readyState === WebSocket.OPEN) {
      for (let n = 0; n < 50 && socket.bufferedAmount < bufferedMax; n++) socket.send('{"type":"ping","id":"p"}')
      await Bun.sleep(1)
    }
  })

/** New ones all the time, which stay. */
const sessionsOfAMember = async () => {
  const open: Array<WebSocket> = []
  await over(20, async () => {
    open.push(await authenticated(job, job.flooder, `session-${nextId()}`, address, countFrame))
    count("authenticated")
  })
}

const longProfile = () =>
  json({
    type: "set_profile",
    id: nextId(),
    nonce: "A".repeat(32),
    ciphertext: Buffer.alloc(6_000, 7).toString("base64"),
    sealedKeys: sealedTo(Array.from({ length: 500 }, () => job.flooder)),
  })

let inChannel = 0
const channelChange = () => {
  inChannel += 1
  const type = inChannel % 2 === 1 ? "join_channel" : "leave_channel"
  return json({ type, id: nextId(), channel: `c${Math.ceil(inChannel / 2) % 50}` })
}

const floods: Readonly<Record<string, () => Promise<void>>> = {
  nothing: () => new Promise(() => {}),
  "sockets of a stranger": socketsOfAStranger,
  "frames of strangers": framesOfAStranger,
  "/health and /ready": () =>
    over(20, async () => {
      const path = (numbers += 1) % 2 === 0 ? "/health" : "/ready"
      const response = await fetch(`http://127.0.0.1:${job.port}${path}`, { headers: { "x-forwarded-for": address } })
      count(`answered: ${response.status}`)
      await response.text()
    }),
  "signed requests": () => over(20, byHttp("GET", "/invites", "", job.owner)),
  "reports of hooks": () =>
    over(20, byHttp("POST", "/hook/set-status", json({ session_id: "flood-0", status: "working" }), job.flooder)),
  "sessions of a member": sessionsOfAMember,
  pings: () => fromSessions(5, () => json({ type: "ping", id: nextId() })),
  "long frames": () => fromSessions(5, longProfile),
  "sends to one who is away": () =>
    fromSessions(5, () => sendFrame(nextId(), job.owner.publicKey, "A".repeat(32), 1_000)),
  "sends to everyone": () => fromSessions(5, sendToEveryone),
  "sends of 40 members": () => fromMembers(job.meshId, sendToNext),
  "sends of 40 members of another mesh": () => fromMembers(job.elsewhere, sendToNext),
  "sends of 40 members to everyone": () => fromMembers(job.meshId, sendToEveryone),
  "sends of 40 members to everyone of another mesh": () => fromMembers(job.elsewhere, sendToEveryone),
  "message_status of 40 members": () => fromMembers(job.meshId, askForStatus),
  "pings of 40 members": () => fromMembers(job.meshId, () => json({ type: "ping", id: nextId() })),
  "pulls of 40 members": () => fromMembers(job.meshId, () => json({ type: "pull", id: nextId() })),
  "long frames of 40 members": () => fromMembers(job.meshId, longProfile),
  "lists of 40 members": () => fromMembers(job.meshId, () => json({ type: "list_peers", id: nextId() })),
  message_status: () => fromSessions(5, askForStatus),
  pulls: () => fromSessions(5, () => json({ type: "pull", id: nextId() })),
  lists: () => fromSessions(5, () => json({ type: numbers % 2 === 0 ? "list_peers" : "list_members", id: nextId() })),
  "changes of channels": () => fromSessions(5, channelChange),
  "changes of status": () =>
    fromSessions(5, () => json({ type: "set_status", id: nextId(), status: numbers % 2 === 0 ? "idle" : "working" })),
}

const flood = floods[job.flood]
if (flood === undefined) {
  console.log(json(Object.keys(floods)))
  process.exit(0)
}
const report = async () => {
  while (true) {
    await Bun.sleep(1_000)
    console.log(json(Object.fromEntries(heard)))
  }
}
await Promise.all([flood(), report()])
