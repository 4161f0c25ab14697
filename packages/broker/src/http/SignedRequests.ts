/**
 * A request whose signature was checked. Only this module can make one, and nothing that changes a mesh takes anything
 * else, so no request acts for a key without its proof. What is cheap to see is looked at first, the nonce is
 * remembered last, and only while a request is handled and after it was granted: nobody can fill the memory, or use up a
 * key's rate, without that key, and nobody fills the memory with fresh keys that a mesh does not know.
 *
 * A nonce is remembered for as long as its time would let it be used again, by this process. What was signed before
 * the process began is refused, so a request that was used before a restart does nothing after it; only one whose
 * signer's clock was ahead could, and all that it can do is to be answered again: every change is idempotent.
 */
import type { MeshId, PublicKey } from "@claudemesh/domain/Ids"
import {
  parseProof,
  type RequestFacts,
  type RequestProof,
  requestSkewMillis,
  requestStatement,
} from "@claudemesh/domain/trust/SignedRequest"
import { Option, Result } from "effect"
import type { BrokerLimits } from "../Limits.ts"
import type { Verifier } from "../trust/HelloProof.ts"
import { Held } from "./Held.ts"
import type { RateLimit } from "./RateLimits.ts"

export interface RequestRefusal {
  readonly code: "unsigned" | "stale" | "replayed" | "bad_signature" | "rate_limited"
  readonly message: string
}

/** What of a request is signed and stands in it; the audience is known to the broker. */
export type ReceivedRequest = Omit<RequestFacts, "audience"> & {
  readonly header: string | undefined
  /** Whom it counts for, see `Address.ts`. */
  readonly address: string
}

export interface RequestContext {
  readonly nowMillis: number
  /** The origins a request may have been signed for. */
  readonly audiences: ReadonlyArray<string>
  readonly verifier: Pick<Verifier, "verify">
  readonly nonces: Nonces
  readonly rate: RateLimit<PublicKey>
}

/** What a route knows of requests that were made before. */
export type Nonces = Pick<RequestNonces, "isPast" | "has" | "remember" | "release">

/**
 * For requests that change nothing the second time: so there is no memory that a few keys could fill for all. What was
 * signed before the process began is refused all the same.
 */
export const noNonces = (startedMillis: number): Nonces => ({
  isPast: (signedAtMillis) => signedAtMillis < startedMillis,
  has: () => false,
  remember: () => true,
  release: () => {},
})

export type NonceBounds = Pick<
  BrokerLimits,
  "requestNoncesMax" | "requestNoncesPerKeyMax" | "requestNoncesPerAddressMax"
>

interface UsedNonce {
  readonly key: PublicKey
  readonly address: string
  readonly signedAtMillis: number
}

/**
 * Nonces that were used, and the time before which nothing is taken any more. There is room for each key and for each
 * address, so that neither a member nor a network takes the room of the others.
 */
export class RequestNonces {
  /** In the order of their coming. */
  readonly #used = new Map<string, UsedNonce>()
  readonly #ofKey = new Held<PublicKey>()
  readonly #ofAddress = new Held<string>()
  #takenUntil: number

  constructor(
    readonly bounds: NonceBounds,
    startedMillis: number,
  ) {
    this.#takenUntil = startedMillis - 1
  }

  get size(): number {
    return this.#used.size
  }

  /** Also after the clock was set back: what was forgotten is never taken again. */
  isPast(signedAtMillis: number): boolean {
    return signedAtMillis <= this.#takenUntil
  }

  has(key: PublicKey, nonce: string): boolean {
    return this.#used.has(nameOf(key, nonce))
  }

