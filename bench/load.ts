/**
 * The load: senders that keep a fixed number of sends in flight, receivers that ack what they are pushed. One process of its
 * own, so that its time is not the server's, and cheap, so that it is not what is measured: `busy` says how much of a
 * processor it took. Everything is verified: each message comes once to each who is to have it, with its whole text, and each
 * send is acked. As in life a few sends and acks are said twice, under the ids that a client makes. Prints one line of JSON.
 *
 *   bun bench/load.ts '{"url":…,"meshId":…,"senders":[…],"receivers":[…],"inFlight":16,"messages":20000,…}'
 */
import { acker, connectAs, type Mesh, type Person, valueOf } from "./LoadClient.ts"
import { receiverOf, startClock, twiceEvery } from "./LoadShape.ts"
import type { RawSocket } from "./RawSocket.ts"

interface Job extends Mesh {
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

let isOver = false
const connect = (person: Person, session: string, onFrame: (text: string, socket: RawSocket) => void) =>
  connectAs(job, person, session, onFrame, () => {
    if (!isOver) throw new Error("the server closed a socket")
  })

const ciphertext = Buffer.alloc(job.ciphertextBytes, 7).toString("base64")
const rest = `,"ciphertext":"${ciphertext}"`
const sentAt = new Float64Array(job.messages)
const latencies: Array<number> = []
const sessionsCount = job.receiversAway ? 0 : job.receivers.length * job.sessionsEach
/** How often each message came: one byte each, and for each session where it goes to everyone. */
const had = new Uint8Array(job.messages * (job.toEveryone ? Math.max(1, sessionsCount) : 1))
const ackedIds = new Map<string, string>()
const deliveries = job.messages * (job.toEveryone ? sessionsCount : 1)
let delivered = 0
let acked = 0
let finish: () => void = () => {}
const finished = new Promise<void>((resolve) => (finish = resolve))
const finishIfDone = () => {
  const isSent = job.senders.length === 0 || acked === job.messages
  if (isSent && (job.receiversAway || delivered >= deliveries)) finish()
}

const takePush = (text: string, session: number): string => {
  if (!text.includes(rest)) throw new Error("a text did not come whole")
  // The nonce carries the message's number. What waited from an earlier load has a number, too, which says nothing here.
  const number = Number(valueOf(text, "nonce").replaceAll("A", ""))
  if (job.senders.length > 0) {
    latencies.push(performance.now() - (sentAt[number] ?? 0))
    const place = job.toEveryone ? number * sessionsCount + session : number
    if (had[place] !== 0) throw new Error(`message ${number} came twice`)
    had[place] = 1
  }
  delivered += 1
  if (delivered === deliveries) finishIfDone()
  return valueOf(text, "messageId")
}

const receiver = (person: Person, session: number) => {
  const ack = acker()
  return connect(person, `receiver-${session}`, (text, socket) => {
    if (text.startsWith('{"type":"ack"')) return takeAck(text, socket, session)
    ack(socket, takePush(text, session))
  })
}

/** As long as a real one: a sealed box over a key of 32 bytes. */
const sealedKey = Buffer.alloc(80, 7).toString("base64")
const sealedKeys = [...job.senders, ...job.receivers, ...job.others].map(({ publicKey }) => ({
  pubkey: publicKey,
  key: sealedKey,
}))
const tail = job.toEveryone ? `${rest},"sealedKeys":${JSON.stringify(sealedKeys)}}` : `${rest}}`
/** Those who send are those who receive, in one session each: users. */
const isAmongThemselves = job.senders[0]?.publicKey === job.receivers[0]?.publicKey && job.senders.length > 1

let started = 0
const targetOf = (number: number, sender: number): string => {
  if (job.toEveryone) return "*"
  const receiver = receiverOf(number, sender, job.receivers.length, isAmongThemselves)
  return job.receivers[receiver]?.publicKey ?? ""
}

const sendNext = (socket: RawSocket, sender: number) => {
  if (started === job.messages) return
  const number = started++
  sentAt[number] = performance.now()
  const nonce = String(number).padStart(32, "A")
  const frame = `{"type":"send","id":"${Bun.randomUUIDv7()}","targetSpec":"${targetOf(number, sender)}","priority":"now","nonce":"${nonce}"${tail}`
  socket.say(frame)
  if (number % twiceEvery === 0) socket.say(frame)
}

/** The answer to a resend says the same, and makes no place for another send. */
const takeAck = (text: string, socket: RawSocket, sender: number) => {
  const [id, messageId] = [valueOf(text, "id"), valueOf(text, "messageId")]
  const before = ackedIds.get(id)
  if (before !== undefined) {
    if (before !== messageId) throw new Error(`a resend got another result: ${text}`)
    return
  }
  ackedIds.set(id, messageId)
  acked += 1
  sendNext(socket, sender)
  if (acked === job.messages) finishIfDone()
}

const receivers = job.receiversAway
  ? []
  : await Promise.all(
      job.receivers
        .flatMap((person) => Array.from({ length: job.sessionsEach }, () => person))
        .map((person, session) => receiver(person, session)),
    )
const sockets = isAmongThemselves
  ? receivers
  : await Promise.all(
      job.senders.map((person, index) =>
        connect(person, `sender-${index}`, (text, socket) => {
          if (text.startsWith('{"type":"ack"')) takeAck(text, socket, index)
        }),
      ),
    )
const end = startClock(latencies)
for (const [index, socket] of sockets.entries()) {
  for (let n = 0; n < job.inFlight; n++) sendNext(socket, index)
  socket.flush()
}
await finished
isOver = true
console.log(end(job.receiversAway ? job.messages : deliveries))
// The last acks are on their way: what were not acked would come again to the next load.
await Bun.sleep(100)
process.exit(0)
