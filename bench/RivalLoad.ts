/**
 * The load of `load.ts` for a server with a client of its own: senders that keep a fixed number of confirmed sends in flight,
 * receivers that ack what they are given. Every message is verified as there once, with its whole text. What differs by the
 * server is a `Peer`. Prints one line of JSON.
 *
 *   bun bench/jetStream.ts '{"port":…,"senders":10,"receivers":10,"inFlight":16,"messages":20000,"ciphertextBytes":700,"isAmong":false}'
 */
import { receiverOf, startClock } from "./LoadShape.ts"

export interface RivalJob {
  readonly port: number
  readonly senders: number
  readonly receivers: number
  readonly inFlight: number
  readonly messages: number
  readonly ciphertextBytes: number
  /** Those who send are those who receive. */
  readonly isAmong: boolean
}

/** One user of the server, by its own connection. */
export interface Peer {
  /** Resolves once the server has confirmed that it keeps the message. */
  readonly send: (inbox: string, text: string, number: number) => Promise<unknown>
  /** Makes the inbox, and acks what `take` was given. */
  readonly receive: (inbox: string, take: (text: string) => void) => Promise<unknown>
  /** Resolves once the acks are with the server: what were not acked would come again to the next load. */
  readonly close: () => Promise<unknown>
}

/** As many unacked messages as a session of the broker may have. */
export const unackedMax = 500

const numberLength = 8
const inboxOf = (receiver: number) => `inbox-${receiver}`

export const runRivalLoad = async (connect: (port: number) => Promise<Peer>): Promise<never> => {
  const job: RivalJob = JSON.parse(process.argv[2] ?? "{}")
  const ciphertext = Buffer.alloc(job.ciphertextBytes, 7).toString("base64")
  const sentAt = new Float64Array(job.messages)
  const latencies: Array<number> = []
  const had = new Uint8Array(job.messages)
  const { promise: allCame, reject: fail, resolve: finish } = Promise.withResolvers<void>()
  const connectAll = (count: number) => Promise.all(Array.from({ length: count }, () => connect(job.port)))

  const takeAs = (receiver: number) => (text: string) => {
    const number = Number(text.slice(0, numberLength))
    if (text.slice(numberLength) !== ciphertext) return fail(new Error("a text did not come whole"))
    if (had[number] !== 0) return fail(new Error(`message ${number} came twice`))
    if (!job.isAmong && number % job.receivers !== receiver) return fail(new Error(`message ${number} was another's`))
    had[number] = 1
    latencies.push(performance.now() - (sentAt[number] ?? 0))
    if (latencies.length === job.messages) finish()
  }

  let started = 0
  const sendAll = async (peer: Peer, sender: number): Promise<void> => {
    while (started < job.messages) {
      const number = started++
      const inbox = inboxOf(receiverOf(number, sender, job.receivers, job.isAmong))
      sentAt[number] = performance.now()
      await peer.send(inbox, String(number).padStart(numberLength, "0") + ciphertext, number)
    }
  }

  const receivers = await connectAll(job.receivers)
  await Promise.all(receivers.map((peer, receiver) => peer.receive(inboxOf(receiver), takeAs(receiver))))
  const senders = job.isAmong ? receivers : await connectAll(job.senders)
  const end = startClock(latencies)
  const sending = senders.flatMap((peer, sender) => Array.from({ length: job.inFlight }, () => sendAll(peer, sender)))
  await Promise.all([allCame, ...sending])
  console.log(end(job.messages))
  await Promise.all([...new Set([...receivers, ...senders])].map((peer) => peer.close()))
  process.exit(0)
}
