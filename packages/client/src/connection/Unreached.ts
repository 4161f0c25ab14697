/**
 * Why no connection to a broker came to be: one of these causes, with its words. Whoever dials makes it from what the
 * runtime says; what a person reads, and whether waiting could help, depend on the cause alone.
 */
import { Schema } from "effect"
import { brokerWords } from "./BrokerWords.ts"

export const UnreachedCause = Schema.Literals([
  "refused",
  "unknown_host",
  "no_dns",
  "no_route",
  "timed_out",
  "cut",
  "tls",
  "not_up_yet",
  "http_status",
  "no_broker",
  "proxy",
  "redirect",
  "unknown",
])
export type UnreachedCause = typeof UnreachedCause.Type

export const Unreached = Schema.Struct({ cause: UnreachedCause, url: Schema.String, words: Schema.String })
export type Unreached = typeof Unreached.Type

const certificateWords: Readonly<Record<string, string>> = {
  CERT_HAS_EXPIRED: "its TLS certificate has expired",
  CERT_NOT_YET_VALID: "its TLS certificate is not valid yet. Is the clock of this machine right?",
  DEPTH_ZERO_SELF_SIGNED_CERT: "its TLS certificate is self-signed, and this machine does not trust it",
  SELF_SIGNED_CERT_IN_CHAIN: "its TLS certificate was signed by an authority that this machine does not trust",
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: "its TLS certificate comes without the certificate of the authority that signed it",
  UNABLE_TO_GET_ISSUER_CERT: "its TLS certificate was signed by an authority that this machine does not know",
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: "its TLS certificate was signed by an authority that this machine does not know",
  ERR_TLS_CERT_ALTNAME_INVALID: "its TLS certificate is for another host name",
  CERT_REVOKED: "its TLS certificate was revoked",
}

/** A WebSocket has the same in OpenSSL's words, without a code. */
const certificateTexts: ReadonlyArray<readonly [RegExp, string]> = [
  [/has expired/i, "CERT_HAS_EXPIRED"],
  [/not yet valid/i, "CERT_NOT_YET_VALID"],
  [/self[- ]signed certificate in/i, "SELF_SIGNED_CERT_IN_CHAIN"],
  [/self[- ]signed/i, "DEPTH_ZERO_SELF_SIGNED_CERT"],
  [/altnames|hostname.*match/i, "ERR_TLS_CERT_ALTNAME_INVALID"],
  [/verify the first certificate/i, "UNABLE_TO_VERIFY_LEAF_SIGNATURE"],
  [/get (local )?issuer/i, "UNABLE_TO_GET_ISSUER_CERT"],
  [/revoked/i, "CERT_REVOKED"],
]

const hostOf = (url: string): string => (URL.canParse(url) ? new URL(url).host : url)
const nameOf = (url: string): string => (URL.canParse(url) ? new URL(url).hostname : url)

const byCode: Readonly<Record<string, (url: string) => Pick<Unreached, "cause" | "words">>> = {
  ECONNREFUSED: () => ({ cause: "refused", words: "nothing listens on that port (connection refused)" }),
  ENOTFOUND: (url) => ({ cause: "unknown_host", words: `there is no host ${nameOf(url)}` }),
  EAI_AGAIN: (url) => ({ cause: "no_dns", words: `the address of ${nameOf(url)} cannot be looked up now` }),
  ENETUNREACH: () => ({ cause: "no_route", words: "this machine has no network that leads there" }),
  EHOSTUNREACH: () => ({ cause: "no_route", words: "no route leads to that host" }),
  ETIMEDOUT: () => ({ cause: "timed_out", words: "the host does not answer" }),
  ECONNRESET: () => ({ cause: "cut", words: "the connection was cut before an answer came" }),
  EPIPE: () => ({ cause: "cut", words: "the connection was cut before an answer came" }),
}

export const unreachedBy = (cause: UnreachedCause, url: string, words: string): Unreached => ({ cause, url, words })

export const notInTime = (url: string, millis: number): Unreached =>
  unreachedBy("timed_out", url, `no answer in ${millis / 1000} s`)

