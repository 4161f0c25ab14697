/**
 * The least program that keeps the broker's promise, written for speed: a bare WebSocket relay that commits a message under its
 * sender's id, its deliveries and an audit row, in groups, before it acks and pushes, gives a resend the first result, and
 * erases a text with its last recipient. What waits for one who is away is pushed in order when it comes, a window at a time, and
 * each message is removed durably at its ack. What is equal is encoded once, and what a socket is sent for one commit goes out in
 * one write. It speaks just enough of the protocol for the load generator. No identity, gates, restart or limits, no receipts of what
 * was acked, and a group is those who are there: it is the yardstick for what those cost.
 *
 *   bun bench/bareRelay.ts sqlite FILE PORT      bun bench/bareRelay.ts postgres URL PORT
 */
import { Database } from "bun:sqlite"
import { hash } from "node:crypto"
import type { ServerWebSocket } from "bun"

type Socket = ServerWebSocket<Peer>

interface Peer {
  key: string
  /** Sockets are numbered, as recipients of what is sent to a group. */
  number: number
  /** What it was pushed of that, and has not acked. */
  readonly unacked: Map<string, number>
  out: Array<string>
  ws: Socket | undefined
}

/** What is sent to one key. Its rows are all that waits, in order behind each other. */
interface Inbox {
  /** Above the bits of a sequence number, in the keys of its rows. */
  readonly base: number
  /** Who takes it. */
  peer: Peer | undefined
  /** Pushed and not acked, in the order of the pushes. */
  readonly unacked: Map<string, number>
  /** Everything up to here was pushed. */
  cursor: number
  /** Everything up to here has gone: a database that finds rows by an index passes by those that it has removed. */
  gone: number
  /** More than that waits in its rows. */
  behind: boolean
  reading: boolean
  /** Something was committed while a page was read. */
  grown: boolean
}

const windowMax = 500
const pageRows = 256
const seqNumbers = 2 ** 36

interface Accept {
  readonly seq: number
  readonly id: string
  readonly frame: SendFrame
  readonly sender: Peer
  /** Of a group. */
  readonly to: ReadonlyArray<Peer>
  readonly inbox: Inbox | undefined
  readonly at: number
}

/** Of a group's message. */
interface Consume {
  readonly seq: number
  readonly recipient: number
}

/** Rows of an inbox, from one key to another: of an ack of what was pushed first, all that it was pushed until then. */
interface Gone {
  readonly from: number
  readonly to: number
}

interface Row {
  readonly key: number
  readonly id: string
  readonly sender: string
  readonly priority: string
  readonly nonce: string
  readonly ciphertext: string
  readonly at: number
}

interface Store {
  /** Gives of each whether it was new. */
  readonly write: (
    accepts: ReadonlyArray<Accept>,
    consumes: ReadonlyArray<Consume>,
    gone: ReadonlyArray<Gone>,
  ) => Promise<ReadonlyArray<boolean>>
  /** The next rows of an inbox. */
  readonly page: (after: number, end: number) => Promise<ReadonlyArray<Row>> | ReadonlyArray<Row>
}

interface SendFrame {
  readonly id: string
  readonly targetSpec: string
  readonly priority: string
  readonly nonce: string
  readonly ciphertext: string
  readonly sealedKeys?: ReadonlyArray<{ readonly pubkey: string; readonly key: string }>
}

const [kind = "sqlite", where = ":memory:", port = "0"] = process.argv.slice(2)

