/**
 * `~/.claudemesh/config.json`: the joined meshes and their secret keys, or where those are (`SecretStore.ts`). One writer
 * at a time (I19): the new content is made without holding anybody up, and takes the place of the old one in a transaction
 * of `state.db`, if that is still the content that it was made from; else it is made anew. Only what we know is changed;
 * keys of other programs survive. A file that cannot be understood is named in the error and never written over.
 */
import { withHint } from "@claudemesh/domain/WithHint"
import { dirname, join } from "node:path"
import { DisplayName, MeshId, type PublicKey, Slug } from "@claudemesh/domain/Ids"
import { Context, type Crypto, Effect, type FileSystem, Layer, Option, Result, Schema } from "effect"
import { checkHome, type HomeUnusable, makeHome } from "../local/Home.ts"
import {
  FileUnusable,
  prepareSecretFile,
  readSecretFile,
  type SecretExposed,
  syncDirectory,
  writeSecretFile,
} from "../local/SecretFile.ts"
import { StateDb, type StateDbError } from "../local/StateDb.ts"
import { type JsonPath, jsonProblem, placeOfValue, placeWords } from "./JsonPlace.ts"
import type { KeychainUnusable } from "./Keychain.ts"
import { Membership } from "./Membership.ts"
import { concealed, reachable, removed, revealed, secretPlace, type SecretStoreUnknown } from "./SecretStore.ts"

export type Memberships = ReadonlyArray<Membership>

/** The content is no configuration of ours. It is left as it is. */
export class ConfigBroken extends Schema.TaggedError<ConfigBroken>()("ConfigBroken", {
  path: Schema.String,
  problem: Schema.String,
}) {
  get what() {
    return `${this.path} cannot be understood: ${this.problem}.`
  }
  get hint() {
    return "Correct it, or move it away and join your meshes again."
  }
  override get message() {
    return withHint(this)
  }
}

/** Each mesh is joined once, under a slug of its own. */
export class AlreadyJoined extends Schema.TaggedError<AlreadyJoined>()("AlreadyJoined", {
  slug: Slug,
  meshId: MeshId,
  taken: Schema.Literals(["slug", "meshId"]),
}) {
  override get message() {
    return this.taken === "slug"
      ? `a mesh is already called ${this.slug}`
      : `you are already a member there, as ${this.slug}`
  }
}

export type ReadError =
  | HomeUnusable
  | FileUnusable
  | SecretExposed
  | ConfigBroken
  | KeychainUnusable
  | SecretStoreUnknown

export class ConfigFile extends Context.Service<
  ConfigFile,
  {
    readonly path: string
    /** Without a file, no meshes. */
    readonly read: Effect.Effect<Memberships, ReadError>
    /** `change` is pure: it is asked again where another process has changed the file meanwhile. */
    readonly update: <E = never>(
      change: (meshes: Memberships) => Result.Result<Memberships, E>,
    ) => Effect.Effect<Memberships, E | ReadError | StateDbError | AlreadyJoined>
  }
>()("@claudemesh/client/keys/ConfigFile") {
  /** Beside `state.db`. */
  static readonly layer = Layer.effect(
    ConfigFile,
    Effect.suspend(() => open),
  )

  /** Another one for each folder: a layer is built once, whatever is provided to it. */
  static readonly layerIn = (directory: string) =>
    Layer.fresh(ConfigFile.layer).pipe(Layer.provide(StateDb.layerIn(directory)))
}

/** How often the file is written anew before another process changes it again. */
const writesMax = 100

