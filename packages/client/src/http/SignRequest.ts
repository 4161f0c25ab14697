/**
 * Proves a request over HTTP: the header that `SignedRequest.ts` of the domain defines, made anew for every attempt, so
 * that no broker sees one twice.
 */
import type { MeshId } from "@claudemesh/domain/Ids"
import { audienceOf } from "@claudemesh/domain/trust/HelloStatement"
import { formatProof, type RequestFacts, requestStatement } from "@claudemesh/domain/trust/SignedRequest"
import { Clock, Effect } from "effect"
import { randomHex } from "../keys/RandomBytes.ts"
import { type KeyPair, Sodium } from "../keys/Sodium.ts"
import type { BrokerUrl } from "../keys/BrokerUrl.ts"

/** The value of the header `claudemesh-signature`. */
export const signRequest = Effect.fnUntraced(function* (
  brokerUrl: BrokerUrl,
  request: Pick<RequestFacts, "method" | "path" | "body">,
  mesh: MeshId,
  { publicKey, secretKey }: KeyPair,
) {
  // A `BrokerUrl` has an origin.
  const facts = { ...request, audience: audienceOf(brokerUrl) ?? "" }
  const time = String(yield* Clock.currentTimeMillis)
  const unsigned = { mesh, key: publicKey, time, nonce: yield* randomHex(16) }
  const { sign } = yield* Sodium
  return formatProof({ ...unsigned, signature: sign(requestStatement(facts, unsigned), secretKey) })
})
