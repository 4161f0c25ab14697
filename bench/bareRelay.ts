/**
 * The least program that keeps the broker's promise, written for speed: a bare WebSocket relay that commits a message under its
 * sender's id, its deliveries and an audit row, in groups, before it acks and pushes, gives a resend the first result, and
 * erases a text with its last recipient. What is equal is encoded once, and what a socket is sent for one commit goes out in
 * one write. It speaks just enough of the protocol for the load generator. No identity, windows, gates, recovery or limits:
 * it is the yardstick for what those cost.
 *
 *   bun bench/bareRelay.ts sqlite FILE PORT      bun bench/bareRelay.ts postgres URL PORT
 */
import { Database } from "bun:sqlite"
import { hash } from "node:crypto"
import type { ServerWebSocket } from "bun"

type Socket = ServerWebSocket<Peer>

interface Peer {
  key: string
  /** Sockets are numbered, as recipients are. */
  number: number
  out: Array<string>
  ws: Socket | undefined
}

interface Accept {
  readonly seq: number
  readonly id: string
  readonly frame: SendFrame
  readonly sender: Peer
  readonly to: ReadonlyArray<Peer>
  readonly at: number
}

interface Consume {
  readonly seq: number
  readonly recipient: number
}

/** Gives of each whether it was new. */
type Write = (accepts: ReadonlyArray<Accept>, consumes: ReadonlyArray<Consume>) => Promise<ReadonlyArray<boolean>>

interface SendFrame {
  readonly id: string
  readonly targetSpec: string
  readonly priority: string
  readonly nonce: string
  readonly ciphertext: string
  readonly sealedKeys?: ReadonlyArray<{ readonly pubkey: string; readonly key: string }>
}

const [kind = "sqlite", where = ":memory:", port = "0"] = process.argv.slice(2)

const sqliteStore = (): Write => {
  const database = new Database(where)
  for (const statement of [
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    "PRAGMA locking_mode = EXCLUSIVE",
    "PRAGMA wal_autocheckpoint = 4000",
    "CREATE TABLE known (id TEXT PRIMARY KEY, seq INTEGER) WITHOUT ROWID",
    "CREATE TABLE message (seq INTEGER PRIMARY KEY, sender INTEGER, target TEXT, priority TEXT, nonce TEXT, ciphertext TEXT, at INTEGER, open INTEGER)",
    "CREATE TABLE delivery (seq INTEGER, recipient INTEGER, sealed_key TEXT, PRIMARY KEY (seq, recipient)) WITHOUT ROWID",
    "CREATE TABLE audit_log (seq INTEGER PRIMARY KEY, event TEXT, at INTEGER, actor INTEGER)",
  ]) {
    database.run(statement)
  }
  const known = database.query("INSERT INTO known VALUES (?, ?) ON CONFLICT DO NOTHING")
  const message = database.query("INSERT INTO message VALUES (?, ?, ?, ?, ?, ?, ?, ?)")
  const delivery = database.query("INSERT INTO delivery VALUES (?, ?, ?)")
  const audit = database.query("INSERT INTO audit_log VALUES (?, 'message_accepted', ?, ?)")
  const consume = database.query("DELETE FROM delivery WHERE seq = ? AND recipient = ?")
  const lower = database.query("UPDATE message SET open = open - 1 WHERE seq = ?")
  const erase = database.query("DELETE FROM message WHERE seq = ? AND open <= ?")
  const write = database.transaction((accepts: ReadonlyArray<Accept>, consumes: ReadonlyArray<Consume>) => {
    const isNew = accepts.map(({ at, frame, id, sender, seq, to }) => {
      if (known.run(id, seq).changes === 0) return false
      const { ciphertext, nonce, priority, sealedKeys, targetSpec } = frame
      message.run(seq, sender.number, targetSpec, priority, nonce, ciphertext, at, to.length)
      // Of a message to one the recipient stands in its row.
      if (targetSpec === "*") for (const peer of to) delivery.run(seq, peer.number, keyOf(sealedKeys, peer))
      audit.run(seq, at, sender.number)
      return true
    })
    for (const { recipient, seq } of consumes) {
      if (direct.has(seq)) erase.run(seq, 1)
      else if (consume.run(seq, recipient).changes > 0) {
        lower.run(seq)
        erase.run(seq, 0)
      }
    }
    return isNew
  })
  return async (accepts, consumes) => write.immediate(accepts, consumes)
}