const open = Effect.gen(function* () {
  const { directory, transaction } = yield* StateDb
  if (directory === undefined) return yield* Effect.die("the config file is in a folder")
  const path = join(directory, "config.json")
  const context = yield* Effect.context<FileSystem.FileSystem | Crypto.Crypto>()

  const broken = (problem: string) => new ConfigBroken({ path, problem })

  const load = Effect.gen(function* () {
    const place = yield* secretPlace
    yield* checkHome(directory)
    const text = Option.getOrUndefined(yield* readSecretFile(path))
    if (text === undefined) {
      yield* reachable(place, [])
      return { ...emptyFile, place }
    }
    const json = withoutMark(text)
    const { entries, raw } = yield* Effect.fromResult(Result.mapError(parse(json), broken))
    yield* reachable(place, entries)
    const shown = yield* Effect.forEach(entries, revealed)
    const decoded = Result.mapError(decodeMemberships(shown), ({ message }) => broken(inMeshes(json, message)))
    const meshes = yield* Effect.fromResult(decoded)
    const twice = twiceIn(meshes)
    if (twice !== undefined) return yield* broken(twiceWords(json, twice))
    return { meshes, raw, entries, text, place }
  })

  /** False where another process has changed the file since it was loaded. */
  const replaced = Effect.fnUntraced(function* (before: string | undefined, content: string) {
    yield* makeHome(directory)
    const { takeThePlaceOf } = yield* prepareSecretFile(path, content)
    const isOurs = yield* Effect.fromResult(yield* transaction(() => takeThePlaceOf(before)))
    yield* syncDirectory(dirname(path))
    return isOurs
  }, Effect.scoped)

  const changeOnce = Effect.fnUntraced(function* <E>(change: (meshes: Memberships) => Result.Result<Memberships, E>) {
    const file = yield* load
    const meshes = yield* Effect.fromResult(change(file.meshes))
    if (meshes === file.meshes) return meshes
    yield* Effect.fromResult(distinct(meshes))
    const { place, raw, text } = file
    // Whoever wants no keys in a file wants no copy of one either.
    if (text !== undefined && raw["version"] === 1 && place === "file") {
      yield* writeSecretFile(join(directory, "config.v1.json"), text)
    }
    // The keychain may ask its owner for a password, so nothing of ours is locked meanwhile.
    const entries = yield* Effect.forEach(meshes, (mesh) => {
      const before = file.entries.find((entry) => entry["meshId"] === mesh.meshId) ?? {}
      const unknown = Object.entries(before).filter(([key]) => !known.has(key))
      return Effect.map(concealed(mesh, before, place, path), (entry): Json => ({
        ...entry,
        ...Object.fromEntries(unknown),
      }))
    })
    if (!(yield* replaced(text, format(raw, entries)))) return undefined
    yield* removed(file.entries, entries, path)
    return meshes
  })

  const update = Effect.fnUntraced(function* <E>(change: (meshes: Memberships) => Result.Result<Memberships, E>) {
    for (let writes = 0; writes < writesMax; writes++) {
      const meshes = yield* changeOnce(change)
      if (meshes !== undefined) return meshes
    }
    return yield* new FileUnusable({ path, doing: "write", reason: "other processes change it all the time" })
  })

  return ConfigFile.of({
    path,
    read: Effect.map(load, (file) => file.meshes).pipe(Effect.provide(context)),
    update: (change) => Effect.provide(update(change), context),
  })
})

type Json = Readonly<Record<string, unknown>>

interface LoadedFile {
  readonly meshes: Memberships
  /** What is in the file beside what we know, so that it is written back. */
  readonly raw: Json
  /** The meshes as they are in the file. */
  readonly entries: ReadonlyArray<Json>
  readonly text: string | undefined
}

const emptyFile: LoadedFile = { meshes: [], raw: {}, entries: [], text: undefined }

const JsonObject = Schema.Record(Schema.String, Schema.Unknown)
const Shape = Schema.fromJsonString(
  Schema.StructWithRest(Schema.Struct({ version: Schema.Literals([1, 2]), meshes: Schema.Array(JsonObject) }), [
    JsonObject,
  ]),
)
const decodeShape = Schema.decodeUnknownResult(Shape)
const decodeMemberships = Schema.decodeUnknownResult(Schema.Array(Membership))

/** Some editors put one in front of a text. */
const withoutMark = (text: string): string => text.replace(/^\ufeff/, "")

const parse = (text: string): Result.Result<Pick<LoadedFile, "entries" | "raw">, string> =>
  Result.map(
    Result.mapError(decodeShape(text), ({ message }) => shapeProblem(text, message)),
    (raw) => ({ raw, entries: raw.version === 1 ? raw.meshes.map(upgraded) : raw.meshes }),
  )

const shapeProblem = (text: string, message: string): string => {
  if (text.trim() === "") return "it is empty"
  // What a decoder of UTF-8 makes of it.
  if (text.includes("\0")) return "it is written as UTF-16. Save it as UTF-8"
  const found = jsonProblem(text)
  return found === undefined ? wordsWithPlace(text, message, []) : `${placeWords(found.place)}: ${found.problem}`
}

const inMeshes = (text: string, message: string): string => wordsWithPlace(text, message, ["meshes"])

