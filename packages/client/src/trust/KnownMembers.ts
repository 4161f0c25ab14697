/**
 * What this machine remembers of each mesh, whatever a broker says later: the members that were proved, by the key each
 * was first seen with, the revocations, and whose key was compared by voice. One file a mesh, in `known/` beside the
 * config. One writer, like the config: processes take turns by a lock file, and each adds what it learnt to what is
 * there. A file that cannot be understood is named in the error and never written over.
 */
import { join } from "node:path"
import { MeshId, PublicKey } from "@claudemesh/domain/Ids"
import { IsoTime } from "@claudemesh/domain/IsoTime"
import { Certificate } from "@claudemesh/domain/trust/Certificate"
import { Invite } from "@claudemesh/domain/trust/Invite"
import { Revocation } from "@claudemesh/domain/trust/Revocation"
import { Context, type Crypto, Effect, FileSystem, Layer, Option, Result, Schema, Semaphore } from "effect"
import { layerAtHome } from "../local/Home.ts"
import { withLockFile } from "../keys/LockFile.ts"
import { type FileUnusable, readSecretFile, type SecretExposed, writeSecretFile } from "../local/SecretFile.ts"

const Pin = Schema.Struct({ certificate: Certificate, firstSeen: IsoTime })
export type Pin = typeof Pin.Type

const ByVoice = Schema.Struct({ publicKey: PublicKey, at: IsoTime })

export const Known = Schema.Struct({
  revocations: Schema.Array(Revocation),
  /** Each key and each member id once: the first that was proved. */
  members: Schema.Array(Pin),
  /** Those that the members came by. */
  invites: Schema.Array(Invite),
  /** Members whose key was compared by voice, and when. */
  byVoice: Schema.Array(ByVoice),
})
export type Known = typeof Known.Type

export const nothingKnown: Known = { revocations: [], members: [], invites: [], byVoice: [] }

/** The content is none of ours. It is left as it is. */
export class KnownMembersBroken extends Schema.TaggedError<KnownMembersBroken>()("KnownMembersBroken", {
  path: Schema.String,
  problem: Schema.String,
}) {
  override get message() {
    return `${this.path} cannot be understood: ${this.problem}; correct it, or move it away to trust this mesh's members anew`
  }
}

export type KnownMembersError = KnownMembersBroken | FileUnusable | SecretExposed

/**
 * First come, first kept: nothing that is known is replaced. The longer list of revocations is taken where it goes on
 * from the other, and what was there first where the two have parted.
 */
export const withMore = (known: Known, more: Known): Known => {
  const keys = new Set(known.members.map(({ certificate }) => certificate.publicKey))
  const ids = new Set(known.members.map(({ certificate }) => certificate.memberId))
  const goesOn = known.revocations.every(({ signature }, index) => more.revocations[index]?.signature === signature)
  return {
    revocations: goesOn ? more.revocations : known.revocations,
    members: [
      ...known.members,
      ...more.members.filter(({ certificate }) => !keys.has(certificate.publicKey) && !ids.has(certificate.memberId)),
    ],
    invites: [
      ...known.invites,
      ...more.invites.filter((invite) => !known.invites.some(({ publicKey }) => publicKey === invite.publicKey)),
    ],
    byVoice: [
      ...known.byVoice,
      ...more.byVoice.filter((voice) => !known.byVoice.some(({ publicKey }) => publicKey === voice.publicKey)),
    ],
  }
}

export class KnownMembers extends Context.Service<
  KnownMembers,
  {
    /** Nothing where nothing was remembered yet; the very same object for as long as nothing is added, by anybody. */
    readonly read: (meshId: MeshId) => Effect.Effect<Known, KnownMembersError>
    readonly add: (meshId: MeshId, more: Known) => Effect.Effect<void, KnownMembersError>
  }
>()("@claudemesh/client/trust/KnownMembers") {
  /** In `CLAUDEMESH_HOME`, else in `~/.claudemesh`. */
  static readonly layer = layerAtHome((directory) => KnownMembers.layerIn(directory))

  static readonly layerIn = (directory: string) => Layer.effect(KnownMembers, open(join(directory, "known")))

  /** For as long as the layer lives. */
  static readonly memory = Layer.sync(KnownMembers, () => {
    const meshes = new Map<MeshId, Known>()
    const of = (meshId: MeshId) => meshes.get(meshId) ?? nothingKnown
    return KnownMembers.of({
      read: (meshId) => Effect.sync(() => of(meshId)),
      add: (meshId, more) =>
        Effect.sync(() => {
          meshes.set(meshId, withMore(of(meshId), more))
        }),
    })
  })
}

const File = Schema.Struct({ version: Schema.Literal(1), meshId: MeshId, ...Known.fields })
const decode = Schema.decodeUnknownResult(Schema.fromJsonString(File))

const parse = (text: string, meshId: MeshId): Result.Result<Known, string> =>
  Result.flatMap(
    Result.mapError(decode(text), (error) => error.message),
    (file) => (file.meshId === meshId ? Result.succeed(file) : Result.fail("it is another mesh's")),
  )

const format = (meshId: MeshId, { byVoice, invites, members, revocations }: Known): string =>
  `${JSON.stringify({ version: 1, meshId, revocations, members, invites, byVoice }, undefined, 2)}\n`

const open = Effect.fnUntraced(function* (directory: string) {
  const context = yield* Effect.context<FileSystem.FileSystem | Crypto.Crypto>()
  const alone = yield* Semaphore.make(1)
  const fileOf = (meshId: MeshId) => join(directory, `${meshId}.json`)

  const last = new Map<MeshId, { readonly stamp: string; readonly known: Known }>()

  /** It is written anew and renamed each time, so it is another file when anything in it is. */
  const stampOf = Effect.fnUntraced(function* (path: string) {
    const { ino, mode, mtime, size } = yield* (yield* FileSystem.FileSystem).stat(path)
    const written = Option.match(mtime, { onNone: () => "", onSome: (date) => date.getTime() })
    return [Option.getOrElse(ino, () => 0), mode, written, size].join(" ")
  }, Effect.option)

  const read = Effect.fnUntraced(function* (meshId: MeshId) {
    const stamp = Option.getOrUndefined(yield* stampOf(fileOf(meshId)))
    const before = last.get(meshId)
    if (stamp !== undefined && before?.stamp === stamp) return before.known
    const known = yield* readFile(meshId)
    if (stamp !== undefined) last.set(meshId, { stamp, known })
    return known
  })

  const readFile = Effect.fnUntraced(function* (meshId: MeshId) {
    const path = fileOf(meshId)
    const text = yield* readSecretFile(path)
    if (Option.isNone(text)) return nothingKnown
    const known = Result.mapError(parse(text.value, meshId), (problem) => new KnownMembersBroken({ path, problem }))
    return yield* Effect.fromResult(known)
  })

  const add = (meshId: MeshId, more: Known) =>
    Effect.flatMap(read(meshId), (known) =>
      writeSecretFile(fileOf(meshId), format(meshId, withMore(known, more))),
    ).pipe(withLockFile(join(directory, `${meshId}.lock`)), Semaphore.withPermit(alone))

  return KnownMembers.of({
    read: (meshId) => Effect.provide(read(meshId), context),
    add: (meshId, more) => Effect.provide(add(meshId, more), context),
  })
})
