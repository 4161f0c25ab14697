/**
 * Whose address a request counts for. The socket's peer is the only one that cannot be made up; with proxies in front,
 * each adds the address it was called from at the right end of `X-Forwarded-For`, and what stands further left is
 * the caller's own word.
 */
import { isIP } from "node:net"
import type { Server } from "bun"
import type { BrokerConfig } from "../Config.ts"

export const callerOf = (
  { trustedProxies }: Pick<BrokerConfig, "trustedProxies">,
  request: Request,
  server: Pick<Server<unknown>, "requestIP">,
): string =>
  addressOf(server.requestIP(request)?.address ?? "unknown", request.headers.get("x-forwarded-for"), trustedProxies)

/** `proxies`: how many stand in front, so the entry to believe is that many from the right. */
export const addressOf = (peer: string, forwardedFor: string | null, proxies: number): string => {
  if (proxies === 0 || forwardedFor === null) return grouped(peer)
  const hops = forwardedFor.split(",").map((hop) => withoutPort(hop.trim()))
  // Fewer than there should be: somebody called an inner proxy itself, which still added what it saw.
  const hop = hops[Math.max(0, hops.length - proxies)] ?? ""
  return grouped(isIP(hop) === 0 ? peer : hop)
}

const withoutPort = (hop: string): string =>
  /^\[([^\]]+)\](?::\d+)?$/.exec(hop)?.[1] ?? hop.replace(/^([\d.]+):\d+$/, "$1")

/** One subscriber has a whole /64 of IPv6, so that is one address here. */
const grouped = (address: string): string => {
  if (isIP(address) !== 6) return address
  const mapped = /^::ffff:([\d.]+)$/i.exec(address)?.[1]
  if (mapped !== undefined) return mapped
  // The URL parser writes every IPv6 address in one way.
  const [head = "", tail = ""] = new URL(`http://[${address.split("%")[0]}]`).hostname.slice(1, -1).split("::")
  const [before, after] = [head, tail].map((part) => (part === "" ? [] : part.split(":")))
  const zeros = Array.from({ length: 8 - (before?.length ?? 0) - (after?.length ?? 0) }, () => "0")
  return [...(before ?? []), ...zeros, ...(after ?? [])].slice(0, 4).join(":")
}
