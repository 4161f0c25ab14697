/**
 * Which message ids are taken, each for good (I7). An id looks like chance, so each new one would be written into a page of its own of their
 * index, which was more than all else of a message (decision 0089). So new ids are held in memory, and carried into the index in their order,
 * many to a page, a few with each commit.
 *
 * What is held can be read again: every message that was accepted before a time that is written down has its id in the index, and those
 * from then on are found by their age. Nothing is known here of what was rolled back: `forget` has it all read again.
 */
import type { MessageId } from "@claudemesh/domain/Ids"
import { type Handle, prepare } from "./Handle.ts"
import { meshNumberOf, messageKey, seqOf } from "./Layout.ts"

interface Place {
  readonly mesh: number
  readonly seq: number
}

interface Carrying {
  readonly ids: ReadonlyArray<MessageId>
  next: number
  /** What is accepted as of an earlier time, from now on, goes into the index at once. */
  readonly uptoMillis: number
}

/** So many are held before they are carried: a few megabytes, and read in some milliseconds at a start. */
const heldMax = 16_384

const statementsOn = (handle: Handle) => {
  const place = (key: string): string => `${meshNumberOf(key)} AS mesh, ${seqOf(key)} AS seq`
  return {
    find: prepare<Place, [string]>(handle, `SELECT ${place("message")} FROM mesh.message_id WHERE id = unhex(?)`),
    insert: prepare<never, [id: string, mesh: number, seq: number]>(
      handle,
      `INSERT OR IGNORE INTO mesh.message_id (id, message) VALUES (unhex(?), ${messageKey("?", "?")})`,
    ),
    remove: prepare<never, [string]>(handle, "DELETE FROM mesh.message_id WHERE id = unhex(?)"),
    since: prepare<Place & { readonly id: MessageId; readonly at: number }, [number]>(
      handle,
      `SELECT lower(hex(id)) AS id, ${place("key")}, created_at AS at FROM mesh.accepted WHERE created_at >= ?`,
    ),
    upto: prepare<{ readonly at: number }, []>(handle, "SELECT at FROM mesh.message_id_upto WHERE id = 1"),
    setUpto: prepare<never, [number]>(handle, "INSERT OR REPLACE INTO mesh.message_id_upto (id, at) VALUES (1, ?)"),
  }
}

export class MessageIds {
  readonly #statements: ReturnType<typeof statementsOn>
  #held: Map<MessageId, Place> | undefined
  #uptoMillis = 0
  #newestMillis = 0
  #carrying: Carrying | undefined
  #added = 0

  /** `max`: for a test, which has not so many. */
  constructor(
    handle: Handle,
    readonly max = heldMax,
  ) {
    this.#statements = statementsOn(handle)
  }

  /** After a transaction that failed. */
  forget(): void {
    this.#held = undefined
    this.#carrying = undefined
    this.#added = 0
  }

  find(id: MessageId): Place | undefined {
    return (this.#held ?? this.#read()).get(id) ?? this.#statements.find.get(id) ?? undefined
  }

  /** One that is new, in a transaction. */
  add(id: MessageId, { mesh, seq }: Place, atMillis: number): void {
    const held = this.#held ?? this.#read()
    this.#added += 1
    this.#newestMillis = Math.max(this.#newestMillis, atMillis)
    if (atMillis < (this.#carrying?.uptoMillis ?? this.#uptoMillis)) this.#statements.insert.run(id, mesh, seq)
    else held.set(id, { mesh, seq })
  }

  /** Its message is kept no longer. */
  remove(id: MessageId): void {
    this.#held?.delete(id)
    this.#statements.remove.run(id)
  }

  /** Last in a transaction: twice as many as were added, so that what is held has a bound. */
  carry(): void {
    const held = this.#held
    if (this.#added === 0 || held === undefined) return
    if (this.#carrying === undefined && held.size >= this.max) {
      this.#carrying = { ids: [...held.keys()].toSorted(), next: 0, uptoMillis: this.#newestMillis }
    }
    if (this.#carrying !== undefined) this.#carrySome(held, this.#carrying)
    this.#added = 0
  }

  #carrySome(held: Map<MessageId, Place>, carrying: Carrying): void {
    const { ids, next, uptoMillis } = carrying
    carrying.next = Math.min(ids.length, next + this.#added * 2)
    for (const id of ids.slice(next, carrying.next)) {
      const place = held.get(id)
      // It may have been removed since.
      if (place === undefined) continue
      this.#statements.insert.run(id, place.mesh, place.seq)
      held.delete(id)
    }
    if (carrying.next < ids.length) return
    this.#statements.setUpto.run(uptoMillis)
    this.#uptoMillis = uptoMillis
    this.#carrying = undefined
  }

  #read(): Map<MessageId, Place> {
    const held = new Map<MessageId, Place>()
    this.#uptoMillis = this.#statements.upto.get()?.at ?? 0
    this.#newestMillis = this.#uptoMillis
    for (const { at, id, mesh, seq } of this.#statements.since.all(this.#uptoMillis)) {
      held.set(id, { mesh, seq })
      this.#newestMillis = Math.max(this.#newestMillis, at)
    }
    this.#held = held
    return held
  }
}
