/** Why no connection came to be, over real sockets: by WebSocket and by HTTP it has the same name. */
import { createServer, type Socket } from "node:net"
import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Effect, Layer } from "effect"
import { FetchHttpClient } from "effect/unstable/http"
import { Dialer } from "../../src/connection/Dialer.ts"
import { BrokerPatience } from "../../src/connection/Patience.ts"
import { maySoonBeReached, unreachedFrom } from "../../src/connection/Unreached.ts"
import { layerWebSocket } from "../../src/connection/WebSocketDialer.ts"
import { health } from "../../src/http/BrokerHttp.ts"
import { expired, key, selfSigned } from "../support/Certificates.ts"

const answering = (status: number, tls?: { readonly key: string; readonly cert: string }) =>
  Effect.acquireRelease(
    Effect.sync(() =>
      Bun.serve({
        port: 0,
        hostname: "127.0.0.1",
        fetch: () => new Response("", { status }),
        ...(tls !== undefined && { tls }),
      }),
    ),
    (server) => Effect.promise(() => server.stop(true)),
  ).pipe(Effect.map(({ port }) => `127.0.0.1:${port}`))

/** Takes every connection, and says what it is given, or nothing. */
const saying = (text: string | undefined) =>
  Effect.acquireRelease(
    Effect.callback<{ readonly server: ReturnType<typeof createServer>; readonly asked: Array<string> }>((resume) => {
      const asked: Array<string> = []
      const server = createServer((socket: Socket) => {
        socket.on("error", () => undefined)
        socket.once("data", (data) => {
          asked.push(data.toString("latin1").split("\r\n")[0] ?? "")
          if (text !== undefined) socket.end(text)
        })
      })
      server.listen(0, "127.0.0.1", () => resume(Effect.succeed({ server, asked })))
    }),
    ({ server }) => Effect.sync(() => void server.close()),
  ).pipe(
    Effect.map(({ asked, server }) => {
      const address = server.address()
      return { asked, at: `127.0.0.1:${typeof address === "object" ? address?.port : 0}` }
    }),
  )

const closedPort = Effect.scoped(Effect.map(saying(undefined), ({ at }) => at))

/** By both ways, with an environment of its own. */
const causes = (
  host: string,
  { environment = {}, tls = false }: { environment?: Record<string, string>; tls?: boolean },
) =>
  Effect.gen(function* () {
    const dialler = yield* Dialer
    const secure = tls ? "s" : ""
    const dialled = yield* Effect.flip(Effect.scoped(dialler.dial(`ws${secure}://${host}/ws`)))
    const asked = yield* Effect.flip(health(`http${secure}://${host}`))
    if (asked._tag !== "BrokerUnreachable") return assert.fail(asked.message)
    assert.strictEqual(dialled.unreached?.words, asked.unreached.words)
    return { cause: [dialled.unreached?.cause, asked.unreached.cause], words: asked.unreached.words }
  }).pipe(
    Effect.provideService(BrokerPatience, { millis: 3_000 }),
    Effect.provide(ConfigProvider.layer(ConfigProvider.fromEnvRecord(environment))),
    Effect.provide(Layer.merge(layerWebSocket, FetchHttpClient.layer)),
  )

const twice = <A>(cause: A) => [cause, cause]

