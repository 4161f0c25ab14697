/**
 * The load of `load.ts` for Redis Streams: a stream and a group of one for each receiver, senders that keep a fixed number of
 * XADD in flight, receivers that read, acknowledge and remove. Every message is verified as there. It is what a user might pick
 * instead: durable with `appendfsync always`, and without ids that a resend is known by, identity, gates or an audit. Prints one line of JSON.
 *
 *   bun bench/redisStreams.ts '{"port":…,"senders":10,"receivers":10,"inFlight":16,"messages":20000,"ciphertextBytes":700}'
 */
import { RedisClient } from "bun"

export interface RedisJob {
  readonly port: number
  readonly senders: number
  readonly receivers: number
  readonly inFlight: number
  readonly messages: number
  readonly ciphertextBytes: number
}

const { ciphertextBytes, inFlight, messages, port, receivers, senders }: RedisJob = JSON.parse(process.argv[2] ?? "{}")
const url = `redis://127.0.0.1:${port}`
const ciphertext = Buffer.alloc(ciphertextBytes, 7).toString("base64")
const sentAt = new Float64Array(messages)
const had = new Uint8Array(messages)
const latencies: Array<number> = []
const streamOf = (number: number) => `inbox-${number % receivers}`

const connected = async () => {
  const client = new RedisClient(url)
  await client.connect()
  return client
}

let started = 0
const sender = async (client: RedisClient): Promise<void> => {
  while (started < messages) {
    const number = started++
    sentAt[number] = performance.now()
    await client.send("XADD", [streamOf(number), "*", "number", String(number), "ciphertext", ciphertext])
  }
}

type Entries = Record<string, ReadonlyArray<readonly [id: string, fields: ReadonlyArray<string>]>>

let delivered = 0
let finish: () => void = () => {}
const finished = new Promise<void>((resolve) => (finish = resolve))

const take = (fields: ReadonlyArray<string>): void => {
  const number = Number(fields[1])
  if (fields[3] !== ciphertext) throw new Error("a text did not come whole")
  if (had[number] !== 0) throw new Error(`message ${number} came twice`)
  had[number] = 1
  latencies.push(performance.now() - (sentAt[number] ?? 0))
  delivered += 1
  if (delivered === messages) finish()
}

const receiver = async (client: RedisClient, stream: string): Promise<void> => {
  for (;;) {
    const read: Entries | null = await client.send("XREADGROUP", [
      "GROUP",
      "group",
      "one",
      "COUNT",
      "256",
      "BLOCK",
      "1000",
      "STREAMS",
      stream,
      ">",
    ])
    const entries = read?.[stream] ?? []
    if (entries.length === 0) continue
    for (const [, fields] of entries) take(fields)
    const ids = entries.map(([id]) => id)
    await Promise.all([client.send("XACK", [stream, "group", ...ids]), client.send("XDEL", [stream, ...ids])])
  }
}

const setUp = await connected()
for (let number = 0; number < receivers; number++) {
  await setUp.send("XGROUP", ["CREATE", streamOf(number), "group", "$", "MKSTREAM"])
}
const reading = await Promise.all(Array.from({ length: receivers }, connected))
const writing = await Promise.all(Array.from({ length: senders }, connected))
const [begun, cpuBefore] = [performance.now(), process.cpuUsage()]
for (const [number, client] of reading.entries()) void receiver(client, streamOf(number))
for (const client of writing) for (let n = 0; n < inFlight; n++) void sender(client)
await finished
const millis = performance.now() - begun
const { system, user } = process.cpuUsage(cpuBefore)
latencies.sort((left, right) => left - right)
const at = (share: number) => latencies[Math.floor(latencies.length * share)] ?? 0
const busy = (system + user) / 1_000 / millis
console.log(JSON.stringify({ perSecond: (messages / millis) * 1_000, p50: at(0.5), p99: at(0.99), busy }))
process.exit(0)