/** From `Expected X` and, in a second line, `at [0]["slug"]`; and never a value of the file, which may be a key. */
const wordsWithPlace = (text: string, message: string, above: JsonPath): string => {
  const [, words = "", steps = ""] = /^([^\n]*)(?:\n\s*at (\S.*))?/.exec(message) ?? []
  const below = [...steps.matchAll(/\[(?:(\d+)|"((?:[^"\\]|\\.)*)")\]/g)].map(([, index, name = ""]) =>
    index === undefined ? name : Number(index),
  )
  const path = [...above, ...below]
  const what = words.replace(/, (?:actual|got) .*$/, "").replace(/^Missing key$/, "it is missing")
  const named = path
    .map((step) => (typeof step === "number" ? `[${step}]` : `.${step}`))
    .join("")
    .replace(/^\./, "")
  return `${placeWords(placeOfValue(text, path))}: ${named === "" ? "" : `${named}: `}${what.replace(/^Expected/, "expected")}`
}

/** The two entries that are of the same mesh, or of the same slug. */
const twiceIn = (meshes: Memberships) => {
  for (const [second, mesh] of meshes.entries()) {
    const first = meshes.findIndex(({ meshId, slug }) => meshId === mesh.meshId || slug === mesh.slug)
    if (first !== second) return { first, second, isMesh: meshes[first]?.meshId === mesh.meshId, slug: mesh.slug }
  }
  return undefined
}

const twiceWords = (
  text: string,
  { first, isMesh, second, slug }: Exclude<ReturnType<typeof twiceIn>, undefined>,
): string => {
  const [one, other] = [first, second].map((index) => placeWords(placeOfValue(text, ["meshes", index])))
  return isMesh
    ? `${other}: this is the same mesh as at ${one}. Remove one of the two entries`
    : `${other}: another mesh is called ${slug}, too, at ${one}. Give one of them another slug`
}

const isDisplayName = Schema.is(DisplayName)

/** Version 1 had one name, for the mesh or for the member, of any length. */
const upgraded = (entry: Json): Json => {
  const name = isDisplayName(entry["name"]) ? entry["name"] : entry["slug"]
  return { ...entry, name, displayName: entry["displayName"] ?? name }
}

const known: ReadonlySet<string> = new Set(Object.keys(Membership.fields))

const format = (raw: Json, entries: ReadonlyArray<Json>): string =>
  `${JSON.stringify({ ...raw, version: 2, meshes: entries }, undefined, 2)}\n`

/** It says who owns the mesh. One of a first client does not, and nobody is believed there. */
const isProved = ({ ownerPublicKey }: Membership): boolean => ownerPublicKey !== undefined

/** With one more, in the place of one that did not say who owns the mesh. Another process may have finished the same. */
export const withMembership = (meshes: Memberships, membership: Membership): Memberships => {
  const same = meshes.find(({ meshId, pubkey }) => meshId === membership.meshId && pubkey === membership.pubkey)
  if (same === undefined) return [...meshes, membership]
  return isProved(same) ? meshes : meshes.map((mesh) => (mesh === same ? membership : mesh))
}

/** The membership in the mesh that is wanted, if it is by this key. Fails where the mesh is joined otherwise, or its slug is taken. */
export const joinedAlready = (
  meshes: Memberships,
  { meshId, slug }: Pick<Membership, "meshId" | "slug">,
  key?: PublicKey,
): Effect.Effect<Membership | undefined, AlreadyJoined> => {
  const same = meshes.find((mesh) => mesh.meshId === meshId)
  if (same !== undefined && !isProved(same)) return Effect.undefined
  if (same !== undefined) {
    return same.pubkey === key
      ? Effect.succeed(same)
      : Effect.fail(new AlreadyJoined({ slug: same.slug, meshId, taken: "meshId" }))
  }
  return meshes.some((mesh) => mesh.slug === slug)
    ? Effect.fail(new AlreadyJoined({ slug, meshId, taken: "slug" }))
    : Effect.undefined
}

const distinct = (meshes: Memberships): Result.Result<void, AlreadyJoined> => {
  const bySlug = new Map<Slug, Membership>()
  const byId = new Map<MeshId, Membership>()
  for (const mesh of meshes) {
    const sameId = byId.get(mesh.meshId)
    if (sameId) return Result.fail(new AlreadyJoined({ slug: sameId.slug, meshId: mesh.meshId, taken: "meshId" }))
    if (bySlug.has(mesh.slug)) {
      return Result.fail(new AlreadyJoined({ slug: mesh.slug, meshId: mesh.meshId, taken: "slug" }))
    }
    bySlug.set(mesh.slug, mesh)
    byId.set(mesh.meshId, mesh)
  }
  return Result.void
}
