/**
 * What a member signs to prove itself. v1 signs a time, v2 the broker's nonce and the origin it dialled, so
 * that a broker cannot pass the proof on to another one.
 */
import type { HelloV1, HelloV2 } from "../wire/ClientFrame.ts"

export const helloStatementV1 = (hello: Pick<HelloV1, "meshId" | "memberId" | "pubkey" | "timestamp">): string =>
  `${hello.meshId}|${hello.memberId}|${hello.pubkey}|${hello.timestamp}`

/** `audience` is an origin such as `wss://mesh.example.com`, see {@link audienceOf}. */
export const helloStatementV2 = (
  audience: string,
  hello: Pick<HelloV2, "meshId" | "memberId" | "pubkey" | "sessionId" | "nonce">,
): string =>
  ["claudemesh-hello-v2", audience, hello.meshId, hello.memberId, hello.pubkey, hello.sessionId, hello.nonce].join("\n")

/** The origin of a broker's URL as both ends write it: `ws` or `wss`, lower-case host, no default port. */
export const audienceOf = (url: string): string | undefined => {
  if (!URL.canParse(url)) return undefined
  const { host, protocol } = new URL(url)
  const scheme = { "http:": "ws:", "https:": "wss:", "ws:": "ws:", "wss:": "wss:" }[protocol]
  return scheme === undefined || host === "" ? undefined : `${scheme}//${host}`
}