const sqliteStore = (): Store => {
  const database = new Database(where)
  for (const statement of [
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    "PRAGMA locking_mode = EXCLUSIVE",
    "PRAGMA wal_autocheckpoint = 4000",
    "CREATE TABLE known (id TEXT PRIMARY KEY, seq INTEGER) WITHOUT ROWID",
    "CREATE TABLE waiting (key INTEGER PRIMARY KEY, id TEXT, sender TEXT, target TEXT, priority TEXT, nonce TEXT, ciphertext TEXT, at INTEGER)",
    "CREATE TABLE message (seq INTEGER PRIMARY KEY, sender INTEGER, target TEXT, priority TEXT, nonce TEXT, ciphertext TEXT, at INTEGER, open INTEGER)",
    "CREATE TABLE delivery (seq INTEGER, recipient INTEGER, sealed_key TEXT, PRIMARY KEY (seq, recipient)) WITHOUT ROWID",
    "CREATE TABLE audit_log (seq INTEGER PRIMARY KEY, event TEXT, at INTEGER, actor INTEGER)",
  ]) {
    database.run(statement)
  }
  const known = database.query("INSERT INTO known VALUES (?, ?) ON CONFLICT DO NOTHING")
  const waiting = database.query("INSERT INTO waiting VALUES (?, ?, ?, ?, ?, ?, ?, ?)")
  const message = database.query("INSERT INTO message VALUES (?, ?, ?, ?, ?, ?, ?, ?)")
  const delivery = database.query("INSERT INTO delivery VALUES (?, ?, ?)")
  const audit = database.query("INSERT INTO audit_log VALUES (?, 'message_accepted', ?, ?)")
  const remove = database.query("DELETE FROM waiting WHERE key >= ? AND key <= ?")
  const consume = database.query("DELETE FROM delivery WHERE seq = ? AND recipient = ?")
  const lower = database.query("UPDATE message SET open = open - 1 WHERE seq = ?")
  const erase = database.query("DELETE FROM message WHERE seq = ? AND open <= 0")
  const page = database.query<Row, [number, number]>(
    `SELECT key, id, sender, priority, nonce, ciphertext, at FROM waiting WHERE key > ? AND key < ? ORDER BY key LIMIT ${pageRows}`,
  )
  const accept = ({ at, frame, id, inbox, sender, seq, to }: Accept): boolean => {
    if (known.run(id, seq).changes === 0) return false
    const { ciphertext, nonce, priority, sealedKeys, targetSpec } = frame
    if (inbox !== undefined) {
      waiting.run(inbox.base + seq, id, sender.key, targetSpec, priority, nonce, ciphertext, at)
    } else {
      message.run(seq, sender.number, targetSpec, priority, nonce, ciphertext, at, to.length)
      for (const peer of to) delivery.run(seq, peer.number, keyOf(sealedKeys, peer))
    }
    audit.run(seq, at, sender.number)
    return true
  }
  const write = database.transaction(
    (accepts: ReadonlyArray<Accept>, consumes: ReadonlyArray<Consume>, gone: ReadonlyArray<Gone>) => {
      const isNew = accepts.map(accept)
      for (const { from, to } of gone) remove.run(from, to)
      for (const { recipient, seq } of consumes) {
        if (consume.run(seq, recipient).changes === 0) continue
        lower.run(seq)
        erase.run(seq)
      }
      return isNew
    },
  )
  return {
    write: async (accepts, consumes, gone) => write.immediate(accepts, consumes, gone),
    page: (after, end) => page.all(after, end),
  }
}

const keyOf = (keys: SendFrame["sealedKeys"], { key }: Peer): string =>
  keys?.find(({ pubkey }) => pubkey === key)?.key ?? ""

/** Arrays as Postgres reads them: of numbers, and of texts that need no quotes. */
const array = (values: ReadonlyArray<string | number>): string => `{${values.join(",")}}`