const keyOf = (keys: SendFrame["sealedKeys"], { key }: Peer): string =>
  keys?.find(({ pubkey }) => pubkey === key)?.key ?? ""

/** Arrays as Postgres reads them: of numbers, and of texts that need no quotes. */
const array = (values: ReadonlyArray<string | number>): string => `{${values.join(",")}}`

const postgresStore = async (): Promise<Write> => {
  const sql = new Bun.SQL(where)
  for (const statement of [
    "CREATE TABLE known (id text PRIMARY KEY, seq bigint)",
    "CREATE TABLE message (seq bigint PRIMARY KEY, sender int, target text, priority text, nonce text, ciphertext text, at bigint, recipients int)",
    "CREATE TABLE delivery (seq bigint, recipient int, sealed_key text, PRIMARY KEY (seq, recipient))",
    "CREATE TABLE audit_log (seq bigint PRIMARY KEY, event text, at bigint, actor int)",
  ]) {
    await sql.unsafe(statement)
  }
  const statement = `
    WITH r AS (SELECT * FROM unnest($1::text::bigint[], $2::text::text[], $3::text::int[], $4::text::text[], $5::text::text[], $6::text::text[], $7::text::text[], $8::text::bigint[], $9::text::int[])
        AS r(seq, id, sender, target, priority, nonce, ciphertext, at, recipients)),
      new AS (INSERT INTO known SELECT id, seq FROM r ON CONFLICT DO NOTHING RETURNING seq),
      m AS (INSERT INTO message SELECT r.seq, sender, target, priority, nonce, ciphertext, at, recipients FROM r JOIN new USING (seq)),
      a AS (INSERT INTO audit_log SELECT r.seq, 'message_accepted', at, sender FROM r JOIN new USING (seq)),
      d AS (INSERT INTO delivery SELECT d.* FROM unnest($10::text::bigint[], $11::text::int[], $12::text::text[]) AS d(seq, recipient, sealed_key) JOIN new USING (seq)),
      direct AS (DELETE FROM message WHERE seq = ANY($13::text::bigint[])),
      gone AS (DELETE FROM delivery USING unnest($14::text::bigint[], $15::text::int[]) AS c(seq, recipient) WHERE delivery.seq = c.seq AND delivery.recipient = c.recipient RETURNING delivery.seq),
      g AS (SELECT seq, count(*)::int AS n FROM gone GROUP BY seq),
      lowered AS (UPDATE message SET recipients = recipients - g.n FROM g WHERE message.seq = g.seq AND recipients > g.n),
      erased AS (DELETE FROM message USING g WHERE message.seq = g.seq AND recipients <= g.n)
    SELECT seq::text AS seq FROM new`
  return async (accepts, consumes) => {
    const of = (one: (accept: Accept) => string | number) => array(accepts.map(one))
    const groups = accepts.filter(({ frame }) => frame.targetSpec === "*")
    const rows = groups.flatMap(({ frame, seq, to }) =>
      to.map((peer) => [seq, peer.number, keyOf(frame.sealedKeys, peer)] as const),
    )
    const [single, several] = [
      consumes.filter(({ seq }) => direct.has(seq)),
      consumes.filter(({ seq }) => !direct.has(seq)),
    ]
    const written = await sql.unsafe(statement, [
      of(({ seq }) => seq),
      of(({ id }) => id),
      of(({ sender }) => sender.number),
      of(({ frame }) => frame.targetSpec),
      of(({ frame }) => frame.priority),
      of(({ frame }) => frame.nonce),
      of(({ frame }) => frame.ciphertext),
      of(({ at }) => at),
      of(({ to }) => to.length),
      array(rows.map(([seq]) => seq)),
      array(rows.map(([, recipient]) => recipient)),
      array(rows.map(([, , key]) => `"${key}"`)),
      array(single.map(({ seq }) => seq)),
      array(several.map(({ seq }) => seq)),
      array(several.map(({ recipient }) => recipient)),
    ])
    const isNew = new Set<number>()
    for (const { seq } of written) isNew.add(Number(seq))
    return accepts.map(({ seq }) => isNew.has(seq))
  }
}

