/**
 * The least program that keeps the broker's promise, for direct messages and for messages to everyone: a bare
 * WebSocket relay that commits a message, its deliveries and an audit row, in groups, before it acks and pushes,
 * records what was consumed, and erases a text with its last recipient. It speaks just enough of the protocol for the
 * load generator. No identity, windows, gates, recovery or limits: it is the yardstick for what those cost.
 *
 *   bun bench/bareRelay.ts sqlite FILE PORT      bun bench/bareRelay.ts postgres URL PORT
 */
import { Database } from "bun:sqlite"
import { createHash } from "node:crypto"
import type { ServerWebSocket } from "bun"

type Socket = ServerWebSocket<{ key: string; session: string }>

type Row = Readonly<Record<string, string | number>>

interface Accept {
  readonly row: Row
  readonly recipients: ReadonlyArray<Row>
  readonly done: () => void
}

type Write = (accepts: ReadonlyArray<Accept>, consumes: ReadonlyArray<Row>) => Promise<unknown>

const [kind = "sqlite", where = ":memory:", port = "0"] = process.argv.slice(2)

const schema = [
  "CREATE TABLE message (seq bigint PRIMARY KEY, id text UNIQUE, sender text, target text, priority text, nonce text, ciphertext text, at bigint)",
  "CREATE TABLE delivery (seq bigint, recipient text, sealed_key text, consumed_at bigint, PRIMARY KEY (seq, recipient))",
  "CREATE TABLE audit_log (seq bigint PRIMARY KEY, event text, at bigint, actor text)",
]
const columns = "seq bigint, id text, sender text, target text, priority text, nonce text, ciphertext text, at bigint"

const sqliteStore = (): Write => {
  const database = new Database(where)
  for (const pragma of ["journal_mode = WAL", "synchronous = FULL", "locking_mode = EXCLUSIVE"]) {
    database.run(`PRAGMA ${pragma}`)
  }
  for (const statement of schema) database.run(statement)
  const message = database.query("INSERT INTO message VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING")
  const delivery = database.query("INSERT INTO delivery VALUES (?, ?, ?, NULL)")
  const audit = database.query("INSERT INTO audit_log VALUES (?, 'message_accepted', ?, ?)")
  const consume = database.query(
    "UPDATE delivery SET consumed_at = ?, sealed_key = NULL WHERE seq = ? AND recipient = ?",
  )
  const erase = database.query(
    "UPDATE message SET ciphertext = '' WHERE seq = ? AND NOT EXISTS (SELECT 1 FROM delivery d WHERE d.seq = message.seq AND d.consumed_at IS NULL)",
  )
  const write = database.transaction((accepts: ReadonlyArray<Accept>, consumes: ReadonlyArray<Row>) => {
    for (const { recipients, row: r } of accepts) {
      message.run(
        r["seq"] ?? 0,
        r["id"] ?? "",
        r["sender"] ?? "",
        r["target"] ?? "",
        r["priority"] ?? "",
        r["nonce"] ?? "",
        r["ciphertext"] ?? "",
        r["at"] ?? 0,
      )
      for (const one of recipients) delivery.run(r["seq"] ?? 0, one["recipient"] ?? "", one["sealed_key"] ?? "")
      audit.run(r["seq"] ?? 0, r["at"] ?? 0, r["sender"] ?? "")
    }
    for (const row of consumes) consume.run(row["at"] ?? 0, row["seq"] ?? 0, row["recipient"] ?? "")
    for (const consumed of new Set(consumes.map((row) => row["seq"] ?? 0))) erase.run(consumed)
  })
  return async (accepts, consumes) => write(accepts, consumes)
}

