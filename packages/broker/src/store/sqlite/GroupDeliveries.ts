/**
 * What was sent to a group lies together with its message while it is new: one row with all its deliveries and their keys, and one for those whose
 * acks came in one commit (decision 0098). Most are acked at once, and then no inbox, each of which is a page of its own, was written for
 * them. What is leased or moved, what is old, and what there is too much of goes to its inbox, in the table `waiting`, where everything else waits.
 *
 * A delivery lies here as long as its message's row does and no row says that it has left. All of that is held in memory, so that nobody
 * has to look for it, and read again after a start and after a transaction that failed. Reading changes nothing.
 */
import type { Base64 } from "@claudemesh/domain/Base64"
import { type Handle, inTransaction, prepare } from "./Handle.ts"
import { messageKey, meshNumberOf, seqOf, waitingKey } from "./Layout.ts"

/** A message, some of whose deliveries lie here. */
interface Held {
  readonly mesh: number
  readonly seq: number
  readonly priority: number
  readonly atMillis: number
  readonly expiresAtMillis: number
  /** Of its text. */
  readonly characters: number
  /** The sealed keys of those who have not left, by the numbers of their inboxes. */
  readonly open: Map<number, Base64 | null>
  /** How many rows say who has left. */
  parts: number
  /** Who leaves in this transaction: with an ack at this time, or to the inbox. */
  readonly leaving: Array<{ readonly at: number | null; readonly addresses: Array<number> }>
}

/** What waits for one inbox. */
export interface HeldDelivery extends Pick<Held, "seq" | "priority" | "expiresAtMillis" | "characters"> {
  readonly sealedKey: Base64 | null
}

type NewMessage = Omit<Held, "open" | "parts" | "leaving">

interface Row {
  readonly mesh: number
  readonly seq: number
  readonly priority: number
  readonly at: number
  readonly expires_at: number
  readonly characters: number
  readonly deliveries: string
}

/** So many deliveries are held: a few megabytes. */
const heldMax = 16_384
/** So long a message's deliveries lie together at most: keys of those who have acked lie there, too. */
const togetherMillis = 60_000

const statementsOn = (handle: Handle) => ({
  insert: prepare<never, Array<number | string>>(
    handle,
    `INSERT INTO mesh.group_delivery (key, priority, at, expires_at, deliveries) VALUES (${messageKey("?", "?")}, ?, ?, ?, ?)`,
  ),
  remove: prepare<never, [mesh: number, seq: number]>(
    handle,
    `DELETE FROM mesh.group_delivery WHERE key = ${messageKey("?", "?")}`,
  ),
  leave: prepare<never, [mesh: number, seq: number, part: number, at: number | null, addresses: string]>(
    handle,
    `INSERT INTO mesh.group_left (message, part, at, addresses) VALUES (${messageKey("?", "?")}, ?, ?, ?)`,
  ),
  toInbox: prepare<never, [address: number, priority: number, seq: number, expires: number, key: Base64 | null]>(
    handle,
    `INSERT INTO mesh.waiting (key, expires_at, sealed_key) VALUES (${waitingKey("?", "?", "?")}, ?, ?)`,
  ),
  all: prepare<Row, []>(
    handle,
    `SELECT ${meshNumberOf("held.key")} AS mesh, ${seqOf("held.key")} AS seq, held.priority, held.at, held.expires_at, held.deliveries,
        coalesce(octet_length(g.ciphertext), 0) AS characters
      FROM mesh.group_delivery held LEFT JOIN mesh.group_text g ON g.key = held.key ORDER BY held.at, held.key`,
  ),
  left: prepare<{ readonly at: number | null; readonly addresses: string }, [mesh: number, seq: number]>(
    handle,
    `SELECT at, addresses FROM mesh.group_left WHERE message = ${messageKey("?", "?")}`,
  ),
})

/** As they are written here. */
const deliveriesIn = (text: string): ReadonlyArray<readonly [number, Base64 | null]> => JSON.parse(text)
const addressesIn = (text: string): ReadonlyArray<number> => JSON.parse(text)

export class GroupDeliveries {
  readonly #statements: ReturnType<typeof statementsOn>
  /** By mesh and number. Undefined: what is held is to be read again. */
  #messages: Map<number, Map<number, Held>> | undefined
  /** From the oldest. */
  readonly #inOrder = new Set<Held>()
  /** How many wait here for each inbox. */
  readonly #counts = new Map<number, number>()
  readonly #changed = new Set<Held>()
  #size = 0

