/**
 * Asks a broker whether it has a mesh and its member, before anything is entrusted to it: nothing of the outbox goes there and no
 * message is taken. A broker that only says yes proves nothing, so it has to show the member's own proof, up to the owner's key.
 */
import { ChainVerifier } from "@claudemesh/domain/trust/ChainVerifier"
import { type Duration, Effect, Schema } from "effect"
import { verifierOf } from "../keys/SignRecords.ts"
import { Sodium } from "../keys/Sodium.ts"
import { makeConnectionLoop } from "./ConnectionLoop.ts"
import type { Identity } from "./Handshake.ts"
import type { Request } from "./Requests.ts"

/** It answers as a broker does, and does not show what a broker of this mesh has. */
export class NotOfThisMesh extends Schema.TaggedError<NotOfThisMesh>()("NotOfThisMesh", { url: Schema.String }) {
  override get message() {
    return `what answers at ${this.url} does not show the proof of your membership, as a broker of this mesh would`
  }
}

export const askBroker = Effect.fnUntraced(function* (
  identity: Pick<Identity, "client" | "membership" | "sessionId">,
  within: Duration.Input,
) {
  const { brokerUrl, certificate, meshId, ownerPublicKey, pubkey } = identity.membership
  const loop = yield* makeConnectionLoop({ ...identity, maxInFlight: 0, presence: false })
  yield* Effect.forkScoped(
    loop.run({
      prepare: Effect.void,
      begin: Effect.void,
      receive: (frame) =>
        Effect.sync(() => {
          if (frame.type === "trust" || frame.type === "pong") loop.live()?.requests.settle(frame)
        }),
      during: Effect.never,
      lost: () => {},
    }),
  )
  yield* loop.awaitConnected(within)
  const { certificates, invites } = yield* loop.ask(
    (id): Request => ({ type: "get_trust", keys: [pubkey], after: 0, id }),
    "trust",
  )
  yield* loop.sayGoodbye
  // One of the first clients has nothing to hold a broker to.
  if (ownerPublicKey === undefined || certificate === undefined) return
  const verifier = new ChainVerifier(meshId, ownerPublicKey, verifierOf(yield* Sodium))
  for (const invite of invites) verifier.learnInvite(invite)
  for (const one of certificates) verifier.learnCertificate(one)
  if (verifier.standingOf(pubkey)._tag !== "Certified") return yield* new NotOfThisMesh({ url: brokerUrl })
}, Effect.scoped)