const postgresStore = async (): Promise<Write> => {
  const sql = new Bun.SQL(where)
  for (const statement of schema) await sql.unsafe(statement)
  return (accepts, consumes) =>
    sql.begin(async (tx) => {
      if (accepts.length > 0) {
        const rows = JSON.stringify(accepts.map(({ row }) => row))
        const from = `FROM jsonb_to_recordset($1::text::jsonb) AS r(${columns})`
        await tx.unsafe(
          `INSERT INTO message SELECT seq, id, sender, target, priority, nonce, ciphertext, at ${from} ON CONFLICT (id) DO NOTHING`,
          [rows],
        )
        await tx.unsafe(
          "INSERT INTO delivery SELECT seq, recipient, sealed_key, NULL FROM jsonb_to_recordset($1::text::jsonb) AS r(seq bigint, recipient text, sealed_key text)",
          [JSON.stringify(accepts.flatMap(({ recipients }) => recipients))],
        )
        await tx.unsafe(`INSERT INTO audit_log SELECT seq, 'message_accepted', at, sender ${from}`, [rows])
      }
      if (consumes.length > 0) {
        const rows = JSON.stringify(consumes)
        await tx.unsafe(
          "UPDATE delivery SET consumed_at = r.at, sealed_key = NULL FROM jsonb_to_recordset($1::text::jsonb) AS r(seq bigint, recipient text, at bigint) WHERE delivery.seq = r.seq AND delivery.recipient = r.recipient",
          [rows],
        )
        await tx.unsafe(
          "UPDATE message SET ciphertext = '' FROM (SELECT DISTINCT seq FROM jsonb_to_recordset($1::text::jsonb) AS x(seq bigint)) r WHERE message.seq = r.seq AND NOT EXISTS (SELECT 1 FROM delivery d WHERE d.seq = r.seq AND d.consumed_at IS NULL)",
          [rows],
        )
      }
    })
}

const store = kind === "postgres" ? await postgresStore() : sqliteStore()

let accepts: Array<Accept> = []
let consumes: Array<Row> = []
let writing = false
let seq = 0
const seqs = new Map<string, number>()
/** By member and session. */
const sockets = new Map<string, Socket>()

const flush = async () => {
  if (writing) return
  writing = true
  while (accepts.length > 0 || consumes.length > 0) {
    // What came in the same turn of the event loop goes along.
    await new Promise((resolve) => setImmediate(resolve))
    const [batch, acks] = [accepts.splice(0, 256), consumes.splice(0, 1024)]
    await store(batch, acks)
    for (const job of batch) job.done()
  }
  writing = false
}

interface SendFrame {
  readonly id: string
  readonly targetSpec: string
  readonly priority: string
  readonly nonce: string
  readonly ciphertext: string
  readonly sealedKeys?: ReadonlyArray<{ readonly pubkey: string; readonly key: string }>
}

const takeSend = (ws: Socket, frame: SendFrame) => {
  const at = Date.now()
  const { ciphertext, nonce, priority, targetSpec: target } = frame
  const id = createHash("sha256").update(`${ws.data.key}\n${frame.id}`).digest("hex").slice(0, 32)
  const row = { seq: ++seq, id, sender: ws.data.key, target, priority, nonce, ciphertext, at }
  const keys = new Map(frame.sealedKeys?.map(({ key, pubkey }) => [pubkey, key]))
  const to = [...sockets.entries()].filter(
    ([, socket]) => socket !== ws && (target === "*" || socket.data.key === target),
  )
  const keyOf = (socket: Socket) => keys.get(socket.data.key) ?? ""
  accepts.push({
    row,
    recipients: to.map(([recipient, socket]) => ({ seq: row.seq, recipient, sealed_key: keyOf(socket) })),
    done: () => {
      ws.send(JSON.stringify({ type: "ack", id: frame.id, messageId: id, queued: true }))
      seqs.set(id, row.seq)
      const push = { type: "push", messageId: id, senderPubkey: row.sender, priority, nonce, ciphertext }
      const createdAt = new Date(at).toISOString()
      for (const [, socket] of to) socket.send(JSON.stringify({ ...push, createdAt, sealedKey: keyOf(socket) }))
    },
  })
  void flush()
}

const server = Bun.serve<{ key: string; session: string }>({
  hostname: "127.0.0.1",
  port: Number(port),
  fetch: (request, bun) => (bun.upgrade(request, { data: { key: "", session: "" } }) ? undefined : new Response("ok")),
  websocket: {
    open: (ws) => void ws.send(`{"type":"challenge","nonce":"${"0".repeat(64)}"}`),
    message: (ws, text) => {
      const frame = JSON.parse(String(text))
      if (frame.type === "hello") {
        ws.data = { key: frame.pubkey, session: frame.sessionId }
        sockets.set(`${frame.pubkey}/${frame.sessionId}`, ws)
        ws.send(`{"type":"hello_ack"}`)
      } else if (frame.type === "send") takeSend(ws, frame)
      else if (frame.type === "client_ack") {
        for (const id of frame.messageIds) {
          const consumed = seqs.get(id)
          const recipient = `${ws.data.key}/${ws.data.session}`
          if (consumed !== undefined) consumes.push({ seq: consumed, recipient, at: Date.now() })
        }
        void flush()
      }
    },
  },
})
console.log(`listening ${server.port}`)