const postgresStore = async (): Promise<Store> => {
  // Planned while they are empty, its tables would be read whole for as long as the plan is kept. Only who connects from then on has it so.
  const first = new Bun.SQL(where)
  await first.unsafe("ALTER ROLE CURRENT_USER SET enable_seqscan = off")
  await first.close()
  const sql = new Bun.SQL(where)
  for (const statement of [
    "CREATE TABLE known (id text PRIMARY KEY, seq bigint)",
    "CREATE TABLE waiting (key bigint PRIMARY KEY, id text, sender text, target text, priority text, nonce text, ciphertext text, at bigint)",
    "CREATE TABLE message (seq bigint PRIMARY KEY, sender int, target text, priority text, nonce text, ciphertext text, at bigint, recipients int)",
    "CREATE TABLE delivery (seq bigint, recipient int, sealed_key text, PRIMARY KEY (seq, recipient))",
    "CREATE TABLE audit_log (seq bigint PRIMARY KEY, event text, at bigint, actor int)",
  ]) {
    await sql.unsafe(statement)
  }
  const statement = `
    WITH r AS (SELECT * FROM unnest($1::text::bigint[], $2::text::text[], $3::text::int[], $4::text::text[], $5::text::text[], $6::text::text[], $7::text::text[], $8::text::bigint[], $9::text::int[], $15::text::bigint[], $16::text::text[])
        AS r(seq, id, sender, target, priority, nonce, ciphertext, at, recipients, key, sender_key)),
      new AS (INSERT INTO known SELECT id, seq FROM r ON CONFLICT DO NOTHING RETURNING seq),
      w AS (INSERT INTO waiting SELECT key, id, sender_key, target, priority, nonce, ciphertext, at FROM r JOIN new USING (seq) WHERE key > 0),
      m AS (INSERT INTO message SELECT r.seq, sender, target, priority, nonce, ciphertext, at, recipients FROM r JOIN new USING (seq) WHERE key = 0),
      a AS (INSERT INTO audit_log SELECT r.seq, 'message_accepted', at, sender FROM r JOIN new USING (seq)),
      d AS (INSERT INTO delivery SELECT d.* FROM unnest($10::text::bigint[], $11::text::int[], $12::text::text[]) AS d(seq, recipient, sealed_key) JOIN new USING (seq)),
      direct AS (DELETE FROM waiting WHERE ctid = ANY(ARRAY(SELECT w.ctid FROM unnest($17::text::bigint[], $18::text::bigint[]) AS g(first, last)
        CROSS JOIN LATERAL (SELECT w.ctid FROM waiting w WHERE w.key >= g.first AND w.key <= g.last OFFSET 0) w))),
      gone AS (DELETE FROM delivery USING unnest($13::text::bigint[], $14::text::int[]) AS c(seq, recipient) WHERE delivery.seq = c.seq AND delivery.recipient = c.recipient RETURNING delivery.seq),
      g AS (SELECT seq, count(*)::int AS n FROM gone GROUP BY seq),
      lowered AS (UPDATE message SET recipients = recipients - g.n FROM g WHERE message.seq = g.seq AND recipients > g.n),
      erased AS (DELETE FROM message USING g WHERE message.seq = g.seq AND recipients <= g.n)
    SELECT seq::text AS seq FROM new`
  const page = `SELECT key::text AS key, id, sender, priority, nonce, ciphertext, at::text AS at FROM waiting WHERE key > $1 AND key < $2 ORDER BY key LIMIT ${pageRows}`
  return {
    page: async (after, end) => {
      const rows: ReadonlyArray<Row> = await sql.unsafe(page, [after, end])
      return rows.map((row) => ({ ...row, key: Number(row.key), at: Number(row.at) }))
    },
    write: async (accepts, consumes, gone) => {
      const of = (one: (accept: Accept) => string | number) => array(accepts.map(one))
      const rows = accepts.flatMap(({ frame, seq, to }) =>
        to.map((peer) => [seq, peer.number, keyOf(frame.sealedKeys, peer)] as const),
      )
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
        array(consumes.map(({ seq }) => seq)),
        array(consumes.map(({ recipient }) => recipient)),
        of(({ inbox, seq }) => (inbox === undefined ? 0 : inbox.base + seq)),
        of(({ sender }) => sender.key),
        array(gone.map(({ from }) => from)),
        array(gone.map(({ to }) => to)),
      ])
      const isNew = new Set<number>()
      for (const { seq } of written) isNew.add(Number(seq))
      return accepts.map(({ seq }) => isNew.has(seq))
    },
  }
}

const store = kind === "postgres" ? await postgresStore() : sqliteStore()

let accepts: Array<Accept> = []
let consumes: Array<Consume> = []
let gone: Array<Gone> = []
let writing = false
let seq = 0
const peers = new Map<string, Array<Peer>>()
const inboxes = new Map<string, Inbox>()
let numbers = 0