  /** False: there is no room, for this key, for this address or at all. */
  remember(nonce: string, used: UsedNonce, nowMillis: number): boolean {
    const { requestNoncesMax, requestNoncesPerAddressMax, requestNoncesPerKeyMax } = this.bounds
    const isFull = () =>
      this.#used.size >= requestNoncesMax ||
      this.#ofKey.count(used.key) >= requestNoncesPerKeyMax ||
      this.#ofAddress.count(used.address) >= requestNoncesPerAddressMax
    this.#forget(nowMillis, isFull)
    if (isFull()) return false
    this.#used.set(nameOf(used.key, nonce), used)
    this.#ofKey.take(used.key)
    this.#ofAddress.take(used.address)
    return true
  }

  /** Of a request that was not granted: it did nothing, and what it asks for may be asked again. */
  release(key: PublicKey, nonce: string): void {
    const name = nameOf(key, nonce)
    const used = this.#used.get(name)
    if (used !== undefined) this.#drop(name, used)
  }

  #drop(name: string, { address, key }: UsedNonce): void {
    this.#used.delete(name)
    this.#ofKey.release(key)
    this.#ofAddress.release(address)
  }

  /** The first that is still good ends it, unless room is needed: then all are looked at. */
  #forget(nowMillis: number, needsRoom: () => boolean): void {
    for (const [name, used] of this.#used) {
      if (nowMillis - used.signedAtMillis > requestSkewMillis) {
        this.#drop(name, used)
        this.#takenUntil = Math.max(this.#takenUntil, used.signedAtMillis)
      } else if (!needsRoom()) return
    }
  }
}

const nameOf = (key: PublicKey, nonce: string): string => `${key}${nonce}`

export class ProvedRequest {
  // Private, so that nothing of the same shape passes for a proof.
  readonly #proof: RequestProof

  private constructor(
    proof: RequestProof,
    readonly body: string,
  ) {
    this.#proof = proof
  }

  /** The key that signed it. What it may do is for the mesh to say. */
  get key(): PublicKey {
    return this.#proof.key
  }

  get mesh(): MeshId {
    return this.#proof.mesh
  }

  get nonce(): string {
    return this.#proof.nonce
  }

  /** By the clock of who signed it, which is near ours. */
  get signedAtMillis(): number {
    return Number(this.#proof.time)
  }

  static verify(request: ReceivedRequest, context: RequestContext): Result.Result<ProvedRequest, RequestRefusal> {
    if (request.header === undefined) return Result.fail(unsigned)
    const proof = Option.getOrUndefined(parseProof(request.header))
    if (proof === undefined) return Result.fail(unsigned)
    const refusal = refusalOf(proof, request, context)
    return refusal === undefined ? Result.succeed(new ProvedRequest(proof, request.body)) : Result.fail(refusal)
  }
}

const unsigned: RequestRefusal = { code: "unsigned", message: "sign the request in a claudemesh-signature header" }
const tooFast: RequestRefusal = { code: "rate_limited", message: "too many requests; come back slower" }

const refusalOf = (
  proof: RequestProof,
  request: ReceivedRequest,
  { audiences, nonces, nowMillis, rate, verifier }: RequestContext,
): RequestRefusal | undefined => {
  const { key, nonce } = proof
  const { address } = request
  const signedAtMillis = Number(proof.time)
  if (Math.abs(nowMillis - signedAtMillis) > requestSkewMillis) {
    return { code: "stale", message: "it was signed more than 60 s from the broker's clock; sign it again" }
  }
  if (nonces.isPast(signedAtMillis)) {
    return { code: "stale", message: "it was signed before the broker began; sign it again" }
  }
  if (nonces.has(key, nonce)) return { code: "replayed", message: "this request was used before; sign it again" }
  const signed = (audience: string) =>
    verifier.verify(requestStatement({ ...request, audience }, proof), proof.signature, key)
  if (!audiences.some(signed)) {
    return { code: "bad_signature", message: "the signature does not prove this request here" }
  }
  if (!rate.take(key, nowMillis)) return tooFast
  return nonces.remember(nonce, { key, address, signedAtMillis }, nowMillis) ? undefined : tooFast
}
