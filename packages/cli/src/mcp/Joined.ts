/**
 * The meshes that are joined now. The config is looked at again at each call, by what its file is and not by what is in
 * it: a mesh that was joined or left meanwhile is noticed, and one that cannot be read is an error of that call alone,
 * with the line that a person gets.
 */
import { statSync } from "node:fs"
import { dirname } from "node:path"
import type { BrokerClient } from "@claudemesh/client/BrokerClient"
import type { ConnectionState } from "@claudemesh/client/connection/ConnectionState"
import type { Identity } from "@claudemesh/client/connection/Handshake"
import { ConfigFile } from "@claudemesh/client/keys/ConfigFile"
import { makeMeshManager, type MeshManager } from "@claudemesh/client/MeshManager"
import type { Label } from "@claudemesh/domain/Ids"
import { Deferred, Effect, Stream, SubscriptionRef } from "effect"
import type { Failed } from "../Failed.ts"
import { joinedMeshes } from "../Meshes.ts"
import * as agentWords from "../words/agent.ts"

export interface Joined {
  /** As it is at this moment, for who only watches it. */
  readonly manager: MeshManager
  /** Who asks first goes on first: what is done with it keeps the order of the calls. */
  readonly now: Effect.Effect<MeshManager, Failed>
}

export const makeJoined = Effect.fnUntraced(function* (
  identity: Omit<Identity, "membership">,
  channels: ReadonlyArray<Label>,
) {
  const { path } = yield* ConfigFile
  const manager = yield* makeMeshManager([], identity)
  const context = yield* Effect.context<ConfigFile>()
  const scope = yield* Effect.scope
  /** Of the config that the manager knows. */
  let known: string | undefined
  /** One look for all who ask meanwhile: they go on when it is over, in the order in which they came. */
  let looking: Deferred.Deferred<MeshManager, Failed> | undefined

  const look = Effect.gen(function* () {
    const stamp = stampOf(path)
    const { started } = yield* manager.sync(yield* joinedMeshes)
    yield* tried(started)
    yield* Effect.forkIn(joinAll(started, channels), scope)
    known = stamp
    return manager
  }).pipe(Effect.provide(context))

  const now = Effect.suspend(() => {
    if (looking !== undefined) return Deferred.await(looking)
    if (stampOf(path) === known) return Effect.succeed(manager)
    known = undefined
    const over = Deferred.makeUnsafe<MeshManager, Failed>()
    looking = over
    const finished = Effect.onExit(look, (exit) => {
      looking = undefined
      return Deferred.done(over, exit)
    })
    return Effect.andThen(Effect.forkIn(finished, scope), Deferred.await(over))
  })

  return { manager, now } satisfies Joined
})

/** Another one whenever the file or its folder is another, or is somebody else's. */
const stampOf = (path: string): string => {
  const looked = (of: string) => {
    try {
      return statSync(of, { throwIfNoEntry: false })
    } catch {
      return undefined
    }
  }
  const [folder, file] = [looked(dirname(path)), looked(path)]
  return [folder?.ino, folder?.uid, folder?.mode, file?.ino, file?.uid, file?.mode, file?.mtimeMs, file?.size].join(" ")
}

const firstTryMillis = 2_000

const isTried = ({ _tag }: ConnectionState): boolean => _tag !== "Connecting"

/**
 * A call that comes before a mesh was tried would say that it is not connected, and the agent would give up. A mesh
 * that is away says so at once; only one that hangs is waited for, and not for long.
 */
const tried = (clients: ReadonlyArray<BrokerClient>) =>
  Effect.forEach(
    clients,
    ({ states }) => SubscriptionRef.changes(states).pipe(Stream.filter(isTried), Stream.runHead),
    { concurrency: "unbounded", discard: true },
  ).pipe(Effect.timeoutOption(firstTryMillis))

/** In every mesh, and not waited for. One that is away is joined when it is back. */
const joinAll = (clients: ReadonlyArray<BrokerClient>, channels: ReadonlyArray<Label>) =>
  Effect.forEach(
    clients.flatMap((client) => channels.map((channel) => ({ channel, client }))),
    ({ channel, client }) =>
      Effect.catch(client.joinChannel(channel), (error) =>
        Effect.logWarning(agentWords.aChannelIsNotJoinedYet, {
          slug: client.membership.slug,
          channel,
          reason: error.message,
        }),
      ),
    { concurrency: "unbounded", discard: true },
  )