const flush = async () => {
  if (writing) return
  writing = true
  while (accepts.length > 0 || consumes.length > 0 || gone.length > 0) {
    // What came in the same turn of the event loop goes along.
    await new Promise((resolve) => setImmediate(resolve))
    const [batch, acks, ranges] = [accepts, consumes, gone]
    accepts = []
    consumes = []
    gone = []
    const isNew = await store.write(batch, acks, ranges)
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

const pushOf = ({ at, ciphertext, id, nonce, priority, sender }: Omit<Row, "key">) =>
  `{"type":"push","messageId":"${id}","senderPubkey":"${sender}","priority":"${priority}","nonce":"${nonce}","ciphertext":"${ciphertext}","createdAt":"${new Date(at).toISOString()}"`

const answer = ({ at, frame, id, inbox, sender, seq: number, to }: Accept, isNew: boolean, speaking: Set<Peer>) => {
  say(sender, `{"type":"ack","id":"${frame.id}","messageId":"${id}","queued":true,"duplicate":${!isNew}}`, speaking)
  if (!isNew) return
  const { ciphertext, nonce, priority, sealedKeys } = frame
  // A page may have been quicker than the news.
  if (inbox !== undefined && number <= inbox.cursor) return
  if (inbox !== undefined && (inbox.behind || inbox.peer === undefined || inbox.unacked.size === windowMax)) {
    inbox.behind = true
    inbox.grown = true
    return
  }
  const push = pushOf({ at, ciphertext, id, nonce, priority, sender: sender.key })
  if (inbox?.peer !== undefined) {
    inbox.cursor = number
    inbox.unacked.set(id, number)
    say(inbox.peer, `${push}}`, speaking)
  }
  for (const peer of to) {
    peer.unacked.set(id, number)
    say(peer, `${push},"sealedKey":"${keyOf(sealedKeys, peer)}"}`, speaking)
  }
}

/** A page at a time, where there is room for one. */
const readOn = async (inbox: Inbox) => {
  if (inbox.reading) return
  inbox.reading = true
  while (inbox.behind && inbox.peer !== undefined && inbox.unacked.size <= windowMax - pageRows) {
    const { base, cursor, peer } = inbox
    inbox.grown = false
    const page = store.page(base + cursor, base + seqNumbers)
    const rows = Array.isArray(page) ? page : await page
    if (inbox.peer !== peer) continue
    for (const row of rows) {
      inbox.unacked.set(row.id, row.key - base)
      inbox.cursor = row.key - base
      peer.out.push(`${pushOf(row)}}`)
    }
    write(peer)
    if (rows.length < pageRows && !inbox.grown) inbox.behind = false
  }
  inbox.reading = false
}

const inboxOf = (key: string): Inbox => {
  const known = inboxes.get(key)
  if (known !== undefined) return known
  const made = {
    base: (inboxes.size + 1) * seqNumbers,
    peer: undefined,
    unacked: new Map(),
    cursor: 0,
    gone: 0,
    behind: false,
    reading: false,
    grown: false,
  }
  inboxes.set(key, made)
  return made
}

const takeSend = (sender: Peer, frame: SendFrame) => {
  const id = hash("sha256", `${sender.key}\n${frame.id}`, "hex").slice(0, 32)
  const isGroup = frame.targetSpec === "*"
  const to = isGroup ? [...peers.values()].flat().filter((peer) => peer !== sender) : []
  const inbox = isGroup ? undefined : inboxOf(frame.targetSpec)
  accepts.push({ seq: ++seq, id, frame, sender, to, inbox, at: Date.now() })
  void flush()
}

const takeAck = (peer: Peer, ids: ReadonlyArray<string>) => {
  const inbox = inboxOf(peer.key)
  const acked: Array<number> = []
  for (const id of ids) {
    const own = inbox.unacked.get(id)
    if (own !== undefined) {
      inbox.unacked.delete(id)
      acked.push(own)
    }
    const ofGroup = peer.unacked.get(id)
    if (ofGroup !== undefined) {
      peer.unacked.delete(id)
      consumes.push({ seq: ofGroup, recipient: peer.number })
    }
  }
  if (acked.length > 0) {
    const { base } = inbox
    // Up to before the first that is still to be acked, everything was.
    const [first = Number.POSITIVE_INFINITY] = inbox.unacked.values()
    const last = acked.reduce((most, one) => Math.max(most, one))
    if (last < first) {
      gone.push({ from: base + inbox.gone, to: base + last })
      inbox.gone = last
    } else for (const one of acked) gone.push({ from: base + one, to: base + one })
    if (inbox.behind) void readOn(inbox)
  }
  void flush()
}

const attach = (peer: Peer, key: string) => {
  peer.key = key
  peers.set(key, [...(peers.get(key) ?? []), peer])
  const inbox = inboxOf(key)
  peer.ws?.send(`{"type":"hello_ack"}`)
  if (inbox.peer === undefined) take(inbox, peer)
}

const take = (inbox: Inbox, peer: Peer | undefined) => {
  inbox.peer = peer
  inbox.unacked.clear()
  inbox.cursor = 0
  inbox.behind = true
  void readOn(inbox)
}

const detach = (peer: Peer) => {
  const others = (peers.get(peer.key) ?? []).filter((other) => other !== peer)
  peers.set(peer.key, others)
  const inbox = inboxOf(peer.key)
  if (inbox.peer === peer) take(inbox, others[0])
}

const server = Bun.serve<Peer>({
  hostname: "127.0.0.1",
  port: Number(port),
  fetch: (request, bun) =>
    bun.upgrade(request, { data: { key: "", number: ++numbers, unacked: new Map(), out: [], ws: undefined } })
      ? undefined
      : new Response("ok"),
  websocket: {
    open: (ws) => {
      ws.data.ws = ws
      ws.send(`{"type":"challenge","nonce":"${"0".repeat(64)}"}`)
    },
    message: (ws, text) => {
      const frame = JSON.parse(String(text))
      if (frame.type === "send") takeSend(ws.data, frame)
      else if (frame.type === "client_ack") takeAck(ws.data, frame.messageIds)
      else if (frame.type === "hello") attach(ws.data, frame.pubkey)
    },
    close: (ws) => detach(ws.data),
  },
})
console.log(`listening ${server.port}`)
