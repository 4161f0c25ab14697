/**
 * Meshes, members and sessions as small numbers. What has been looked up is remembered, since nobody else writes to the file: until a
 * transaction fails, which may have given a number, or until addresses are removed.
 *
 * Each command of a user is a session, so numbers are used up, and a key has room for so many: once the last one was given, those that
 * were removed are given again.
 */
import type { MemberId, MeshId, SessionId } from "@claudemesh/domain/Ids"
import { type InboxAddress, StoreError } from "../MessageStore.ts"
import { type Handle, prepare } from "./Handle.ts"
import { lastAddress } from "./Layout.ts"

export interface Address {
  readonly number: number
  readonly memberId: MemberId
  /** Empty: the member's own inbox. */
  readonly session: SessionId | ""
  /** The number of the member's own inbox. */
  readonly own: number
  /** When it was last written down as used: at most a day before it was. */
  usedAt: number
}

interface Row {
  readonly number: number
  readonly member_id: MemberId
  readonly session_id: SessionId | ""
  readonly own: number | null
  readonly used_at: number
}

const rememberedMax = 20_000

/** An address is written down as used once in so long. */
export const usedEveryMillis = 86_400_000

const columns = "number, member_id, session_id, own, used_at"

const statementsOn = (handle: Handle) => ({
  find: prepare<Row, [string, string, string]>(
    handle,
    `SELECT ${columns} FROM mesh.address WHERE mesh_id = ? AND member_id = ? AND session_id = ?`,
  ),
  findNumber: prepare<Row, [number]>(handle, `SELECT ${columns} FROM mesh.address WHERE number = ?`),
  add: prepare<Row, [number, string, string, string, number | null, number]>(
    handle,
    `INSERT INTO mesh.address (number, mesh_id, member_id, session_id, own, used_at) VALUES (?, ?, ?, ?, ?, ?) RETURNING ${columns}`,
  ),
  use: prepare<never, [number, number]>(handle, "UPDATE mesh.address SET used_at = ? WHERE number = ?"),
})

/** Each gives a number that nothing has. */
const numbersOn = (handle: Handle) => {
  const highest = prepare<{ readonly number: number | null }, []>(
    handle,
    "SELECT max(number) AS number FROM mesh.address",
  )
  /** Behind one that is given, from there on. */
  const free = prepare<{ readonly number: number }, [from: number, last: number]>(
    handle,
    `SELECT o.number + 1 AS number FROM mesh.address o WHERE o.number >= ? AND o.number < ?
      AND NOT EXISTS (SELECT 1 FROM mesh.address n WHERE n.number = o.number + 1) ORDER BY o.number LIMIT 1`,
  )
  /** Where it is looked for one that is free: else all that are taken would be gone through for each. */
  let freeFrom = 0
  return (): number => {
    const newest = highest.get()?.number ?? 0
    if (newest < lastAddress) return newest + 1
    const found = free.get(freeFrom, lastAddress) ?? free.get(0, lastAddress)
    if (found === null) throw new StoreError({ reason: "rejected", cause: "all numbers of sessions are in use" })
    freeFrom = found.number
    return found.number
  }
}

export type Addresses = ReturnType<typeof addressesOn>

export const addressesOn = (handle: Handle) => {
  const { add, find, findNumber, use } = statementsOn(handle)
  const nextNumber = numbersOn(handle)
  const byName = new Names()
  const byNumber = new Map<number, Address>()
  const byInbox = new Inboxes()
  const forget = (): void => {
    byInbox.clear()
    byName.clear()
    byNumber.clear()
  }

  const remember = (row: Row): Address => {
    if (byName.size >= rememberedMax || byNumber.size >= rememberedMax) forget()
    const address: Address = {
      number: row.number,
      memberId: row.member_id,
      session: row.session_id,
      own: row.own ?? row.number,
      usedAt: row.used_at,
    }
    byNumber.set(address.number, address)
    return address
  }

  const named = (meshId: MeshId, member: MemberId | "", session: SessionId | ""): Address | undefined => {
    const known = byName.get(meshId, member, session)
    if (known !== undefined) return known
    const row = find.get(meshId, member, session)
    return row === null ? undefined : byName.set(meshId, member, session, remember(row))
  }

  const made = (meshId: MeshId, member: MemberId | "", session: SessionId | "", atMillis: number): Address => {
    const known = named(meshId, member, session)
    if (known !== undefined) return known
    const own = session === "" ? null : made(meshId, member, "", atMillis).number
    const row = add.get(nextNumber(), meshId, member, session, own, atMillis)
    if (row === null) throw new Error("SQLite gives what it has inserted")
    return byName.set(meshId, member, session, remember(row))
  }

  return {
    forget,
    meshNumber: (meshId: MeshId): number | undefined => named(meshId, "", "")?.number,
    newMeshNumber: (meshId: MeshId): number => made(meshId, "", "", 0).number,
    find: (meshId: MeshId, inbox: InboxAddress): Address | undefined => {
      const known = byInbox.get(meshId, inbox)
      if (known !== undefined) return known
      const address = named(meshId, inbox.memberId, inbox.session ?? "")
      return address === undefined ? undefined : byInbox.set(meshId, inbox, address)
    },
    numbered: (number: number): Address | undefined => {
      const known = byNumber.get(number)
      if (known !== undefined) return known
      const row = findNumber.get(number)
      return row === null ? undefined : remember(row)
    },
    /** Of a message of this time: whatever it needs stays for as long as the message is kept. */
    used: (meshId: MeshId, inbox: InboxAddress, atMillis: number): Address => {
      const known = byInbox.get(meshId, inbox)
      const address = known ?? byInbox.set(meshId, inbox, made(meshId, inbox.memberId, inbox.session ?? "", atMillis))
      if (atMillis > address.usedAt + usedEveryMillis) {
        use.run(atMillis, address.number)
        address.usedAt = atMillis
      }
      return address
    },
  }
}

/**
 * By the value that an inbox is named with, which is the same one for as long as its mesh is in memory: three look-ups by text cost more than
 * all else of an ack.
 */
class Inboxes {
  #all = new WeakMap<InboxAddress, { readonly meshId: MeshId; readonly address: Address }>()

  get(meshId: MeshId, inbox: InboxAddress): Address | undefined {
    const known = this.#all.get(inbox)
    return known?.meshId === meshId ? known.address : undefined
  }

  set(meshId: MeshId, inbox: InboxAddress, address: Address): Address {
    this.#all.set(inbox, { meshId, address })
    return address
  }

  clear(): void {
    this.#all = new WeakMap()
  }
}

/** A name of three parts would have to be put together for each look-up, of which each message has five. */
class Names {
  readonly #meshes = new Map<MeshId, Map<MemberId | "", Map<SessionId | "", Address>>>()
  #size = 0

  get size(): number {
    return this.#size
  }

  get(meshId: MeshId, member: MemberId | "", session: SessionId | ""): Address | undefined {
    return this.#meshes.get(meshId)?.get(member)?.get(session)
  }

  set(meshId: MeshId, member: MemberId | "", session: SessionId | "", address: Address): Address {
    const members = this.#meshes.get(meshId) ?? new Map<MemberId | "", Map<SessionId | "", Address>>()
    const sessions = members.get(member) ?? new Map<SessionId | "", Address>()
    this.#meshes.set(meshId, members.set(member, sessions.set(session, address)))
    this.#size += 1
    return address
  }

  clear(): void {
    this.#meshes.clear()
    this.#size = 0
  }
}

export const inboxOf = ({ memberId, session }: Address): InboxAddress => ({
  memberId,
  session: session === "" ? undefined : session,
})
