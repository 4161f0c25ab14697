/** A broker has one port: its WebSocket is at `/ws`, everything else is HTTP at the same origin. */
import { Option, Schema } from "effect"

const isBrokerUrl = (text: string): boolean => {
  if (!URL.canParse(text)) return false
  const { hash, hostname, pathname, protocol, search } = new URL(text)
  return /^wss?:$/.test(protocol) && hostname !== "" && pathname.endsWith("/ws") && search === "" && hash === ""
}

/** Such as `wss://mesh.example.com/ws`. */
export const BrokerUrl = Schema.String.check(
  Schema.makeFilter((text: string) => isBrokerUrl(text) || "a broker's URL, such as wss://mesh.example.com/ws"),
).pipe(Schema.brand("BrokerUrl"))
export type BrokerUrl = typeof BrokerUrl.Type

const scheme = (from: string, pairs: Readonly<Record<string, string>>) => pairs[from]

/** `wss://host/ws` as `https://host`: what the paths of the broker's HTTP API are put behind. */
export const httpOriginOf = (brokerUrl: BrokerUrl): string => {
  const { host, pathname, protocol } = new URL(brokerUrl)
  return `${scheme(protocol, { "ws:": "http:", "wss:": "https:" })}//${host}${pathname.slice(0, -"/ws".length)}`
}

/** From what a person types, with or without `/ws`; `http` and `ws` mean the same. None for anything else. */
export const brokerUrlOf = (typed: string): Option.Option<BrokerUrl> => {
  if (!URL.canParse(typed)) return Option.none()
  const { host, pathname, protocol } = new URL(typed)
  const ws = scheme(protocol, { "http:": "ws:", "https:": "wss:", "ws:": "ws:", "wss:": "wss:" })
  const path = pathname.replace(/\/+$/, "")
  return Schema.decodeUnknownOption(BrokerUrl)(`${ws}//${host}${path.endsWith("/ws") ? path : `${path}/ws`}`)
}

/** The same machine, by the names and addresses that mean nothing else. */
export const isLoopback = (brokerUrl: BrokerUrl): boolean => isLoopbackName(new URL(brokerUrl).hostname)

/** As a URL has it. */
export const isLoopbackName = (hostname: string): boolean =>
  /^(localhost|.+\.localhost|127(\.\d+){3}|\[::1\]|\[::ffff:7f[0-9a-f]{2}:[0-9a-f]{1,4}\])$/.test(hostname)

/** Without TLS, over a network. */
export const isSentInClear = (brokerUrl: BrokerUrl): boolean => brokerUrl.startsWith("ws:") && !isLoopback(brokerUrl)
