/** What becomes of deliveries: leased, and, with the ack, taken out of their inbox. */
import type { Write } from "../MessageStore.ts"
import { leasedForGood } from "../sql/Rows.ts"
import type { Addresses } from "./Addresses.ts"
import { type Handle, prepare } from "./Handle.ts"
import type { Journal } from "./Journal.ts"
import { messageKey, priorities, seqOf, waitingKey } from "./Layout.ts"

type Of<Tag extends Write["_tag"]> = Extract<Write, { readonly _tag: Tag }>

type Key = [address: number, priority: number, seq: number]

/** Fewer are as quick one by one. */
const togetherMin = 4

/** By how often a message has them. What is leased says its number, and not its priority. */
const likely = [1, 0, 2]

const statementsOn = (handle: Handle) => {
  const waiting = waitingKey("?", "?", "?")
  return {
    removeDirect: prepare<never, Key>(
      handle,
      `DELETE FROM mesh.waiting WHERE key = ${waiting} AND ciphertext IS NOT NULL`,
    ),
    removeOfGroup: prepare<never, Key>(handle, `DELETE FROM mesh.waiting WHERE key = ${waiting}`),
    consumed: prepare<never, [mesh: number, seq: number, address: number, at: number]>(
      handle,
      `INSERT INTO mesh.consumed (message, address, at) VALUES (${messageKey("?", "?")}, ?, ?)`,
    ),
    fewerWait: prepare<never, [count: number, mesh: number, seq: number]>(
      handle,
      `UPDATE mesh.group_text SET waits = waits - ? WHERE key = ${messageKey("?", "?")}`,
    ),
    removeText: prepare<never, [mesh: number, seq: number]>(
      handle,
      `DELETE FROM mesh.group_text WHERE key = ${messageKey("?", "?")} AND waits <= 0`,
    ),
    lease: prepare<never, [at: number | null, ...Key]>(
      handle,
      `UPDATE mesh.waiting SET leased_at = ? WHERE key = ${waiting} AND leased_at IS NOT ${leasedForGood}`,
    ),
  }
}

/**
 * Those of an ack of many lie next to each other, most often: then they are taken out at once. Gives those that were of a group; undefined: something else
 * lies there, too, or not all of it does.
 */
const betweenOn = (handle: Handle) => {
  const waiting = waitingKey("?", "?", "?")
  const range = `key >= ${waiting} AND key <= ${waiting}`
  /** What waits from one to another, in order, as their numbers, at most so many. */
  const between = prepare<{ readonly seqs: string | null; readonly ofGroup: string | null }, [...Key, ...Key, number]>(
    handle,
    `SELECT group_concat(seq) AS seqs, group_concat(iif(ciphertext IS NULL, seq, NULL)) AS ofGroup
      FROM (SELECT ${seqOf("key")} AS seq, ciphertext FROM mesh.waiting WHERE ${range} ORDER BY key LIMIT ?) AS o`,
  )
  const removeBetween = prepare<never, [...Key, ...Key]>(handle, `DELETE FROM mesh.waiting WHERE ${range}`)
  const consumedBetween = prepare<never, [mesh: number, address: number, at: number, ...Key, ...Key]>(
    handle,
    `INSERT INTO mesh.consumed (message, address, at)
        SELECT ${messageKey("?", seqOf("key"))}, ?, ? FROM mesh.waiting WHERE ${range} ORDER BY key`,
  )
  return (mesh: number, [number, place]: Key, seqs: ReadonlyArray<number>, at: number) => {
    const [first, last] = [seqs[0], seqs.at(-1)]
    if (first === undefined || last === undefined || seqs.length < togetherMin) return undefined
    const range: [...Key, ...Key] = [number, place, first, number, place, last]
    const found = between.get(...range, seqs.length + 1)
    if (found?.seqs !== seqs.join(",")) return undefined
    consumedBetween.run(mesh, number, at, ...range)
    removeBetween.run(...range)
    return found.ofGroup === null ? [] : found.ofGroup.split(",").map(Number)
  }
}

export type DeliveryWrites = ReturnType<typeof deliveryWritesOn>

export const deliveryWritesOn = (handle: Handle, addresses: Addresses, journal: Journal) => {
  const { consumed, fewerWait, lease, removeDirect, removeOfGroup, removeText } = statementsOn(handle)
  const consumeBetween = betweenOn(handle)
  /** For how many a group's text waits no more, by mesh and number: it is written once in a batch. */
  const fewer = new Map<string, [count: number, mesh: number, seq: number]>()

  const fewerOf = (mesh: number, seq: number): void => {
    const key = `${mesh}/${seq}`
    const counted = fewer.get(key)
    if (counted === undefined) fewer.set(key, [1, mesh, seq])
    else counted[0] += 1
  }

  const remove = (mesh: number, key: Key): boolean => {
    if (removeDirect.run(...key).changes > 0) return true
    const isOfGroup = removeOfGroup.run(...key).changes > 0
    if (isOfGroup) fewerOf(mesh, key[2])
    return isOfGroup
  }

  return {
    /** From before a transaction that failed nothing is left. */
    begin: (): void => fewer.clear(),

    remove,

    consume: ({ atMillis, inbox, meshId, priority, seqs }: Of<"Consume">): void => {
      const mesh = addresses.meshNumber(meshId)
      const number = addresses.find(meshId, inbox)?.number
      if (mesh === undefined || number === undefined) return
      const place = priorities.indexOf(priority)
      const ofGroup = consumeBetween(mesh, [number, place, 0], seqs, atMillis)
      if (ofGroup !== undefined) {
        for (const seq of ofGroup) fewerOf(mesh, seq)
        return journal.consumed(meshId, number, inbox, seqs, atMillis)
      }
      const gone = seqs.filter((seq) => remove(mesh, [number, place, seq]))
      for (const seq of gone) consumed.run(mesh, seq, number, atMillis)
      if (gone.length > 0) journal.consumed(meshId, number, inbox, gone, atMillis)
    },

    /** Leased at a time, or no more. A mark that is for good stays. */
    lease: (word: Of<"Lease"> | Of<"Release">): void => {
      const at = word._tag === "Lease" ? word.atMillis : null
      for (const { inbox, seq } of word.deliveries) {
        const number = addresses.find(word.meshId, inbox)?.number
        if (number !== undefined) likely.some((priority) => lease.run(at, number, priority, seq).changes > 0)
      }
    },

    /** The text of a group goes with the last for whom it waited. */
    writeFewer: (): void => {
      for (const [count, mesh, seq] of fewer.values()) {
        fewerWait.run(count, mesh, seq)
        removeText.run(mesh, seq)
      }
      fewer.clear()
    },
  }
}
