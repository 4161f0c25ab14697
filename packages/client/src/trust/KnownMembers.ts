/**
 * What this machine remembers of each mesh, whatever a broker says later: the members that were proved, by the key each
 * was first seen with, the revocations, and whose key was compared by voice. It is in `state.db`, where each process adds
 * what it learnt to what is there. What cannot be understood is named in the error and never written over.
 */
import { withHint } from "@claudemesh/domain/WithHint"
import { join } from "node:path"
import { DisplayName, MeshId, PublicKey } from "@claudemesh/domain/Ids"
import { Context, Effect, FileSystem, Layer, Option, Result, Schema } from "effect"
import { takenOver } from "../local/Legacy.ts"
import type { FileUnusable, SecretExposed } from "../local/SecretFile.ts"
import { StateDb, type StateDbError } from "../local/StateDb.ts"
import { insertKnown, Known, nothingKnown, nothingRead, type Reading, readOn } from "./KnownRows.ts"

export { Known, nothingKnown, type Pin } from "./KnownRows.ts"

/** The content is none of ours. It is left as it is. */
export class KnownMembersBroken extends Schema.TaggedError<KnownMembersBroken>()("KnownMembersBroken", {
  path: Schema.String,
  problem: Schema.String,
}) {
  get what() {
    return `${this.path} cannot be understood: ${this.problem}.`
  }
  get hint() {
    return "Correct it, or move it away to trust this mesh's members anew."
  }
  override get message() {
    return withHint(this)
  }
}

export type KnownMembersError = KnownMembersBroken | FileUnusable | SecretExposed | StateDbError

/**
 * First come, first kept: nothing that is known is replaced. The longer list of revocations is taken where it goes on
 * from the other, and what was there first where the two have parted.
 */
export const withMore = (known: Known, more: Known): Known => {
  const goesOn = known.revocations.every(({ signature }, index) => more.revocations[index]?.signature === signature)
  return {
    revocations: goesOn ? more.revocations : known.revocations,
    members: firstOf([...known.members, ...more.members], ({ certificate }) => [
      `key ${certificate.publicKey}`,
      `id ${certificate.memberId}`,
    ]),
    invites: firstOf([...known.invites, ...more.invites], ({ publicKey }) => [publicKey]),
    byVoice: firstOf([...known.byVoice, ...more.byVoice], ({ publicKey }) => [publicKey]),
  }
}

/** Without those that share a name with one before them. */
const firstOf = <A>(all: ReadonlyArray<A>, namesOf: (one: A) => ReadonlyArray<string>): ReadonlyArray<A> => {
  const taken = new Set<string>()
  return all.filter((one) => {
    const names = namesOf(one)
    if (names.some((name) => taken.has(name))) return false
    for (const name of names) taken.add(name)
    return true
  })
}

export type LocalNames = ReadonlyMap<PublicKey, DisplayName>

export class KnownMembers extends Context.Service<
  KnownMembers,
  {
    /** Nothing where nothing was remembered yet; the very same object for as long as nothing is added, by anybody. */
    readonly read: (meshId: MeshId) => Effect.Effect<Known, KnownMembersError>
    readonly add: (meshId: MeshId, more: Known) => Effect.Effect<void, KnownMembersError>
    /** What the person of this machine calls members, in the place of the names that they chose. */
    readonly names: (meshId: MeshId) => Effect.Effect<LocalNames, StateDbError>
    /** Undefined: by their own name again. */
    readonly rename: (
      meshId: MeshId,
      key: PublicKey,
      name: DisplayName | undefined,
    ) => Effect.Effect<void, StateDbError>
  }
>()("@claudemesh/client/trust/KnownMembers") {
  static readonly layer = Layer.effect(
    KnownMembers,
    Effect.suspend(() => open),
  )

  /** Another one for each folder: a layer is built once, whatever is provided to it. */
  static readonly layerIn = (directory: string) =>
    Layer.fresh(KnownMembers.layer).pipe(Layer.provide(StateDb.layerIn(directory)))

  /** For as long as the layer lives. */
  static readonly memory = Layer.sync(KnownMembers, () => {
    const meshes = new Map<MeshId, Known>()
    const names = new Map<MeshId, LocalNames>()
    const of = (meshId: MeshId) => meshes.get(meshId) ?? nothingKnown
    return KnownMembers.of({
      read: (meshId) => Effect.sync(() => of(meshId)),
      add: (meshId, more) =>
        Effect.sync(() => {
          meshes.set(meshId, withMore(of(meshId), more))
        }),
      names: (meshId) => Effect.sync(() => names.get(meshId) ?? new Map()),
      rename: (meshId, key, name) =>
        Effect.sync(() => {
          const others = [...(names.get(meshId) ?? [])].filter(([one]) => one !== key)
          names.set(meshId, new Map(name === undefined ? others : [...others, [key, name]]))
        }),
    })
  })
}

const open = Effect.gen(function* () {
  const { directory, path, read, transaction } = yield* StateDb
  const context = yield* Effect.context<FileSystem.FileSystem>()
  const readings = new Map<MeshId, Reading>()

  const takeOver = (meshId: MeshId) => {
    if (directory === undefined) return Effect.void
    const file = join(directory, "known", `${meshId}.json`)
    return takenOver(
      file,
      Effect.fnUntraced(function* (text) {
        const known = Result.mapError(
          parseFile(text, meshId),
          (problem) => new KnownMembersBroken({ path: file, problem }),
        )
        yield* insert(meshId, yield* Effect.fromResult(known))
      }),
    ).pipe(Effect.provide(context))
  }

  const insert = (meshId: MeshId, more: Known) => transaction((db) => insertKnown(db, meshId, more), { durable: true })

  return KnownMembers.of({
    read: Effect.fnUntraced(function* (meshId) {
      yield* takeOver(meshId)
      const reading = yield* read((db) => readOn(db, meshId, readings.get(meshId) ?? nothingRead))
      const broken = Result.mapError(reading, ({ message }) => new KnownMembersBroken({ path, problem: message }))
      const now = yield* Effect.fromResult(broken)
      readings.set(meshId, now)
      return now.known
    }),
    add: (meshId, more) => Effect.andThen(takeOver(meshId), insert(meshId, more)),
    names: (meshId) =>
      read(
        (db) =>
          new Map(
            db
              .query("SELECT public_key, name FROM local_name WHERE mesh_id = ?")
              .all(meshId)
              .flatMap((row) =>
                Option.match(decodeName(row), {
                  onNone: () => [],
                  onSome: ({ name, public_key }) => [[public_key, name] as const],
                }),
              ),
          ),
      ),
    rename: (meshId, key, name) =>
      transaction((db) => {
        db.query("DELETE FROM local_name WHERE mesh_id = ? AND public_key = ?").run(meshId, key)
        if (name === undefined) return
        db.query("INSERT INTO local_name (mesh_id, public_key, name) VALUES (?, ?, ?)").run(meshId, key, name)
      }),
  })
})

const decodeName = Schema.decodeUnknownOption(Schema.Struct({ public_key: PublicKey, name: DisplayName }))

/** An earlier version had such a file for each mesh. */
const File = Schema.Struct({ version: Schema.Literal(1), meshId: MeshId, ...Known.fields })
const decodeFile = Schema.decodeUnknownResult(Schema.fromJsonString(File))

const parseFile = (text: string, meshId: MeshId): Result.Result<Known, string> =>
  Result.flatMap(
    Result.mapError(decodeFile(text), (error) => error.message),
    (file) => (file.meshId === meshId ? Result.succeed(file) : Result.fail("it is another mesh's")),
  )
