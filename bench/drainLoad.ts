/**
 * Members who were away come back: each takes what waits for it and acks what it is pushed. The time is from the first hello until the
 * last ack is committed, which is known by a message that each sends to itself behind its last ack: a mesh's writes are committed in order.
 * Everything is verified: what waits comes once, with its whole text, to the one for whom it was, and of each sender in the order in
 * which it was sent; and when all of them come once more, nothing waits any more. Prints one line of JSON, as `load.ts` does, with
 * milliseconds from the first hello to a push.
 *
 *   bun bench/drainLoad.ts '{"url":…,"meshId":…,"receivers":[…],"messages":20000,"ciphertextBytes":700}'
 */
import { acker, connectAs, type Mesh, type Person, valueOf } from "./LoadClient.ts"
import { startClock } from "./LoadShape.ts"
import type { RawSocket } from "./RawSocket.ts"

interface Job extends Mesh {
  readonly receivers: ReadonlyArray<Person>
  /** As `load.ts` has numbered and spread them. */
  readonly messages: number
  readonly ciphertextBytes: number
}

const job: Job = JSON.parse(process.argv[2] ?? "{}")

const rest = `,"ciphertext":"${Buffer.alloc(job.ciphertextBytes, 7).toString("base64")}"`
const ownNonce = "B".repeat(32)
const had = new Uint8Array(job.messages)
const latencies: Array<number> = []
let isOver = false

const sendToItself = ({ publicKey }: Person, socket: RawSocket): void => {
  const nonce = `"nonce":"${ownNonce}","ciphertext":"AAAA"`
  socket.say(`{"type":"send","id":"${Bun.randomUUIDv7()}","targetSpec":"${publicKey}","priority":"now",${nonce}}`)
  socket.flush()
}

/** Until the last of its acks is committed. */
const drain = (person: Person, index: number, begun: number): Promise<RawSocket> =>
  new Promise((resolve) => {
    const ack = acker()
    /** By sender, the number of its last one. */
    const last = new Map<string, number>()
    let left = Math.ceil((job.messages - index) / job.receivers.length)
    const take = (text: string): void => {
      if (!text.includes(rest)) throw new Error(`a text did not come whole: ${text.slice(0, 300)}`)
      const number = Number(valueOf(text, "nonce").replaceAll("A", ""))
      const sender = valueOf(text, "senderPubkey")
      if (number % job.receivers.length !== index) throw new Error(`message ${number} was another's`)
      if (had[number] !== 0) throw new Error(`message ${number} came twice`)
      if (number <= (last.get(sender) ?? -1)) throw new Error(`message ${number} came after one that was sent later`)
      had[number] = 1
      last.set(sender, number)
      latencies.push(performance.now() - begun)
      left -= 1
    }
    void connectAs(
      job,
      person,
      `drain-${index}`,
      (text, socket) => {
        if (text.startsWith('{"type":"ack"')) return resolve(socket)
        if (!text.includes(ownNonce)) take(text)
        ack(socket, valueOf(text, "messageId"), () => {
          if (left !== 0) return
          left = -1
          sendToItself(person, socket)
        })
      },
      () => {
        if (!isOver) throw new Error("the server closed a socket")
      },
    )
  })

/** Whatever waited still would be pushed before. */
const nothingWaits = (person: Person, index: number): Promise<void> =>
  new Promise((resolve) => {
    const ack = acker()
    void connectAs(
      job,
      person,
      `after-${index}`,
      (text, socket) => {
        if (text.startsWith('{"type":"ack"')) return
        if (!text.includes(ownNonce)) throw new Error(`it was acked, and came again: ${text.slice(0, 300)}`)
        ack(socket, valueOf(text, "messageId"), resolve)
      },
      () => {},
    ).then((socket) => sendToItself(person, socket))
  })

const [begun, end] = [performance.now(), startClock(latencies)]
const sockets = await Promise.all(job.receivers.map((person, index) => drain(person, index, begun)))
const line = end(job.messages)
if (latencies.length !== job.messages) throw new Error("not everything came")
// Whoever measures the server's processor reads it now.
console.log("drained")
await Bun.stdin.text()
isOver = true
for (const socket of sockets) socket.end()
await Promise.all(job.receivers.map(nothingWaits))
console.log(line)
process.exit(0)
