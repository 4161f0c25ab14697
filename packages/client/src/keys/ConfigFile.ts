/**
 * `~/.claudemesh/config.json`: the joined meshes and their secret keys, or where those are (`SecretStore.ts`). One writer (I19): `update` is alone in
 * this process by a semaphore and among processes by a lock file, and changes only what it knows; keys of other
 * programs survive. A file that cannot be understood is named in the error and never written over.
 */
import { join } from "node:path"
import { DisplayName, MeshId, Slug } from "@claudemesh/domain/Ids"
import { Context, Crypto, Effect, FileSystem, Layer, Option, Result, Schema, Semaphore } from "effect"
import type { KeychainUnusable } from "./Keychain.ts"
import { layerAtHome } from "../local/Home.ts"
import { withLockFile } from "./LockFile.ts"
import { Membership } from "./Membership.ts"
import { type FileUnusable, readSecretFile, type SecretExposed, writeSecretFile } from "../local/SecretFile.ts"
import { concealed, reachable, removed, revealed, secretPlace, type SecretStoreUnknown } from "./SecretStore.ts"

export type Memberships = ReadonlyArray<Membership>

/** The content is no configuration of ours. It is left as it is. */
export class ConfigBroken extends Schema.TaggedError<ConfigBroken>()("ConfigBroken", {
  path: Schema.String,
  problem: Schema.String,
}) {
  override get message() {
    return `${this.path} cannot be understood: ${this.problem}; correct it, or move it away and join your meshes again`
  }
}

/** Each mesh is joined once, under a slug of its own. */
export class AlreadyJoined extends Schema.TaggedError<AlreadyJoined>()("AlreadyJoined", {
  slug: Slug,
  meshId: MeshId,
  taken: Schema.Literals(["slug", "meshId"]),
}) {
  override get message() {
    return this.taken === "slug" ? `a mesh is already called ${this.slug}` : `already a member there, as ${this.slug}`
  }
}

export type ReadError = FileUnusable | SecretExposed | ConfigBroken | KeychainUnusable | SecretStoreUnknown

export class ConfigFile extends Context.Service<
  ConfigFile,
  {
    readonly path: string
    /** Without a file, no meshes. */
    readonly read: Effect.Effect<Memberships, ReadError>
    /** `change` is pure, so that the lock is held for no longer than the file takes. */
    readonly update: <E = never>(
      change: (meshes: Memberships) => Result.Result<Memberships, E>,
    ) => Effect.Effect<Memberships, E | ReadError | AlreadyJoined>
  }
>()("@claudemesh/client/keys/ConfigFile") {
  /** In `CLAUDEMESH_HOME`, else in `~/.claudemesh`. */
  static readonly layer = layerAtHome((directory) => ConfigFile.layerIn(directory))

  static readonly layerIn = (directory: string) => Layer.effect(ConfigFile, open(directory))
}

const open = Effect.fnUntraced(function* (directory: string) {
  const path = join(directory, "config.json")
  const context = yield* Effect.context<FileSystem.FileSystem | Crypto.Crypto>()
  const alone = yield* Semaphore.make(1)

  const broken = (problem: string) => new ConfigBroken({ path, problem })

  const load = Effect.gen(function* () {
    const place = yield* secretPlace
    const text = yield* readSecretFile(path)
    if (Option.isNone(text)) {
      yield* reachable(place, [])
      return { ...emptyFile, place }
    }
    const { entries, raw } = yield* Effect.fromResult(Result.mapError(parse(text.value), broken))
    yield* reachable(place, entries)
    const shown = yield* Effect.forEach(entries, revealed)
    const decoded = Result.mapError(decodeMemberships(shown), ({ message }) => broken(message))
    const meshes = yield* Effect.fromResult(decoded)
    return { meshes, raw, entries, versionOne: raw["version"] === 1 ? text.value : undefined, place }
  })

  const change = Effect.fnUntraced(function* <E>(change: (meshes: Memberships) => Result.Result<Memberships, E>) {
    const file = yield* load
    const meshes = yield* Effect.fromResult(change(file.meshes))
    yield* Effect.fromResult(distinct(meshes))
    const { place, versionOne } = file
    // Whoever wants no keys in a file wants no copy of one either.
    if (versionOne !== undefined && place === "file")
      yield* writeSecretFile(join(directory, "config.v1.json"), versionOne)
    const entries = yield* Effect.forEach(meshes, (mesh) => {
      const before = file.entries.find((entry) => entry["meshId"] === mesh.meshId) ?? {}
      const unknown = Object.entries(before).filter(([key]) => !known.has(key))
      return Effect.map(concealed(mesh, before, place, path), (entry): Json => ({
        ...entry,
        ...Object.fromEntries(unknown),
      }))
    })
    yield* writeSecretFile(path, format(file.raw, entries))
    yield* removed(file.entries, entries, path)
    return meshes
  })

  return ConfigFile.of({
    path,
    read: Effect.map(load, (file) => file.meshes).pipe(Effect.provide(context)),
    update: (how) =>
      change(how).pipe(
        withLockFile(join(directory, "config.lock")),
        Semaphore.withPermit(alone),
        Effect.provide(context),
      ),
  })
})

type Json = Readonly<Record<string, unknown>>

interface LoadedFile {
  readonly meshes: Memberships
  /** What is in the file beside what we know, so that it is written back. */
  readonly raw: Json
  /** The meshes as they are in the file. */
  readonly entries: ReadonlyArray<Json>
  /** The text, when the file is one that the first clients wrote. */
  readonly versionOne: string | undefined
}

const emptyFile: LoadedFile = { meshes: [], raw: {}, entries: [], versionOne: undefined }

const JsonObject = Schema.Record(Schema.String, Schema.Unknown)
const Shape = Schema.fromJsonString(
  Schema.StructWithRest(Schema.Struct({ version: Schema.Literals([1, 2]), meshes: Schema.Array(JsonObject) }), [
    JsonObject,
  ]),
)
const decodeShape = Schema.decodeUnknownResult(Shape)
const decodeMemberships = Schema.decodeUnknownResult(Schema.Array(Membership))

const parse = (text: string): Result.Result<Pick<LoadedFile, "entries" | "raw">, string> =>
  Result.map(
    Result.mapError(decodeShape(text), (error) => error.message),
    (raw) => ({ raw, entries: raw.version === 1 ? raw.meshes.map(upgraded) : raw.meshes }),
  )

const isDisplayName = Schema.is(DisplayName)

/** Version 1 had one name, for the mesh or for the member, of any length. */
const upgraded = (entry: Json): Json => {
  const name = isDisplayName(entry["name"]) ? entry["name"] : entry["slug"]
  return { ...entry, name, displayName: entry["displayName"] ?? name }
}

const known: ReadonlySet<string> = new Set(Object.keys(Membership.fields))

const format = (raw: Json, entries: ReadonlyArray<Json>): string =>
  `${JSON.stringify({ ...raw, version: 2, meshes: entries }, undefined, 2)}\n`

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
