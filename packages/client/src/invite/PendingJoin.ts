/**
 * A join that may have reached the broker and was not answered: the member's key and certificate, kept in a file of
 * their own until the mesh is in the config file. Who tries again then asks for the very same thing, which the broker
 * answers the same way, and no second use of the invite is spent.
 */
import { join } from "node:path"
import { Certificate } from "@claudemesh/domain/trust/Certificate"
import { Effect, FileSystem, Option, Schema } from "effect"
import { HiddenKey } from "../keys/HiddenKey.ts"
import { withLockFile } from "../keys/LockFile.ts"
import { readSecretFile, writeSecretFile } from "../local/SecretFile.ts"

export const PendingJoin = Schema.Struct({ certificate: Certificate, secretKey: HiddenKey })
export type PendingJoin = typeof PendingJoin.Type

export class PendingBroken extends Schema.TaggedError<PendingBroken>()("PendingBroken", { path: Schema.String }) {
  override get message() {
    return `${this.path} cannot be understood; it was to keep the key of a join that got no answer. Take it away and join again`
  }
}

const encode = Schema.encodeSync(Schema.fromJsonString(PendingJoin))
const decode = Schema.decodeUnknownOption(Schema.fromJsonString(PendingJoin))

/** One for each invite and config directory. */
const pathOf = (directory: string, invite: string) => join(directory, "pending", `${invite.slice(0, 32)}.json`)

/** What is kept for the invite, or what `make` gives: of several at once, one makes and all get the same. */
export const takeUp = Effect.fnUntraced(function* <E, R>(
  directory: string,
  invite: string,
  make: Effect.Effect<PendingJoin, E, R>,
) {
  const path = pathOf(directory, invite)
  return yield* Effect.gen(function* () {
    const text = yield* readSecretFile(path)
    if (Option.isNone(text)) {
      const made = yield* make
      yield* writeSecretFile(path, encode(made))
      return { pending: made, isNew: true }
    }
    const kept = decode(text.value)
    return Option.isSome(kept) ? { pending: kept.value, isNew: false } : yield* new PendingBroken({ path })
  }).pipe(withLockFile(`${path}.lock`))
})

export const replace = (directory: string, pending: PendingJoin) =>
  writeSecretFile(pathOf(directory, pending.certificate.invite), encode(pending))

export const forget = Effect.fnUntraced(function* (directory: string, invite: string) {
  yield* Effect.ignore((yield* FileSystem.FileSystem).remove(pathOf(directory, invite)))
})
