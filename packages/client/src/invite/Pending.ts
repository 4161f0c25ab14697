/**
 * What was begun at a broker and is not in the config file yet, with its keys: written down before the broker hears of
 * it, and forgotten when the config file has it. Whoever is cut off in between does the same again, and asks for the very
 * same thing, which the broker answers the same way: no key is lost, and nothing is made twice.
 */
import { withHint } from "@claudemesh/domain/WithHint"
import { join } from "node:path"
import { MemberId, DisplayName, PublicKey } from "@claudemesh/domain/Ids"
import { Certificate } from "@claudemesh/domain/trust/Certificate"
import { CreateMesh } from "@claudemesh/domain/wire/HttpApi"
import { Effect, Option, Schema } from "effect"
import { BrokerUrl } from "../keys/BrokerUrl.ts"
import { HiddenKey } from "../keys/HiddenKey.ts"
import { takenOver } from "../local/Legacy.ts"
import { type Database, StateDb } from "../local/StateDb.ts"

/** A join: who joins, and the proof of it. */
export const PendingJoin = Schema.Struct({ certificate: Certificate, secretKey: HiddenKey })
export type PendingJoin = typeof PendingJoin.Type

/** A mesh that is made: all of it, with the owner's keys and those of its maker. */
export const PendingMesh = Schema.Struct({
  request: CreateMesh,
  brokerUrl: BrokerUrl,
  owner: Schema.Struct({ publicKey: PublicKey, secretKey: HiddenKey }),
  maker: Schema.Struct({
    memberId: MemberId,
    displayName: DisplayName,
    publicKey: PublicKey,
    secretKey: HiddenKey,
    certificate: Certificate,
  }),
})
export type PendingMesh = typeof PendingMesh.Type

export class PendingBroken extends Schema.TaggedError<PendingBroken>()("PendingBroken", { path: Schema.String }) {
  get what() {
    return `${this.path} cannot be understood. It was to keep the key of a join that got no answer.`
  }
  get hint() {
    return "Take it away and join again."
  }
  override get message() {
    return withHint(this)
  }
}

interface Row {
  readonly record: string
  readonly asked: number
}

const pendingOf = <A>(kind: "join" | "create", schema: Schema.Codec<A, unknown>) => {
  const encode = Schema.encodeSync(Schema.fromJsonString(schema))
  const decode = Schema.decodeUnknownOption(Schema.fromJsonString(schema))

  const rowOf = (db: Database, key: string) =>
    db.query<Row, [string, string]>("SELECT record, asked FROM pending WHERE kind = ? AND key = ?").get(kind, key)
  const insert = (db: Database, key: string, value: A, asked: number) =>
    db
      .query("INSERT OR IGNORE INTO pending (kind, key, record, asked) VALUES (?, ?, ?, ?)")
      .run(kind, key, encode(value), asked)
  const remove = (db: Database, key: string, more = "") =>
    db.query(`DELETE FROM pending WHERE kind = ? AND key = ? ${more}`).run(kind, key)

  const understood = Effect.fnUntraced(function* (record: string) {
    const value = decode(record)
    return Option.isSome(value) ? value.value : yield* new PendingBroken({ path: (yield* StateDb).path })
  })

  return {
    /** What is kept, or what `make` gives: of several at once, one makes, and all get the same. The broker is asked next. */
    takeUp: Effect.fnUntraced(function* <E, R>(key: string, make: Effect.Effect<A, E, R>) {
      const { read, transaction } = yield* StateDb
      while (true) {
        const isThere = (yield* read((db) => rowOf(db, key))) !== null
        const made = isThere ? undefined : yield* make
        const row = yield* transaction(
          (db) => {
            if (made !== undefined) insert(db, key, made, 0)
            db.query("UPDATE pending SET asked = asked + 1 WHERE kind = ? AND key = ?").run(kind, key)
            return rowOf(db, key)
          },
          { durable: true },
        )
        // None: another process has finished it in between.
        if (row !== null) return { pending: yield* understood(row.record), isNew: row.asked === 1 }
      }
    }),
    /** Another one in the place of `before`, if that is still there; what is there then. */
    replace: Effect.fnUntraced(function* (key: string, before: A, after: A) {
      const row = yield* (yield* StateDb).transaction(
        (db) => {
          if (rowOf(db, key)?.record === encode(before)) {
            db.query("UPDATE pending SET record = ? WHERE kind = ? AND key = ?").run(encode(after), kind, key)
          }
          return rowOf(db, key)
        },
        { durable: true },
      )
      return row === null ? after : yield* understood(row.record)
    }),
    forget: Effect.fnUntraced(function* (key: string) {
      yield* (yield* StateDb).transaction((db) => remove(db, key), { durable: true, erase: true })
    }),
    /** Where the broker has made nothing of it, unless another process has asked, too, and was answered otherwise. */
    forgetIfAlone: Effect.fnUntraced(function* (key: string) {
      yield* (yield* StateDb).transaction((db) => remove(db, key, "AND asked = 1"), { durable: true, erase: true })
    }),
    /** What an earlier version kept in a file. */
    takeOver: Effect.fnUntraced(function* (key: string, name: string) {
      const { directory, transaction } = yield* StateDb
      if (directory === undefined) return
      const path = join(directory, "pending", name)
      yield* takenOver(
        path,
        Effect.fnUntraced(function* (text) {
          const value = decode(text)
          if (Option.isNone(value)) return yield* new PendingBroken({ path })
          yield* transaction((db) => insert(db, key, value.value, 1), { durable: true })
        }),
      )
    }),
  }
}

/** By the invite's public key. */
export const pendingJoins = pendingOf("join", PendingJoin)
/** By the broker and the slug. */
export const pendingMeshes = pendingOf("create", PendingMesh)
