/**
 * A hello whose signature was checked. Only this module can make one, and a mesh attaches nothing else, so no
 * connection is authenticated without a proof (I3). Everything that can be refused without the database is
 * refused here, before any work on it.
 */
import type { PublicKey, Signature } from "@claudemesh/domain/Ids"
import { helloSkewMillis } from "@claudemesh/domain/Limits"
import { helloStatementV1, helloStatementV2 } from "@claudemesh/domain/trust/HelloStatement"
import { type Hello, type HelloV1, type HelloV2, isHelloV2 } from "@claudemesh/domain/wire/ClientFrame"
import type { ErrorCode } from "@claudemesh/domain/wire/ErrorCode"
import { Result } from "effect"

export interface Verifier {
  readonly verify: (statement: string, signature: Signature, key: PublicKey) => boolean
}

/** What the broker knows of the socket a hello came on. */
export interface HelloContext {
  readonly nonce: string
  readonly nowMillis: number
  /** The origins a v2 hello may have been signed for. */
  readonly audiences: ReadonlyArray<string>
}

export interface HelloRefusal {
  readonly code: Extract<
    ErrorCode,
    | "timestamp_skew"
    | "bad_signature"
    | "unauthorized"
    | "revoked"
    | "replayed"
    | "capacity"
    | "session_in_use"
    | "unsupported"
    | "rate_limited"
  >
  readonly message: string
}

export class HelloProof {
  // Private, so that nothing of the same shape passes for a proof.
  readonly #hello: Hello

  private constructor(hello: Hello) {
    this.#hello = hello
  }

  get hello(): Hello {
    return this.#hello
  }

  get protocol(): 1 | 2 {
    return isHelloV2(this.#hello) ? 2 : 1
  }

  static verify(hello: Hello, context: HelloContext, verifier: Verifier): Result.Result<HelloProof, HelloRefusal> {
    const refusal = isHelloV2(hello) ? refusalV2(hello, context, verifier) : refusalV1(hello, context, verifier)
    return refusal === undefined ? Result.succeed(new HelloProof(hello)) : Result.fail(refusal)
  }
}

const badSignature: HelloRefusal = { code: "bad_signature", message: "the signature does not prove this key here" }

const refusalV1 = (hello: HelloV1, context: HelloContext, verifier: Verifier): HelloRefusal | undefined => {
  if (Math.abs(context.nowMillis - hello.timestamp) > helloSkewMillis) {
    return { code: "timestamp_skew", message: "the timestamp is more than 60 s from the broker's clock" }
  }
  return verifier.verify(helloStatementV1(hello), hello.signature, hello.pubkey) ? undefined : badSignature
}

const refusalV2 = (hello: HelloV2, context: HelloContext, verifier: Verifier): HelloRefusal | undefined => {
  // The nonce was made for this socket alone, so a hello that was heard elsewhere is refused here.
  if (hello.nonce !== context.nonce) return badSignature
  const signed = (audience: string) => verifier.verify(helloStatementV2(audience, hello), hello.signature, hello.pubkey)
  return context.audiences.some(signed) ? undefined : badSignature
}
