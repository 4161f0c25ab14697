/**
 * The certificate and the key that the listener encrypts with, from two files. They are looked through before they are used, so that
 * a wrong file is named with its cause at the start, and leaves a broker that runs as it is.
 */
import { createPrivateKey, X509Certificate } from "node:crypto"
import { readFileSync } from "node:fs"
import { systemWords } from "@claudemesh/domain/SystemWords"
import { Effect, Schema } from "effect"

export interface TlsPaths {
  readonly certPath: string
  readonly keyPath: string
}

/** As Bun takes them. */
export interface Tls {
  readonly cert: string
  readonly key: string
  readonly expiresMillis: number
}

export class TlsUnusable extends Schema.TaggedError<TlsUnusable>()("TlsUnusable", {
  variable: Schema.Literals(["BROKER_TLS_CERT", "BROKER_TLS_KEY"]),
  path: Schema.String,
  problem: Schema.String,
}) {
  override get message() {
    return `${this.variable}: ${this.path} cannot be used: ${this.problem}`
  }
}

export const readTls = Effect.fnUntraced(function* ({ certPath, keyPath }: TlsPaths, nowMillis: number) {
  const ofCert = (problem: string) => new TlsUnusable({ variable: "BROKER_TLS_CERT", path: certPath, problem })
  const ofKey = (problem: string) => new TlsUnusable({ variable: "BROKER_TLS_KEY", path: keyPath, problem })
  const textOf = (path: string, unusable: typeof ofCert) =>
    Effect.try({ try: () => readFileSync(path, "utf8"), catch: (cause) => unusable(systemWords(cause)) })

  const cert = yield* textOf(certPath, ofCert)
  const certificate = yield* Effect.try({
    try: () => new X509Certificate(cert),
    catch: () => ofCert("it is not a certificate in PEM"),
  })
  const key = yield* textOf(keyPath, ofKey)
  const secret = yield* Effect.try({
    try: () => createPrivateKey(key),
    catch: () => ofKey("it is not a private key in PEM, or it has a passphrase"),
  })
  if (!certificate.checkPrivateKey(secret)) return yield* ofKey("it is not the key of the certificate")
  if (Date.parse(certificate.validFrom) > nowMillis) {
    return yield* ofCert(`it is not valid before ${certificate.validFrom}. Is the clock right?`)
  }
  const expiresMillis = Date.parse(certificate.validTo)
  if (expiresMillis <= nowMillis) return yield* ofCert(`it has expired on ${certificate.validTo}`)
  return { cert, key, expiresMillis } satisfies Tls
})
