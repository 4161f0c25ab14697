/**
 * The load: senders that keep a fixed number of sends in flight, receivers that ack what they are pushed. One
 * process of its own, so that its time is not the server's. Prints one line of JSON.
 *
 *   bun bench/load.ts '{"url":…,"meshId":…,"senders":[…],"receivers":[…],"inFlight":16,"messages":20000,…}'
 */
import sodium from "libsodium-wrappers"

await sodium.ready

interface Person {
  readonly memberId: string
  readonly publicKey: string
  readonly secretKey: string
}

interface Job {
  readonly url: string
  readonly meshId: string
  readonly senders: ReadonlyArray<Person>
  readonly receivers: ReadonlyArray<Person>
  readonly inFlight: number
  readonly messages: number
  readonly ciphertextBytes: number
  /** Sessions of each receiver. */
  readonly sessionsEach: number
  /** Each message goes to everyone. */
  readonly toEveryone: boolean
  /** Of the mesh, and not played here: messages are sealed to them, too. */
  readonly others: ReadonlyArray<Pick<Person, "publicKey">>
  /** Nobody takes what is sent: it waits, and the load ends with the last ack. */
  readonly receiversAway: boolean
}

const job: Job = JSON.parse(process.argv[2] ?? "{}")

const connect = (
  person: Person,
  session: string,
  onFrame: (frame: Record<string, unknown>, socket: WebSocket) => void,
) =>
  new Promise<WebSocket>((resolve, reject) => {
    const socket = new WebSocket(job.url)
    socket.addEventListener("error", () => reject(new Error("no connection")))
    socket.addEventListener("message", ({ data }) => {
      const frame = JSON.parse(String(data))
      if (frame.type === "challenge") {
        const { memberId, publicKey: pubkey } = person
        const lines = [
          "claudemesh-hello-v2",
          new URL(job.url).origin,
          job.meshId,
          memberId,
          pubkey,
          session,
          frame.nonce,
        ]
        const signature = sodium.to_hex(
          sodium.crypto_sign_detached(lines.join("\n"), sodium.from_hex(person.secretKey)),
        )
        const client = { name: "bench", version: "1" }
        const { meshId } = job
        socket.send(
          JSON.stringify({
            type: "hello",
            protocol: 2,
            meshId,
            memberId,
            pubkey,
            sessionId: session,
            nonce: frame.nonce,
            signature,
            client,
          }),
        )
      } else if (frame.type === "hello_ack") resolve(socket)
      else if (frame.type === "error") throw new Error(JSON.stringify(frame))
      else onFrame(frame, socket)
    })
  })

const sentAt = new Map<string, number>()
const latencies: Array<number> = []
let delivered = 0
let finish: () => void = () => {}
const finished = new Promise<void>((resolve) => (finish = resolve))

const deliveries = job.messages * (job.toEveryone ? job.receivers.length * job.sessionsEach : 1)
const sessions = (job.receiversAway ? [] : job.receivers).flatMap((person) =>
  Array.from({ length: job.sessionsEach }, () => person),
)
await Promise.all(
  sessions.map((person, index) => {
    let acks: Array<unknown> = []
    return connect(person, `receiver-${index}`, (frame, socket) => {
      if (frame["type"] !== "push") return
      // The nonce carries the message's number, so that a push is matched to its send.
      const begun = sentAt.get(String(frame["nonce"]))
      if (begun !== undefined) latencies.push(performance.now() - begun)
      acks.push(frame["messageId"])
      if (acks.length === 1) {
        queueMicrotask(() => {
          socket.send(JSON.stringify({ type: "client_ack", messageIds: acks }))
          acks = []
        })
      }
      delivered += 1
      if (delivered === deliveries) finish()
    })
  }),
)

/** As long as a real one: a sealed box over a key of 32 bytes. */
const sealedKey = Buffer.alloc(80, 7).toString("base64")
const sealedKeys = [...job.senders, ...job.receivers, ...job.others].map(({ publicKey }) => ({
  pubkey: publicKey,
  key: sealedKey,
}))

const ciphertext = Buffer.alloc(job.ciphertextBytes, 7).toString("base64")
let started = 0
let acked = 0

const sendNext = (socket: WebSocket, sender: number) => {
  if (started === job.messages) return
  const number = started++
  const nonce = number.toString().padStart(32, "A")
  const target = job.receivers[number % job.receivers.length]?.publicKey
  sentAt.set(nonce, performance.now())
  socket.send(
    JSON.stringify({
      type: "send",
      id: `b-${sender}-${number}`,
      targetSpec: job.toEveryone ? "*" : target,
      priority: "now",
      nonce,
      ciphertext,
      ...(job.toEveryone && { sealedKeys }),
    }),
  )
}

const sockets = await Promise.all(
  job.senders.map((person, index) =>
    connect(person, `sender-${index}`, (frame, socket) => {
      if (frame["type"] !== "ack") return
      acked += 1
      if (job.receiversAway && acked === job.messages) finish()
      sendNext(socket, index)
    }),
  ),
)
const begun = performance.now()
for (const [index, socket] of sockets.entries()) for (let n = 0; n < job.inFlight; n++) sendNext(socket, index)
await finished
const seconds = (performance.now() - begun) / 1000
latencies.sort((left, right) => left - right)
const at = (share: number) => latencies[Math.floor(latencies.length * share)] ?? 0
console.log(JSON.stringify({ perSecond: deliveries / seconds, p50: at(0.5), p99: at(0.99) }))
process.exit(0)