  /** `max`: for a test, which has not so many. */
  constructor(
    handle: Handle,
    readonly max = heldMax,
  ) {
    this.#statements = statementsOn(handle)
  }

  /** After a transaction that failed. */
  forget(): void {
    this.#messages = undefined
    this.#inOrder.clear()
    this.#counts.clear()
    this.#changed.clear()
    this.#size = 0
  }

  /** A new message, for these inboxes. */
  add(message: NewMessage, deliveries: ReadonlyArray<readonly [address: number, sealedKey: Base64 | null]>): void {
    const { atMillis, expiresAtMillis, mesh, priority, seq } = message
    const messages = this.#read()
    this.#statements.insert.run(mesh, seq, priority, atMillis, expiresAtMillis, JSON.stringify(deliveries))
    this.#hold(messages, { ...message, open: new Map(deliveries), parts: 0, leaving: [] })
    if (this.#size > this.max) this.#makeRoom((this.max * 3) / 4)
  }

  /** It is acked. False: it does not lie here. */
  consume(mesh: number, seq: number, address: number, priority: number, atMillis: number): boolean {
    const held = this.#read().get(mesh)?.get(seq)
    if (held === undefined || held.priority !== priority) return false
    return this.#leaves(held, address, atMillis) !== undefined
  }

  /** Until when it waits here. Undefined: it does not. */
  waitsUntil(mesh: number, seq: number, address: number): number | undefined {
    const held = this.#read().get(mesh)?.get(seq)
    return held?.open.has(address) === true ? held.expiresAtMillis : undefined
  }

  /** For one inbox, from the oldest. */
  waitingIn(mesh: number, address: number): ReadonlyArray<HeldDelivery> {
    const messages = this.#read()
    if (!this.#counts.has(address)) return []
    const found: Array<HeldDelivery> = []
    for (const held of messages.get(mesh)?.values() ?? []) {
      const sealedKey = held.open.get(address)
      if (sealedKey !== undefined) found.push({ ...held, sealedKey })
    }
    return found
  }

  /** All of a mesh, each with the number of its inbox. */
  waitingOf(mesh: number): ReadonlyArray<HeldDelivery & { readonly address: number }> {
    return [...(this.#read().get(mesh)?.values() ?? [])].flatMap((held) =>
      [...held.open].map(([address, sealedKey]) => ({ ...held, sealedKey, address })),
    )
  }

  /** From now on it lies in its inbox, where it does not yet. */
  toInbox(mesh: number, seq: number, address: number): void {
    const held = this.#read().get(mesh)?.get(seq)
    if (held !== undefined) this.#toInbox(held, address)
  }

  /** All that wait in an inbox. */
  allToInbox(mesh: number, address: number): void {
    for (const { seq } of this.waitingIn(mesh, address)) this.toInbox(mesh, seq, address)
  }

  /** A step of retention: what is old or has expired lies in its inbox, at most so many. Gives how many. */
  settle(nowMillis: number, rowsMax: number): number {
    this.#read()
    let rows = 0
    for (const held of this.#inOrder) {
      if (held.atMillis > nowMillis - togetherMillis && held.expiresAtMillis > nowMillis) continue
      for (const address of [...held.open.keys()].slice(0, rowsMax - rows)) {
        this.#toInbox(held, address)
        rows += 1
      }
      if (rows >= rowsMax) break
    }
    this.write()
    return rows
  }

  /** Who has acked it, and when, of those who had it from here. */
  receiptsOf(mesh: number, seq: number): ReadonlyMap<number, number> {
    const receipts = new Map<number, number>()
    for (const { addresses, at } of this.#statements.left.all(mesh, seq)) {
      if (at !== null) for (const address of addressesIn(addresses)) receipts.set(address, at)
    }
    return receipts
  }

  /** Who has left, once for each message. Gives of how many of each the text waits no more. */
  write(): ReadonlyArray<readonly [mesh: number, seq: number, acked: number]> {
    const acked: Array<readonly [number, number, number]> = []
    for (const held of this.#changed) {
      const { leaving, mesh, open, seq } = held
      let count = 0
      for (const { addresses, at } of leaving) {
        this.#statements.leave.run(mesh, seq, held.parts, at, `[${addresses.join(",")}]`)
        held.parts += 1
        if (at !== null) count += addresses.length
      }
      leaving.length = 0
      if (open.size === 0) this.#drop(held)
      if (count > 0) acked.push([mesh, seq, count])
    }
    this.#changed.clear()
    return acked
  }

  #leaves(held: Held, address: number, at: number | null): Base64 | null | undefined {
    const sealedKey = held.open.get(address)
    if (sealedKey === undefined) return undefined
    this.#forgetOne(held, address)
    const last = held.leaving.at(-1)
    if (last?.at === at) last.addresses.push(address)
    else held.leaving.push({ at, addresses: [address] })
    this.#changed.add(held)
    return sealedKey
  }

  #toInbox(held: Held, address: number): void {
    const sealedKey = this.#leaves(held, address, null)
    if (sealedKey === undefined) return
    this.#statements.toInbox.run(address, held.priority, held.seq, held.expiresAtMillis, sealedKey)
  }

  /** The oldest lie in their inboxes from now on, those of one inbox next to each other: so a page takes many of them. */
  #makeRoom(max: number): void {
    const rows: Array<readonly [address: number, held: Held, sealedKey: Base64 | null]> = []
    for (const held of this.#inOrder) {
      if (this.#size <= max) break
      for (const [address, sealedKey] of held.open) rows.push([address, held, sealedKey])
      for (const address of held.open.keys()) this.#forgetOne(held, address)
      this.#changed.add(held)
    }
    rows.sort(([one], [other]) => one - other)
    for (const [address, { expiresAtMillis, priority, seq }, sealedKey] of rows) {
      this.#statements.toInbox.run(address, priority, seq, expiresAtMillis, sealedKey)
    }
  }

  #forgetOne(held: Held, address: number): void {
    held.open.delete(address)
    this.#size -= 1
    const left = (this.#counts.get(address) ?? 0) - 1
    if (left > 0) this.#counts.set(address, left)
    else this.#counts.delete(address)
  }

  #hold(messages: Map<number, Map<number, Held>>, held: Held): void {
    const ofMesh = messages.get(held.mesh)
    if (ofMesh === undefined) messages.set(held.mesh, new Map([[held.seq, held]]))
    else ofMesh.set(held.seq, held)
    this.#inOrder.add(held)
    this.#size += held.open.size
    for (const address of held.open.keys()) this.#counts.set(address, (this.#counts.get(address) ?? 0) + 1)
  }

