/**
 * The store alone: microseconds of processor for each message that is accepted and acked, in batches of two sizes, on both databases. To compare
 * two versions, run it in the tree of each, in turn, a few times.
 *
 *   npm run bench:store [-- --messages 40000]
 */
import { parseArgs } from "node:util"
import { Base64 } from "@claudemesh/domain/Base64"
import { DisplayName, MemberId, MeshId, PublicKey, SessionId, Slug } from "@claudemesh/domain/Ids"
import { messageIdOf } from "@claudemesh/domain/trust/MessageIdentity"
import { MessageStore, type OwnedWrite, Write } from "@claudemesh/broker/store/MessageStore"
import { Nonce } from "@claudemesh/domain/Base64"
import { Effect, Layer } from "effect"
import { postgresAt, sqliteInAFile, sqliteStoreOn, storeOn } from "../packages/broker/test/support/Stores.ts"
import { OwnPostgres } from "../packages/broker/test/support/Postgres.ts"
import { postgresSeconds } from "./Server.ts"

const { values } = parseArgs({ options: { messages: { type: "string", default: "40000" } } })
const messages = Number(values.messages)

const meshId = MeshId.make("bench")
const key = (n: number) => PublicKey.make(n.toString(16).padStart(64, "0"))
const member = (n: number) => MemberId.make(`member-${n}-${"0".repeat(20)}`)
const session = SessionId.make("01990000-0000-7000-8000-000000000000")
const ciphertext = Base64.make(Buffer.alloc(700, 7).toString("base64"))
const nonce = Nonce.make("A".repeat(32))

const accept = (seq: number): Write =>
  Write.Accept({
    message: {
      meshId,
      seq,
      messageId: messageIdOf(meshId, key(seq % 10), `0199c0de-1234-7abc-8def-${String(seq).padStart(12, "0")}`),
      senderMemberId: member(seq % 10),
      senderSession: session,
      targetSpec: key(10 + (seq % 10)),
      priority: "next",
      nonce,
      ciphertext,
      replyTo: undefined,
      createdAtMillis: 1_700_000_000_000 + seq,
      expiresAtMillis: 1_800_000_000_000,
      contentHash: "0".repeat(64),
    },
    recipients: [{ inbox: { memberId: member(10 + (seq % 10)), session: undefined }, sealedKey: undefined }],
  })

const consume = (seq: number): Write =>
  Write.Consume({
    meshId,
    inbox: { memberId: member(10 + (seq % 10)), session: undefined },
    seqs: [seq],
    priority: "next",
    atMillis: 1_700_000_000_500 + seq,
  })

const numbers = (from: number, count: number) => Array.from({ length: count }, (_, n) => from + n)

const owned = (writes: ReadonlyArray<Write>): ReadonlyArray<OwnedWrite> =>
  writes.map((write) => ({ write, epoch: Number.MAX_SAFE_INTEGER }))

const measure = Effect.fnUntraced(function* (batch: number, server: () => number) {
  const store = yield* MessageStore
  const mesh = {
    meshId,
    slug: Slug.make("bench"),
    name: DisplayName.make("bench"),
    ownerPublicKey: key(0),
    allowUnsealed: false,
  }
  yield* store.createMesh(mesh, undefined, [], 1)
  const round = (from: number) =>
    store.commit(owned([...numbers(from, batch).map(accept), ...numbers(from - batch, batch).map(consume)]))
  let seq = 2
  for (; seq < messages / 4; seq += batch) yield* round(seq)
  const [begun, serverBegun, first] = [process.cpuUsage(), server(), seq]
  for (; seq < messages + first; seq += batch) yield* round(seq)
  const { system, user } = process.cpuUsage(begun)
  const count = seq - first
  return { broker: (user + system) / count, server: ((server() - serverBegun) * 1e6) / count }
})

const run = <R>(name: string, batch: number, layer: Layer.Layer<MessageStore, unknown, R>, server: () => number) =>
  measure(batch, server).pipe(
    Effect.provide(layer),
    Effect.map((cost) =>
      console.log(`${name}, batches of ${batch}: ${cost.broker.toFixed(1)} µs, server ${cost.server.toFixed(1)} µs`),
    ),
  )

for (const batch of [16, 160]) {
  await Effect.runPromise(Effect.scoped(run("SQLite", batch, sqliteStoreOn(sqliteInAFile), () => 0)))
}
await Effect.runPromise(
  Effect.gen(function* () {
    const { folder, freshDatabase } = yield* OwnPostgres
    const fresh = Layer.unwrap(Effect.map(freshDatabase, postgresAt))
    for (const batch of [16, 160]) yield* run("Postgres", batch, storeOn(fresh), () => postgresSeconds(folder))
  }).pipe(Effect.provide(OwnPostgres.layer)),
)
