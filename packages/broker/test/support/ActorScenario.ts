/** The real actor on the real store, in virtual time: how a test of it is told. */
import { PresenceId, type PublicKey, RequestId } from "@claudemesh/domain/Ids"
import { messageIdOf } from "@claudemesh/domain/trust/MessageIdentity"
import type { BrokerFrame } from "@claudemesh/domain/wire/BrokerFrame"
import { Effect, Layer, References, type Scope } from "effect"
import { TestClock } from "effect/testing"
import { contentHashOf } from "../../src/connection/SendIdentity.ts"
import { brokerLimits, type BrokerLimits } from "../../src/Limits.ts"
import type { MeshActor } from "../../src/mesh/MeshActor.ts"
import { Command } from "../../src/state/MeshCommand.ts"
import { MeshHost } from "../../src/mesh/MeshHost.ts"
import { GroupCommits } from "../../src/store/GroupCommit.ts"
import { MessageStore } from "../../src/store/MessageStore.ts"
import { Ed25519 } from "../../src/trust/Ed25519.ts"
import {
  alice,
  bob,
  carol,
  type HelloChoices,
  helloOf,
  meshId,
  meshRecord,
  Peer,
  proofOf,
  rulesWith,
  type SendChoices,
  sendOf,
} from "./MeshScenario.ts"
import { noSpread } from "./NoSpread.ts"
import { sqliteInMemory, sqliteStoreOn } from "./Stores.ts"

export type Store = MessageStore["Service"]

/** The store with some of its ways changed for the test. */
const changed = (change: (store: Store) => Partial<Store>) =>
  Layer.effect(
    MessageStore,
    Effect.map(MessageStore, (store) => MessageStore.of({ ...store, ...change(store) })),
  )

interface Choices {
  readonly limits?: Partial<BrokerLimits>
  readonly change?: (store: Store) => Partial<Store>
  readonly ownerPublicKey?: PublicKey
}

export const scenario = <E>(
  tell: Effect.Effect<void, E, MeshHost | MessageStore | Ed25519 | Scope.Scope>,
  { change = () => ({}), limits = {}, ownerPublicKey = meshRecord.ownerPublicKey }: Choices = {},
) => {
  const rules = rulesWith(limits)
  const store = changed(change).pipe(Layer.provide(sqliteStoreOn(sqliteInMemory)))
  const host = MeshHost.local(rules).pipe(
    Layer.provideMerge(GroupCommits.layer(1, rules.limits)),
    Layer.provideMerge([store, Ed25519.layer]),
  )
  return Effect.flatMap(MessageStore, (made) =>
    made.createMesh({ ...meshRecord, ownerPublicKey }, undefined, [alice, bob, carol], 0),
  ).pipe(
    Effect.andThen(tell),
    Effect.provide(Layer.merge(host, noSpread)),
    Effect.provideService(References.MinimumLogLevel, "None"),
  )
}

/** Lets every fiber go as far as it can without time. */
export const settled = Effect.repeat(Effect.yieldNow, { times: 300 })

export const pass = (millis: number) => Effect.andThen(TestClock.adjust(millis), settled)

/** What has changed in the roster is told. A test's clock that jumps over this moment jumps over what is due behind it, too. */
export const told = pass(brokerLimits.presenceWindowMillis)

export const enter = Effect.flatMap(MeshHost, (host) => host.enter(meshId))

let presences = 0
export const authenticate = (mesh: MeshActor, peer: Peer, choices: HelloChoices = {}) => {
  presences += 1
  const hello = helloOf(peer.member, { ...choices, session: peer.session })
  return mesh.attach(proofOf(hello), peer.handle, PresenceId.make(`p-${presences}`))
}

export const attach = Effect.fnUntraced(function* (mesh: MeshActor, who: Peer["member"], choices: HelloChoices = {}) {
  const peer = new Peer(who, choices.session ?? "s1")
  yield* authenticate(mesh, peer, choices)
  yield* settled
  return peer
})

/** Whatever it is told, it fails: a defect in the middle of the actor's work. */
export const poisonous = (who: Peer["member"], type: BrokerFrame["type"] = "hello_ack") => {
  const peer = new Peer(who, "poison")
  peer.heard = (_, frame) => {
    if (frame.type === type) throw new Error("a defect")
  }
  return peer
}

export const offer = (mesh: MeshActor, from: Peer, to: string, choices: SendChoices) => {
  const frame = sendOf(to, choices)
  const messageId = messageIdOf(meshId, from.member.publicKey, choices.id ?? "")
  return mesh.offer(Command.Send({ peer: from.id, frame, messageId, contentHash: contentHashOf(frame) }))
}

export const send = (mesh: MeshActor, from: Peer, to: string, id: string, choices: SendChoices = {}) =>
  Effect.andThen(offer(mesh, from, to, { ...choices, id }), settled)

export const ack = (mesh: MeshActor, peer: Peer) =>
  Effect.andThen(
    mesh.offer(Command.Request({ peer: peer.id, frame: { type: "client_ack", messageIds: peer.pushed } })),
    settled,
  )

export const lease = (mesh: MeshActor, peer: Peer) =>
  Effect.andThen(
    mesh.offer(
      Command.Request({
        peer: peer.id,
        frame: { type: "lease", id: RequestId.make("lease"), messageIds: peer.pushed },
      }),
    ),
    settled,
  )

export const crash = (mesh: MeshActor) => Effect.andThen(Effect.flip(authenticate(mesh, poisonous(carol))), settled)

export const codes = (peer: Peer) => peer.closed.map((reason) => reason.code)

export const idsOf = (from: Peer, ...ids: ReadonlyArray<string>) =>
  ids.map((id) => messageIdOf(meshId, from.member.publicKey, id))

export const peersSeenBy = Effect.fnUntraced(function* (mesh: MeshActor, peer: Peer) {
  yield* mesh.offer(Command.Request({ peer: peer.id, frame: { type: "list_peers", id: RequestId.make("list") } }))
  yield* settled
  const attached = (peer.of("peers").at(-1)?.peers ?? []).filter((one) => one.attached)
  return attached.map((one) => `${one.memberId}/${one.sessionId}`)
})