  /** Nobody is left. */
  #drop(held: Held): void {
    const ofMesh = this.#messages?.get(held.mesh)
    ofMesh?.delete(held.seq)
    if (ofMesh?.size === 0) this.#messages?.delete(held.mesh)
    this.#inOrder.delete(held)
    this.#statements.remove.run(held.mesh, held.seq)
  }

  #read(): Map<number, Map<number, Held>> {
    if (this.#messages !== undefined) return this.#messages
    const messages = new Map<number, Map<number, Held>>()
    for (const { at, characters, deliveries, expires_at, mesh, priority, seq } of this.#statements.all.all()) {
      const left = this.#statements.left.all(mesh, seq)
      const open = new Map(deliveriesIn(deliveries))
      for (const { addresses } of left) for (const address of addressesIn(addresses)) open.delete(address)
      const message = { mesh, seq, priority, characters, atMillis: at, expiresAtMillis: expires_at }
      this.#hold(messages, { ...message, open, parts: left.length, leaving: [] })
    }
    this.#messages = messages
    return messages
  }
}

/** Where a file is looked through, and not served: all of it in its inboxes, and the receipts one by one. */
const apart = [
  `INSERT INTO mesh.waiting (key, expires_at, sealed_key)
    SELECT ${waitingKey("e.value->>0", "d.priority", seqOf("d.key"))}, d.expires_at, e.value->>1
    FROM mesh.group_delivery d CROSS JOIN json_each(d.deliveries) e WHERE NOT EXISTS (
      SELECT 1 FROM mesh.group_left l CROSS JOIN json_each(l.addresses) a WHERE l.message = d.key AND a.value = e.value->>0)`,
  "DELETE FROM mesh.group_delivery",
  `INSERT INTO mesh.consumed (message, address, at)
    SELECT l.message, a.value, l.at FROM mesh.group_left l CROSS JOIN json_each(l.addresses) a WHERE l.at IS NOT NULL`,
  "DELETE FROM mesh.group_left",
]

export const allToInboxes = (handle: Handle) =>
  inTransaction(handle, () => {
    for (const statement of apart) handle.database.run(statement)
  })
