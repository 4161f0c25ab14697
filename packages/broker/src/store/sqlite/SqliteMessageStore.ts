/**
 * The store on SQLite: prepared statements in a loop, on a handle of its own. A batch is one transaction and one step of the
 * process; how long that is, is bounded by the group commit. What comes later in a batch counts as later: an inbox is moved
 * with all that was accepted before, and of what is said of one session or channel the last word stands.
 */
import { Effect, Layer, Option } from "effect"
import { MessageStore, type OwnedWrite, type Write, Written } from "../MessageStore.ts"
import { movesOf } from "../MovesOf.ts"
import { acceptWritesOn } from "./AcceptWrites.ts"
import { type Addresses, addressesOn } from "./Addresses.ts"
import { deliveryWritesOn } from "./DeliveryWrites.ts"
import { enrolmentWritesOn, recordsOn } from "./EnrolmentWrites.ts"
import { type Handle, inTransaction, prepare, reading, SqliteHandle } from "./Handle.ts"
import { type Journal, journalOn } from "./Journal.ts"
import { meshesOn } from "./Meshes.ts"
import { MessageIds } from "./MessageIds.ts"
import { moveWritesOn } from "./MoveWrites.ts"
import { ownersOn } from "./Owners.ts"
import { readsOn } from "./Reads.ts"
import { type Reports, reportsOn } from "./Reports.ts"
import { retentionOn } from "./RetentionSteps.ts"
import { sessionWritesOn } from "./SessionWrites.ts"

/** Written over and over: enough to need room in the log of a file that is full. */
const probeBytes = 65_536

/** The tables are there already. */
export const sqliteMessageStore = Layer.effect(
  MessageStore,
  Effect.map(SqliteHandle, (handle) => {
    const addresses = addressesOn(handle)
    const journal = journalOn(handle, addresses)
    const ids = new MessageIds(handle)
    const reports = reportsOn(handle, addresses, ids)
    const owners = ownersOn(handle)
    const records = recordsOn(handle)
    const reads = readsOn(handle, addresses)
    const applyRetention = retentionOn(handle, addresses, ids, journal)
    const writeBatch = batchOn(handle, { addresses, ids, journal, reports, records })
    const ping = prepare(handle, "SELECT max(migration_id) FROM mesh.migration")
    const probe = prepare<never, [number]>(
      handle,
      "INSERT OR REPLACE INTO mesh.probe (id, filler) VALUES (1, zeroblob(?))",
    )

    return MessageStore.of({
      ...meshesOn(handle, { addresses, journal, owners, reads, records }),
      commit: (batch) =>
        inTransaction(handle, () => {
          owners.hold(batch)
          return writeBatch(batch)
        }).pipe(
          Effect.onError(() =>
            Effect.sync(() => {
              addresses.forget()
              ids.forget()
              journal.forget()
            }),
          ),
        ),
      page: (request) => reading(() => reads.page(request)),
      backlog: (meshId, inboxes, nowMillis) => reading(() => reads.backlog(meshId, inboxes, nowMillis)),
      countWaiting: (meshId, inboxes, except, nowMillis) =>
        reading(() => reads.countWaiting(meshId, inboxes, except, nowMillis)),
      deliveryReportOf: (meshId, messageId) =>
        reading(() => Option.fromUndefinedOr(reports(meshId, messageId)?.deliveryReport)),
      applyRetention: (retention, rowsMax, nowMillis) =>
        inTransaction(handle, () => applyRetention(retention, rowsMax, nowMillis)).pipe(
          Effect.onError(() =>
            Effect.sync(() => {
              ids.forget()
              journal.forget()
            }),
          ),
        ),
      ping: reading(() => void ping.get()),
      probe: reading(() => void probe.run(probeBytes)),
    })
  }),
)

interface Parts {
  readonly addresses: Addresses
  readonly ids: MessageIds
  readonly journal: Journal
  readonly reports: Reports
  readonly records: ReturnType<typeof recordsOn>
}

const batchOn = (handle: Handle, { addresses, ids, journal, records, reports }: Parts) => {
  const accept = acceptWritesOn(handle, { addresses, ids, journal, reports })
  const deliveries = deliveryWritesOn(handle, addresses, journal)
  const move = moveWritesOn(handle, addresses, deliveries)
  const writeSession = sessionWritesOn(handle, journal)
  const enrol = enrolmentWritesOn(handle, records, journal)

  return (batch: ReadonlyArray<OwnedWrite>): ReadonlyArray<Written> => {
    const writes = batch.map(({ write }) => write)
    journal.begin()
    deliveries.begin()
    const known = accept(writes.filter((write) => write._tag === "Accept"))
    // Before a move, which takes them along.
    for (const write of writes) if (write._tag === "Lease" || write._tag === "Release") deliveries.lease(write)
    for (const write of writes) if (write._tag === "Consume") deliveries.consume(write)
    for (const { belowSeq, write } of movesOf(writes)) move(write, belowSeq)
    deliveries.writeFewer()
    for (const write of writes) {
      if (isEnrolment(write)) enrol(write)
      else writeSession(write)
    }
    journal.write()
    ids.carry()
    return writes.map((write) => (write._tag === "Accept" && known.get(write)) || done)
  }
}

const done = Written.Done()

const isEnrolment = (write: Write): write is Parameters<ReturnType<typeof enrolmentWritesOn>>[0] =>
  write._tag === "InviteAdded" ||
  write._tag === "MemberJoined" ||
  write._tag === "KeyRevoked" ||
  write._tag === "MeshMoved"
