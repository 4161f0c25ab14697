/**
 * The meshes that are joined now. The config is looked at again at each call, by what its file is and not by what is in
 * it: a mesh that was joined or left meanwhile is noticed, and one that cannot be read is an error of that call alone,
 * with the line that a person gets.
 */
import type { BrokerClient } from "@claudemesh/client/BrokerClient"
import type { ConnectionState } from "@claudemesh/client/connection/ConnectionState"
import type { Identity } from "@claudemesh/client/connection/Handshake"
import { ConfigFile } from "@claudemesh/client/keys/ConfigFile"
import { makeMeshManager, type MeshManager } from "@claudemesh/client/MeshManager"
import type { Label } from "@claudemesh/domain/Ids"
import { Effect, Exit, FileSystem, Option, Schedule, Scope, Semaphore } from "effect"
import type { Failed } from "../Failed.ts"
import { joinedMeshes } from "../Meshes.ts"

export interface Joined {
  readonly now: Effect.Effect<MeshManager, Failed>
}

interface Opened {
  readonly stamp: string
  readonly manager: MeshManager
  readonly scope: Scope.Closeable
}

export const makeJoined = Effect.fnUntraced(function* (
  identity: Omit<Identity, "membership">,
  channels: ReadonlyArray<Label>,
) {
  const { path } = yield* ConfigFile
  const outer = yield* Effect.scope
  const context = yield* Effect.context<Effect.Services<ReturnType<typeof open>> | ConfigFile | FileSystem.FileSystem>()
  const alone = yield* Semaphore.make(1)
  let opened: Opened | undefined

  const now = Effect.gen(function* () {
    const stamp = yield* stampOf(path)
    if (opened?.stamp === stamp) return opened.manager
    const memberships = yield* joinedMeshes
    if (opened !== undefined) yield* Scope.close(opened.scope, Exit.void)
    opened = undefined
    const scope = yield* Scope.fork(outer)
    const manager = yield* open(memberships, identity, channels).pipe(Scope.provide(scope))
    opened = { stamp, manager, scope }
    return manager
  }).pipe(Semaphore.withPermit(alone), Effect.provide(context))

  return { now } satisfies Joined
})

const open = Effect.fnUntraced(function* (
  memberships: Parameters<typeof makeMeshManager>[0],
  identity: Omit<Identity, "membership">,
  channels: ReadonlyArray<Label>,
) {
  const manager = yield* makeMeshManager(memberships, identity)
  yield* tried(manager)
  yield* joinAll(manager.all, channels)
  return manager
})

/** Another one whenever the file is, or who may read it. Empty where there is none. */
const stampOf = Effect.fnUntraced(
  function* (path: string) {
    const { ino, mode, mtime, size, uid } = yield* (yield* FileSystem.FileSystem).stat(path)
    const written = Option.match(mtime, { onNone: () => "", onSome: (date) => date.getTime() })
    return [Option.getOrElse(ino, () => 0), Option.getOrElse(uid, () => 0), mode, written, size].join(" ")
  },
  Effect.orElseSucceed(() => ""),
)

const firstTryMillis = 2_000
const lookAgainMillis = 10

const isTried = ({ _tag }: ConnectionState): boolean => _tag !== "Connecting"

/**
 * A call that comes before a mesh was tried would say that it is not connected, and the agent would give up. A mesh
 * that is away says so at once; only one that hangs is waited for, and not for long.
 */
const tried = ({ all }: MeshManager) =>
  Effect.forEach(
    all,
    ({ state }) => Effect.repeat(state, { until: isTried, schedule: Schedule.spaced(lookAgainMillis) }),
    { concurrency: "unbounded" },
  ).pipe(Effect.timeoutOption(firstTryMillis))

/** In every mesh, and not waited for. One that is away is joined when it is back. */
const joinAll = (clients: ReadonlyArray<BrokerClient>, channels: ReadonlyArray<Label>) =>
  Effect.forEach(
    clients.flatMap((client) => channels.map((channel) => ({ channel, client }))),
    ({ channel, client }) =>
      Effect.catch(client.joinChannel(channel), (error) =>
        Effect.logWarning("a channel is not joined yet", {
          slug: client.membership.slug,
          channel,
          reason: error.message,
        }),
      ),
    { concurrency: "unbounded", discard: true },
  ).pipe(Effect.forkScoped)
