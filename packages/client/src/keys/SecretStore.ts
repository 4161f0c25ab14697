/**
 * Where the secret keys of the config file are: in it, or in the system's keychain with a reference in the file. Chosen
 * by `CLAUDEMESH_SECRET_STORE`, which says where keys go that are written. What is in the keychain stays there whatever
 * it says, so that no command that runs without the variable brings a key back into the file.
 */
import { withHint } from "@claudemesh/domain/WithHint"
import { hash } from "node:crypto"
import { SecretKey } from "@claudemesh/domain/Ids"
import { Config, Effect, Option, Redacted, Schema } from "effect"
import { Keychain, KeychainUnusable } from "./Keychain.ts"
import { Membership } from "./Membership.ts"

type Json = Readonly<Record<string, unknown>>

export class SecretStoreUnknown extends Schema.TaggedError<SecretStoreUnknown>()("SecretStoreUnknown", {
  value: Schema.String,
}) {
  get what() {
    return `CLAUDEMESH_SECRET_STORE is ${JSON.stringify(this.value)}.`
  }
  get hint() {
    return "It can be file or keychain."
  }
  override get message() {
    return withHint(this)
  }
}

const SecretPlace = Schema.Literals(["file", "keychain"])
export type SecretPlace = typeof SecretPlace.Type
const decodePlace = Schema.decodeUnknownOption(SecretPlace)

/** The file, where nothing else is said. */
export const secretPlace: Effect.Effect<SecretPlace, SecretStoreUnknown> = Config.String(
  "CLAUDEMESH_SECRET_STORE",
).pipe(
  Config.withDefault("file"),
  Effect.orDie,
  Effect.flatMap((value) => {
    const place = Option.getOrUndefined(decodePlace(value === "" ? "file" : value))
    return place === undefined ? Effect.fail(new SecretStoreUnknown({ value })) : Effect.succeed(place)
  }),
)

const publicOf = { secretKey: "pubkey", ownerSecretKey: "ownerPublicKey" } as const
const fields = ["secretKey", "ownerSecretKey"] as const
const encode = Schema.encodeSync(Membership)
const isSecretKey = Schema.is(SecretKey)

const decodeReference = Schema.decodeUnknownOption(Schema.Struct({ keychain: Schema.NonEmptyString }))
const referenceIn = (entry: Json, field: string): string | undefined =>
  Option.getOrUndefined(Option.map(decodeReference(entry[field]), ({ keychain }) => keychain))

/** An entry of the file with its keys in the place of their references. */
export const revealed = Effect.fnUntraced(function* (entry: Json) {
  const keychain = yield* Keychain
  const keys: Array<readonly [field: string, value: string]> = []
  for (const field of fields) {
    const name = referenceIn(entry, field)
    if (name === undefined) continue
    const value = yield* keychain.get(name)
    if (Option.isNone(value)) return yield* new KeychainUnusable({ doing: "read", reason: `${name} is not in it` })
    if (!isSecretKey(value.value) || value.value.slice(64) !== entry[publicOf[field]]) {
      return yield* new KeychainUnusable({ doing: "read", reason: `${name} is another key than the file's` })
    }
    keys.push([field, value.value])
  }
  return { ...entry, ...Object.fromEntries(keys) }
})

/**
 * Fails where keys could not be written later. Whoever is about to make a mesh reads the file first, and should not
 * learn of it only when the mesh is made.
 */
export const reachable = Effect.fnUntraced(function* (place: SecretPlace, entries: ReadonlyArray<Json>) {
  if (place === "file" || entries.some((entry) => fields.some((field) => referenceIn(entry, field)))) return
  yield* Effect.mapError(
    (yield* Keychain).get("nothing"),
    ({ reason }) => new KeychainUnusable({ doing: "write", reason }),
  )
})

/** Two config directories on one machine, with the same member, have an entry each. */
const homeOf = (path: string): string => hash("sha256", path, "hex").slice(0, 12)
const nameOf = (mesh: Membership, field: (typeof fields)[number], path: string): string =>
  `${field === "secretKey" ? mesh.pubkey : `owner-${mesh.meshId}`}@${homeOf(path)}`

/**
 * What of a membership is written to the file at `path`. `before`: its entry there, as it was. A key is in the keychain
 * before the file names it.
 */
export const concealed = Effect.fnUntraced(function* (
  mesh: Membership,
  before: Json,
  place: SecretPlace,
  path: string,
) {
  const keychain = yield* Keychain
  const references: Array<readonly [field: string, reference: { readonly keychain: string }]> = []
  for (const field of fields) {
    const key = mesh[field]
    const known = referenceIn(before, field)
    if (key === undefined || (known === undefined && place === "file")) continue
    const value = Redacted.value(key)
    const name = known ?? nameOf(mesh, field, path)
    const kept = known === undefined ? Option.none<string>() : yield* keychain.get(name)
    if (!Option.contains(kept, value)) yield* keychain.set(name, value)
    references.push([field, { keychain: name }])
  }
  return { ...encode(mesh), ...Object.fromEntries(references) }
})

/** After the file has been written. Entries of another directory's, in a copied file, are left to it. */
export const removed = Effect.fnUntraced(function* (
  before: ReadonlyArray<Json>,
  after: ReadonlyArray<Json>,
  path: string,
) {
  const keychain = yield* Keychain
  const namesIn = (entries: ReadonlyArray<Json>) =>
    entries.flatMap((entry) => fields.flatMap((field) => referenceIn(entry, field) ?? []))
  const still = new Set(namesIn(after))
  const gone = namesIn(before).filter((name) => !still.has(name) && name.endsWith(`@${homeOf(path)}`))
  yield* Effect.forEach(gone, (name) => Effect.ignore(keychain.remove(name)), { discard: true })
})
