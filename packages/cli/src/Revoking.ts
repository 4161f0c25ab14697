/**
 * A key revoked: the next entry of the mesh's list is made from what this client knows, signed, brought to the broker,
 * and remembered here. What the broker has lost of the list goes first; when somebody else was faster it is looked at again.
 */
import type { BrokerClient } from "@claudemesh/client/BrokerClient"
import { revoke } from "@claudemesh/client/http/BrokerHttp"
import { signRevocation } from "@claudemesh/client/keys/SignRecords"
import { type KeyPair, Sodium } from "@claudemesh/client/keys/Sodium"
import type { PublicKey } from "@claudemesh/domain/Ids"
import type { Revocation } from "@claudemesh/domain/trust/Revocation"
import { Clock, Effect } from "effect"

/** With so many admins at it at once, one of them has to wait for a person to try again. */
const tries = 5

export const revokeKey = Effect.fnUntraced(function* (client: BrokerClient, subject: PublicKey, signer: KeyPair) {
  const sodium = yield* Sodium
  const once = Effect.gen(function* () {
    // Looks at the list first, so that all who came by the subject are known here, and kept.
    const unsigned = yield* client.revocationOf(subject, yield* Clock.currentTimeMillis)
    // It could not take the next one.
    yield* bringWithheld(client, signer)
    const revocation: Revocation = signRevocation(sodium, { ...unsigned, by: signer.publicKey }, signer.secretKey)
    yield* revoke(yield* client.brokerUrl, revocation, signer)
    return revocation
  })
  const isConflict = (error: { readonly _tag: string; readonly error?: string }) =>
    error._tag === "BrokerRefused" && error.error === "conflict"
  const revocation = yield* Effect.retry(once, { times: tries - 1, while: isConflict })
  yield* client.remember(revocation)
  return revocation
})

/** A broker on an older copy of its database has lost some. */
export const bringWithheld = Effect.fnUntraced(function* (client: BrokerClient, signer: KeyPair) {
  const brokerUrl = yield* client.brokerUrl
  for (const lost of yield* client.withheldRevocations) yield* revoke(brokerUrl, lost, signer)
})

/** Those who came by the key and stay, by their names. */
export const keptNames = ({ nameOf }: BrokerClient, { kept }: Revocation): string =>
  kept.map((key) => nameOf(key) ?? key.slice(0, 8)).join(", ")
