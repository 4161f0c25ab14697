/**
 * How a request over HTTP is proved: one header, signed over everything that the request is. The broker takes a nonce
 * once and a time near its own, so no request that was overheard works again, here or at another broker.
 */
import { hash } from "node:crypto"
import { Option, Schema } from "effect"
import { MeshId, PublicKey, Signature } from "../Ids.ts"

export const signatureHeader = "claudemesh-signature"

/** How far the request's time may be from the broker's. */
export const requestSkewMillis = 60_000

const fields = {
  mesh: MeshId,
  key: PublicKey,
  /** Milliseconds since the epoch. */
  time: Schema.String.check(Schema.isPattern(/^[1-9]\d{0,14}$/, { expected: "milliseconds since the epoch" })),
  nonce: Schema.String.check(Schema.isPattern(/^[0-9a-f]{32}$/, { expected: "16 bytes in hex" })),
  signature: Signature,
}
export const RequestProof = Schema.Struct(fields)
export type RequestProof = typeof RequestProof.Type

export interface RequestFacts {
  /** The origin dialled, see `audienceOf`. */
  readonly audience: string
  readonly method: "GET" | "POST"
  /** Such as `/invites`: what stands behind the broker's address. */
  readonly path: string
  readonly body: string
}

export const requestStatement = (
  { audience, body, method, path }: RequestFacts,
  { key, mesh, nonce, time }: Omit<RequestProof, "signature">,
): string =>
  ["claudemesh-request-v1", audience, method, path, hash("sha256", body, "hex"), mesh, key, time, nonce].join("\n")

const names = ["mesh", "key", "time", "nonce", "signature"] as const

/** `mesh=… key=… time=… nonce=… signature=…`, in this order and no other. */
export const formatProof = (proof: RequestProof): string => names.map((name) => `${name}=${proof[name]}`).join(" ")

const decode = Schema.decodeUnknownOption(RequestProof)

export const parseProof = (header: string): Option.Option<RequestProof> => {
  if (header.length > 1_024) return Option.none()
  const pairs = header.split(" ").map((pair) => pair.split("="))
  return decode(Object.fromEntries(pairs)).pipe(Option.filter((proof) => formatProof(proof) === header))
}
