/** Requests that never end, over raw sockets: each is cut off within a fixed time, whatever keeps trickling in. */
import { connect, type Socket } from "node:net"
import { assert, describe, it } from "@effect/vitest"
import { withBroker } from "../support/TestBroker.ts"

interface Ended {
  readonly afterMillis: number
  readonly answered: string
}

/** Sends the beginning at once, then the rest over and over, a byte at a time, until the broker hangs up. */
const trickle = async (origin: string, beginning: string, rest: string, everyMillis = 200): Promise<Ended> => {
  const { hostname, port } = new URL(origin)
  const startedAt = performance.now()
  let answered = ""
  const socket: Socket = connect(Number(port), hostname, () => socket.write(beginning))
  socket.on("data", (bytes) => (answered += bytes.toString()))
  // The broker hung up while a byte was on its way.
  socket.on("error", () => {})
  const closed = new Promise<boolean>((resolve) => socket.on("close", () => resolve(true)))
  for (let sent = 0; ; sent++) {
    if (await Promise.race([closed, Bun.sleep(everyMillis).then(() => false)])) break
    socket.write(rest.charAt(sent % rest.length))
  }
  return { afterMillis: performance.now() - startedAt, answered }
}

const headersOf = (method: string, path: string, ...more: ReadonlyArray<string>): string =>
  [`${method} ${path} HTTP/1.1`, "host: 127.0.0.1", ...more, ""].join("\r\n")
const json = ["content-type: application/json", "content-length: 5000"]

/** Bun gives headers 10 s, and looks at its sockets every four seconds. */
const withinMillis = 16_000

describe("a request that trickles in is cut off", () => {
  const limits = { httpRequestTimeoutMillis: 1_000 }

  it.live("in its body, with 408, to every path that takes one (I23)", () =>
    withBroker(
      async ({ origin }) => {
        const paths = ["/meshes", "/invites", "/join", "/revocations"]
        const all = paths.map((path) => trickle(origin, `${headersOf("POST", path, ...json)}\r\n`, "a"))
        for (const { afterMillis, answered } of await Promise.all(all)) {
          assert.match(answered, /^HTTP\/1\.1 408 /)
          assert.isBelow(afterMillis, withinMillis)
        }
      },
      { limits },
    ),
  )

  it.live("in its headers, also those of a WebSocket, and in a body that nobody reads (I23)", () =>
    withBroker(
      async ({ origin }) => {
        const all = [
          trickle(origin, headersOf("GET", "/health"), "x-padding: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"),
          trickle(origin, headersOf("GET", "/ws", "upgrade: websocket"), "x-padding: aaaaaaaaaaaaaaaaaaaaaaaaaaaa"),
          trickle(origin, "GE", "TTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTT"),
          trickle(origin, `${headersOf("POST", "/no-such-path", ...json)}\r\n`, "a"),
          trickle(origin, `${headersOf("POST", "/join", "content-type: text/plain", "content-length: 5000")}\r\n`, "a"),
        ]
        for (const { afterMillis } of await Promise.all(all)) assert.isBelow(afterMillis, withinMillis)
      },
      { limits },
    ),
  )
})

describe("a WebSocket", () => {
  it.live("is never compressed, whatever the client offers", () =>
    withBroker(async ({ origin }) => {
      const { hostname, port } = new URL(origin)
      const answered = await new Promise<string>((resolve) => {
        const upgrade = headersOf(
          "GET",
          "/ws",
          "connection: upgrade",
          "upgrade: websocket",
          "sec-websocket-version: 13",
          "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==",
          "sec-websocket-extensions: permessage-deflate; client_max_window_bits",
        )
        const socket: Socket = connect(Number(port), hostname, () => socket.write(`${upgrade}\r\n`))
        socket.once("data", (bytes) => {
          resolve(bytes.toString())
          socket.destroy()
        })
      })
      assert.match(answered, /^HTTP\/1\.1 101 /)
      assert.notMatch(answered, /sec-websocket-extensions/i)
    }),
  )
})
