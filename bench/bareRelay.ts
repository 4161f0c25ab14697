/**
 * The least program that keeps the broker's promise for direct messages: a bare WebSocket relay that commits a
 * message, its delivery and an audit row, in groups, before it acks and pushes, and records what was consumed.
 * It speaks just enough of the protocol for the load generator. No identity, windows, gates, recovery or limits:
 * it is the yardstick for what those cost.
 *
 *   bun bench/bareRelay.ts sqlite FILE PORT      bun bench/bareRelay.ts postgres URL PORT
 */
import { Database } from "bun:sqlite"
import { createHash } from "node:crypto"
import type { ServerWebSocket } from "bun"

type Socket = ServerWebSocket<{ key: string; session: string }>

interface Job {
  readonly row: Readonly<Record<string, string | number>>
  readonly done: () => void
}

const [kind = "sqlite", where = ":memory:", port = "0"] = process.argv.slice(2)

const schema = [
  "CREATE TABLE message (seq bigint PRIMARY KEY, id text UNIQUE, sender text, target text, priority text, nonce text, ciphertext text, at bigint)",
  "CREATE TABLE delivery (seq bigint PRIMARY KEY, recipient text, consumed_at bigint)",
  "CREATE TABLE audit_log (seq bigint PRIMARY KEY, event text, at bigint, actor text)",
]
const columns = "seq bigint, id text, sender text, target text, priority text, nonce text, ciphertext text, at bigint"

const sqliteStore = () => {
  const database = new Database(where)
  for (const pragma of ["journal_mode = WAL", "synchronous = FULL", "locking_mode = EXCLUSIVE"]) {
    database.run(`PRAGMA ${pragma}`)
  }
  for (const statement of schema) database.run(statement)
  const message = database.query("INSERT INTO message VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING")
  const delivery = database.query("INSERT INTO delivery VALUES (?, ?, NULL)")
  const audit = database.query("INSERT INTO audit_log VALUES (?, 'message_accepted', ?, ?)")
  const consume = database.query("UPDATE delivery SET consumed_at = ? WHERE seq = ?")
  const erase = database.query("UPDATE message SET ciphertext = '' WHERE seq = ?")
  const write = database.transaction((accepts: ReadonlyArray<Job>, consumes: ReadonlyArray<Job>) => {
    for (const { row: r } of accepts) {
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
      delivery.run(r["seq"] ?? 0, r["target"] ?? "")
      audit.run(r["seq"] ?? 0, r["at"] ?? 0, r["sender"] ?? "")
    }
    for (const { row } of consumes) {
      consume.run(row["at"] ?? 0, row["seq"] ?? 0)
      erase.run(row["seq"] ?? 0)
    }
  })
  return async (accepts: ReadonlyArray<Job>, consumes: ReadonlyArray<Job>) => write(accepts, consumes)
}

const postgresStore = async () => {
  const sql = new Bun.SQL(where)
  for (const statement of schema) await sql.unsafe(statement)
  return (accepts: ReadonlyArray<Job>, consumes: ReadonlyArray<Job>) =>
    sql.begin(async (tx) => {
      const rows = JSON.stringify(accepts.map(({ row }) => row))
      if (accepts.length > 0) {
        const from = `FROM jsonb_to_recordset($1::text::jsonb) AS r(${columns})`
        await tx.unsafe(
          `INSERT INTO message SELECT seq, id, sender, target, priority, nonce, ciphertext, at ${from} ON CONFLICT (id) DO NOTHING`,
          [rows],
        )
        await tx.unsafe(`INSERT INTO delivery SELECT seq, target, NULL ${from}`, [rows])
        await tx.unsafe(`INSERT INTO audit_log SELECT seq, 'message_accepted', at, sender ${from}`, [rows])
      }
      if (consumes.length > 0) {
        await tx.unsafe(
          "UPDATE delivery SET consumed_at = r.at FROM jsonb_to_recordset($1::text::jsonb) AS r(seq bigint, at bigint) WHERE delivery.seq = r.seq",
          [JSON.stringify(consumes.map(({ row }) => row))],
        )
        await tx.unsafe(
          "UPDATE message SET ciphertext = '' FROM jsonb_to_recordset($1::text::jsonb) AS r(seq bigint) WHERE message.seq = r.seq",
          [JSON.stringify(consumes.map(({ row }) => row))],
        )
      }
    })
}

const store = kind === "postgres" ? await postgresStore() : sqliteStore()

let accepts: Array<Job> = []
let consumes: Array<Job> = []
let writing = false
let seq = 0
const inFlight = new Map<string, number>()
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
        sockets.set(frame.pubkey, ws)
        ws.send(`{"type":"hello_ack"}`)
      } else if (frame.type === "send") {
        const at = Date.now()
        const id = createHash("sha256").update(`${ws.data.key}\n${frame.id}`).digest("hex").slice(0, 32)
        const row = {
          seq: ++seq,
          id,
          sender: ws.data.key,
          target: frame.targetSpec,
          priority: frame.priority,
          nonce: frame.nonce,
          ciphertext: frame.ciphertext,
          at,
        }
        accepts.push({
          row,
          done: () => {
            ws.send(JSON.stringify({ type: "ack", id: frame.id, messageId: id, queued: true }))
            inFlight.set(id, row.seq)
            const push = {
              type: "push",
              messageId: id,
              senderPubkey: row.sender,
              priority: row.priority,
              nonce: row.nonce,
              ciphertext: row.ciphertext,
              createdAt: new Date(at).toISOString(),
            }
            sockets.get(frame.targetSpec)?.send(JSON.stringify(push))
          },
        })
        void flush()
      } else if (frame.type === "client_ack") {
        for (const id of frame.messageIds) {
          const consumed = inFlight.get(id)
          inFlight.delete(id)
          if (consumed !== undefined) consumes.push({ row: { seq: consumed, at: Date.now() }, done: () => {} })
        }
        void flush()
      }
    },
  },
})
console.log(`listening ${server.port}`)