describe("a broker that is not reached", () => {
  it.live("is told by its cause, the same by WebSocket and by HTTP", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const closed = yield* closedPort
        const refused = yield* causes(closed, {})
        assert.deepStrictEqual(refused.cause, twice("refused"))
        assert.include(refused.words, "connection refused")

        const unknown = yield* causes("no-such-host.invalid", {})
        assert.deepStrictEqual(
          [unknown.cause, unknown.words],
          [twice("unknown_host"), "there is no host no-such-host.invalid"],
        )

        const starting = yield* causes(yield* answering(503), {})
        assert.deepStrictEqual(starting.cause, twice("not_up_yet"))
        assert.include(starting.words, "503")

        const other = yield* causes(yield* answering(404), {})
        assert.deepStrictEqual(other.cause, twice("http_status"))
        assert.include(other.words, "404")

        const tooOften = yield* causes(yield* answering(429), {})
        assert.deepStrictEqual(tooOften.cause, twice("not_up_yet"))
        assert.include(tooOften.words, "asked too often")

        const others = ["SSH-2.0-OpenSSH_9.6\r\n", "220 mail ESMTP\r\n", "HTTP/1.1 200 OK\r\nno colon here\r\n\r\n"]
        for (const other of others) {
          const { cause, words } = yield* causes((yield* saying(other)).at, {})
          assert.deepStrictEqual([cause, words], [twice("no_broker"), "what answers there does not speak HTTP"], other)
        }
        const upgraded = { message: "WebSocket connection to 'ws://a/ws' failed: Missing upgrade header" }
        assert.strictEqual(unreachedFrom(upgraded, "ws://a/ws", undefined).cause, "no_broker")
        const programmers = {
          code: "Other",
          message: "It broke. For more information, pass `verbose: true` to fetch()",
        }
        assert.strictEqual(unreachedFrom(programmers, "wss://a/ws", undefined).words, "It broke.")

        const { at: cutting } = yield* saying("")
        assert.deepStrictEqual((yield* causes(cutting, {})).cause, twice("cut"))
      }),
    ),
  )

  it.live("names what is wrong with a certificate", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const named = (host: string) => host.replace("127.0.0.1", "localhost")
        const old = yield* causes(named(yield* answering(200, { key, cert: expired })), { tls: true })
        assert.deepStrictEqual([old.cause, old.words], [twice("tls"), "its TLS certificate has expired"])
        const own = yield* causes(named(yield* answering(200, { key, cert: selfSigned })), { tls: true })
        assert.include(own.words, "self-signed")
        const none = yield* causes(yield* answering(200), { tls: true })
        assert.deepStrictEqual(none.cause, twice("tls"))
        assert.match(none.words, /^port \d+ does not speak TLS$/)
        const { cause, words } = unreachedFrom(
          { code: "ERR_TLS_CERT_ALTNAME_INVALID", message: "" },
          "wss://a/ws",
          undefined,
        )
        assert.deepStrictEqual([cause, words], ["tls", "its TLS certificate is for another host name"])
      }),
    ),
  )

  it.live("names the proxy that is in the way, and asks it for both, but never for this machine", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const proxy = yield* saying("HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
        const environment = { HTTP_PROXY: `http://ann:secret@${proxy.at}`, https_proxy: proxy.at }
        const clear = yield* causes("broker.test", { environment })
        assert.deepStrictEqual(clear.cause, twice("proxy"))
        assert.match(
          clear.words,
          /^the proxy 127\.0\.0\.1:\d+ \(HTTPS_PROXY or HTTP_PROXY\) wants a name and a password/,
        )
        yield* causes("broker.test", { environment, tls: true })
        assert.deepStrictEqual(proxy.asked, [
          "CONNECT broker.test:80 HTTP/1.1",
          "GET http://broker.test/health HTTP/1.1",
          "CONNECT broker.test:443 HTTP/1.1",
          "CONNECT broker.test:443 HTTP/1.1",
        ])
        const direct = yield* causes(yield* answering(404), { environment })
        assert.deepStrictEqual(direct.cause, twice("http_status"))
        assert.lengthOf(proxy.asked, 4)

        const gone = yield* causes("broker.test", { environment: { HTTP_PROXY: `http://${yield* closedPort}` } })
        assert.match(gone.words, /^the proxy .* cannot be reached$/)
      }),
    ),
  )

  it("is waited for where it may only be starting", () => {
    const soon = ["timed_out", "cut", "not_up_yet"] as const
    for (const cause of soon) assert.isTrue(maySoonBeReached({ cause, url: "", words: "" }), cause)
    for (const cause of ["refused", "unknown_host", "tls", "http_status", "proxy"] as const) {
      assert.isFalse(maySoonBeReached({ cause, url: "", words: "" }), cause)
    }
  })
})
