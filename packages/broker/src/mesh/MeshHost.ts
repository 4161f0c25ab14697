/**
 * The port through which a connection reaches its mesh. `local` runs the actors in this process, each for as
 * long as somebody holds it and a while after. Nothing outside may assume that a mesh lives in this process.
 */
import type { MeshId } from "@claudemesh/domain/Ids"
import { Context, Duration, Effect, Layer, RcMap, Schema, type Scope } from "effect"
import { GroupCommits } from "../store/GroupCommit.ts"
import { MessageStore, type StoreError } from "../store/MessageStore.ts"
import { Ed25519 } from "../trust/Ed25519.ts"
import { makeMeshActor, type MeshActor } from "./MeshActor.ts"
import type { MeshRules } from "../state/MeshState.ts"

export class UnknownMesh extends Schema.TaggedError<UnknownMesh>()("UnknownMesh", {}) {}

export class MeshHost extends Context.Service<
  MeshHost,
  {
    /** Holds the mesh for the caller's scope. */
    readonly enter: (meshId: MeshId) => Effect.Effect<MeshActor, UnknownMesh | StoreError, Scope.Scope>
    /** Those that somebody holds, or has held a while ago; for the caller's scope. */
    readonly running: Effect.Effect<ReadonlyArray<MeshActor>, never, Scope.Scope>
  }
>()("@claudemesh/broker/mesh/MeshHost") {
  static readonly local = (rules: MeshRules) =>
    Layer.effect(
      MeshHost,
      Effect.gen(function* () {
        const store = yield* MessageStore
        const groupCommits = yield* GroupCommits
        const ed25519 = yield* Ed25519
        const actors = yield* RcMap.make({
          lookup: (meshId: MeshId) =>
            makeMeshActor(meshId, rules).pipe(
              Effect.provideService(MessageStore, store),
              Effect.provideService(GroupCommits, groupCommits),
              Effect.provideService(Ed25519, ed25519),
            ),
          idleTimeToLive: Duration.millis(rules.limits.meshIdleMillis),
        })
        return MeshHost.of({
          // Asked before an actor is made, so that hellos for meshes that are none leave nothing behind.
          enter: Effect.fnUntraced(function* (meshId) {
            const running = yield* RcMap.has(actors, meshId)
            if (!running && !(yield* store.meshExists(meshId))) return yield* new UnknownMesh()
            return yield* RcMap.get(actors, meshId)
          }),
          running: Effect.flatMap(RcMap.keys(actors), (meshIds) =>
            Effect.forEach([...meshIds], (meshId) => RcMap.get(actors, meshId)),
          ),
        })
      }),
    )
}