/** Messages to one that are not consumed yet: all that is known of them is that there is nobody else. */
const direct = new Set<number>()
const store = kind === "postgres" ? await postgresStore() : sqliteStore()

let accepts: Array<Accept> = []
let consumes: Array<Consume> = []
let writing = false
let seq = 0
const seqs = new Map<string, number>()
const peers = new Map<string, Array<Peer>>()
let numbers = 0

const flush = async () => {
  if (writing) return
  writing = true
  while (accepts.length > 0 || consumes.length > 0) {
    // What came in the same turn of the event loop goes along.
    await new Promise((resolve) => setImmediate(resolve))
    const [batch, acks] = [accepts, consumes]
    accepts = []
    consumes = []
    const isNew = await store(batch, acks)
    for (const { seq: consumed } of acks) direct.delete(consumed)
    const speaking = new Set<Peer>()
    for (const [index, accept] of batch.entries()) answer(accept, isNew[index] === true, speaking)
    for (const peer of speaking) write(peer)
  }
  writing = false
}

const write = (peer: Peer) => {
  const { out, ws } = peer
  peer.out = []
  ws?.cork(() => {
    for (const text of out) ws.send(text)
  })
}

const say = (peer: Peer, text: string, speaking: Set<Peer>) => {
  peer.out.push(text)
  speaking.add(peer)
}

const answer = ({ at, frame, id, sender, seq: number, to }: Accept, isNew: boolean, speaking: Set<Peer>) => {
  say(sender, `{"type":"ack","id":"${frame.id}","messageId":"${id}","queued":true,"duplicate":${!isNew}}`, speaking)
  if (!isNew) return
  seqs.set(id, number)
  if (frame.targetSpec !== "*") direct.add(number)
  const { ciphertext, nonce, priority, sealedKeys } = frame
  const push = `{"type":"push","messageId":"${id}","senderPubkey":"${sender.key}","priority":"${priority}","nonce":"${nonce}","ciphertext":"${ciphertext}","createdAt":"${new Date(at).toISOString()}"`
  for (const peer of to)
    say(peer, sealedKeys ? `${push},"sealedKey":"${keyOf(sealedKeys, peer)}"}` : `${push}}`, speaking)
}

const takeSend = (sender: Peer, frame: SendFrame) => {
  const id = hash("sha256", `${sender.key}\n${frame.id}`, "hex").slice(0, 32)
  const to =
    frame.targetSpec === "*"
      ? [...peers.values()].flat().filter((peer) => peer !== sender)
      : (peers.get(frame.targetSpec) ?? []).slice(0, 1)
  accepts.push({ seq: ++seq, id, frame, sender, to, at: Date.now() })
  void flush()
}

const takeAck = (peer: Peer, ids: ReadonlyArray<string>) => {
  for (const id of ids) {
    const consumed = seqs.get(id)
    if (consumed !== undefined) consumes.push({ seq: consumed, recipient: peer.number })
  }
  void flush()
}

const server = Bun.serve<Peer>({
  hostname: "127.0.0.1",
  port: Number(port),
  fetch: (request, bun) =>
    bun.upgrade(request, { data: { key: "", number: 0, out: [], ws: undefined } }) ? undefined : new Response("ok"),
  websocket: {
    close: ({ data: { key, ws: socket } }) =>
      void peers.set(key, peers.get(key)?.filter(({ ws }) => ws !== socket) ?? []),
    open: (ws) => void ws.send(`{"type":"challenge","nonce":"${"0".repeat(64)}"}`),
    message: (ws, text) => {
      const frame = JSON.parse(String(text))
      if (frame.type === "send") takeSend(ws.data, frame)
      else if (frame.type === "client_ack") takeAck(ws.data, frame.messageIds)
      else if (frame.type === "hello") {
        Object.assign(ws.data, { key: frame.pubkey, number: ++numbers, ws })
        peers.set(frame.pubkey, [...(peers.get(frame.pubkey) ?? []), ws.data])
        ws.send(`{"type":"hello_ack"}`)
      }
    },
  },
})
console.log(`listening ${server.port}`)