/** What answers is there, and is not a broker; or one that starts, stops, or has too much to do. */
export const byStatus = (url: string, status: number): Unreached => {
  if ([502, 503, 504].includes(status)) {
    return unreachedBy(
      "not_up_yet",
      url,
      `it answers with HTTP status ${status}: it is starting, stopping or overloaded`,
    )
  }
  return status === 429
    ? unreachedBy("not_up_yet", url, "it answers with HTTP status 429: it is asked too often")
    : unreachedBy("http_status", url, `it answers with HTTP status ${status}, as no broker does`)
}

/** From what the runtime says of a failed connection. `proxy`: the one that it went through. */
export const unreachedFrom = (error: unknown, url: string, proxy: string | undefined): Unreached => {
  const { code, message } = saidBy(error)
  const status = /Expected 101 status code:? ?(\d{3})/.exec(message)?.[1]
  if (status !== undefined) return byStatus(url, Number(status))
  if (proxy !== undefined && isOfProxy(code, message)) return byProxy(url, proxy, code, message)
  const certificate =
    certificateWords[code] ?? certificateWords[certificateTexts.find(([text]) => text.test(message))?.[1] ?? ""]
  if (certificate !== undefined) return unreachedBy("tls", url, certificate)
  if (code === "EPROTO" || /WRONG_VERSION_NUMBER|handshake failed/i.test(message)) {
    return unreachedBy("tls", url, `port ${portOf(url)} does not speak TLS`)
  }
  if (/(?:missing|invalid|mismatch) .*header/i.test(message)) {
    return unreachedBy("no_broker", url, "something answers there that is not a broker")
  }
  if (isNoHttp(code, message)) return unreachedBy("no_broker", url, "what answers there does not speak HTTP")
  const known = byCode[code]?.(url)
  if (known !== undefined) return { url, ...known }
  if (/closed|reset/i.test(message)) return unreachedBy("cut", url, "the connection was cut before an answer came")
  if (/redirect/i.test(message))
    return unreachedBy("redirect", url, "it sends on to another address, as no broker does")
  return unreachedBy("unknown", url, message === "" ? "the connection failed" : wordsOf(message))
}

/** In the words of Bun's parsers, which a person has no use for. */
const isNoHttp = (code: string, message: string): boolean =>
  /^(?:Malformed|Invalid|HPE_|HTTP|Zlib|Brotli|Zstd)/.test(code) || /Invalid response|headers too large/i.test(message)

/** What the runtime says to programmers, such as where to pass which argument, is left out. */
const wordsOf = (message: string): string =>
  brokerWords(
    message.replace(/\s*For more information, pass .*$/s, "").replace(/^WebSocket connection to .* failed: /, ""),
  )

const portOf = (url: string): string => {
  if (!URL.canParse(url)) return ""
  const { port, protocol } = new URL(url)
  return port === "" ? (/^(https|wss):$/.test(protocol) ? "443" : "80") : port
}

const isOfProxy = (code: string, message: string): boolean =>
  /proxy/i.test(message) || /PROXY/.test(code) || ["ECONNREFUSED", "ENOTFOUND", "ETIMEDOUT"].includes(code)

const byProxy = (url: string, proxy: string, code: string, message: string): Unreached => {
  // A password may stand in it.
  const at = `the proxy ${hostOf(proxy)} (HTTPS_PROXY or HTTP_PROXY)`
  const status = /\b([45]\d{2})\b/.exec(message)?.[1]
  if (status === "407") return unreachedBy("proxy", url, `${at} wants a name and a password (407)`)
  if (status !== undefined) return unreachedBy("proxy", url, `${at} does not lead there (${status})`)
  return code === "ECONNREFUSED" || code === "ENOTFOUND" || code === "ETIMEDOUT"
    ? unreachedBy("proxy", url, `${at} cannot be reached`)
    : unreachedBy("proxy", url, `${at} does not lead there`)
}

const saidBy = (error: unknown): { readonly code: string; readonly message: string } => {
  if (typeof error !== "object" || error === null) return { code: "", message: String(error) }
  const code = "code" in error && typeof error.code === "string" ? error.code : ""
  const message = "message" in error && typeof error.message === "string" ? error.message : ""
  return { code, message }
}

/** A broker that is starting, or a network that was cut, is there in a moment; the rest is not over by waiting. */
export const maySoonBeReached = ({ cause }: Unreached): boolean => ["timed_out", "cut", "not_up_yet"].includes(cause)
