/** What tests of a malicious broker share: who comes from nowhere, and what must not leave a client. */
import { formatTarget, Target } from "@claudemesh/domain/routing/Target"
import type { Trust } from "@claudemesh/domain/wire/BrokerFrame"
import { assert } from "@effect/vitest"
import { Effect } from "effect"
import type { BrokerClient } from "../../src/BrokerClient.ts"
import { FakeBroker, memberOf, peerOf, type Person, person, settle } from "./FakeBroker.ts"

export const mallory = person("Mallory")
export const carol = person("Carol")
export const hello = { text: "hello", priority: "now" as const }

/** Alice and Bob as an honest broker has them, and somebody more as this one says. */
export const lists = (broker: FakeBroker, who: Person, more: Partial<Trust> = {}) => {
  broker.members = [...broker.members, memberOf(who)]
  broker.peers = [...broker.peers, peerOf(who)]
  broker.trust = {
    certificates: [...broker.trust.certificates, ...(more.certificates ?? [])],
    invites: [...broker.trust.invites, ...(more.invites ?? [])],
    revocations: [...broker.trust.revocations, ...(more.revocations ?? [])],
  }
}

/** Nothing for `who` leaves the client: no message of its own, no group's, no profile. */
export const sealsNothingTo = Effect.fnUntraced(function* (broker: FakeBroker, client: BrokerClient, who: Person) {
  yield* settle
  yield* client.send({ ...hello, to: "*" })
  yield* client.setSummary("busy")
  const direct = { ...hello, to: Target.cases.Member.make({ key: who.publicKey }) }
  const byTarget = yield* Effect.flip(client.send(direct))
  const sealed = [...broker.sends, ...broker.sent("set_profile")].flatMap(({ sealedKeys = [] }) => sealedKeys)
  assert.isAbove(sealed.length, 0)
  assert.isFalse(sealed.some(({ pubkey }) => pubkey === who.publicKey))
  assert.isFalse(broker.sends.some(({ targetSpec }) => formatTarget(targetSpec).startsWith(who.publicKey)))
  return byTarget
})
