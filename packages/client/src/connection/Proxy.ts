/**
 * Through which proxy a URL is dialled, as the environment says it: HTTPS_PROXY for https and wss, HTTP_PROXY for http and
 * ws, in either case, else ALL_PROXY; and NO_PROXY for what needs none. Never for this machine, whatever the environment
 * says: a proxy elsewhere cannot reach it, and need not see what is said to it.
 */
import { Config, Effect } from "effect"
import { isLoopbackName } from "../keys/BrokerUrl.ts"

export interface ProxySettings {
  readonly https: string
  readonly http: string
  readonly not: string
}

const either = (name: string) =>
  Config.String(name.toLowerCase()).pipe(
    Config.orElse(() => Config.String(name)),
    Config.withDefault(""),
  )

export const proxySettings: Effect.Effect<ProxySettings> = Effect.orDie(
  Effect.gen(function* () {
    const all = yield* either("ALL_PROXY")
    const https = yield* either("HTTPS_PROXY")
    const http = yield* either("HTTP_PROXY")
    return { https: https === "" ? all : https, http: http === "" ? all : http, not: yield* either("NO_PROXY") }
  }),
)

/** Undefined where it is dialled directly. */
export const proxyFor = (url: string, { http, https, not }: ProxySettings): string | undefined => {
  if (!URL.canParse(url)) return undefined
  const { hostname, port, protocol } = new URL(url)
  const isTls = protocol === "https:" || protocol === "wss:"
  if (isLoopbackName(hostname) || isExcepted(hostname, port === "" ? (isTls ? "443" : "80") : port, not))
    return undefined
  const proxy = (isTls ? https : http).trim()
  if (proxy === "") return undefined
  return /^[a-z0-9+.-]+:\/\//i.test(proxy) ? proxy : `http://${proxy}`
}

/** As curl reads it: a name means its subdomains, too, `*` everything, and a port only that. */
const isExcepted = (hostname: string, port: string, not: string): boolean =>
  not.split(/[\s,]+/).some((entry) => {
    if (entry === "*") return true
    const [, name = "", onlyPort] = /^(\[[^\]]*\]|[^:]*(?::[^:]*:[^:]*)*)(?::(\d+))?$/.exec(entry.toLowerCase()) ?? []
    const bare = name.replace(/^\*?\./, "")
    if (bare === "" || (onlyPort !== undefined && onlyPort !== port)) return false
    const host = hostname.toLowerCase()
    return host === bare || host === `[${bare}]` || host.endsWith(`.${bare}`)
  })
