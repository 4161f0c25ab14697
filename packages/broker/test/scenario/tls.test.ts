/** `wss://` without a proxy: a real handshake that is verified, a certificate that changes under open sockets, files that cannot be used. */
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { connect } from "node:tls"
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { Effect, Exit } from "effect"
import { readTls } from "../../src/http/TlsFiles.ts"
import { makeMesh, type TestMesh } from "../support/Meshes.ts"
import { RawClient } from "../support/RawClient.ts"
import { withBroker } from "../support/TestBroker.ts"

const openssl = Bun.which("openssl")
const folder = mkdtempSync(join(tmpdir(), "claudemesh-test-"))
const path = (name: string): string => join(folder, name)
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** Signs itself, so it is what a client trusts as well. */
const certify = (name: string): void => {
  const key = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
  const names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "30"]
  const files = ["-keyout", path(`${name}.key`), "-out", path(`${name}.crt`)]
  const made = Bun.spawnSync([openssl ?? "", ...key, ...names, ...files])
  assert.strictEqual(made.exitCode, 0, made.stderr.toString())
}

/** Fails where the certificate is not one that `ca` vouches for. */
const handshake = (port: number, ca: string): Promise<string> =>
  new Promise((resolve, reject) => {
    const socket = connect({ port, host: "127.0.0.1", ca: readFileSync(path(ca)) }, () => {
      resolve(socket.getPeerCertificate().fingerprint256)
      socket.end()
    })
    socket.on("error", reject)
  })

const use = (name: string): void => {
  copyFileSync(path(`${name}.key`), path("used.key"))
  copyFileSync(path(`${name}.crt`), path("used.crt"))
}

describe.skipIf(openssl === null)("TLS without a proxy", () => {
  beforeAll(() => {
    certify("first")
    certify("second")
  })

  let mesh: TestMesh
  const dataDir = path("data")
  const environment = { BROKER_DATA_DIR: dataDir, BROKER_TLS_CERT: path("used.crt"), BROKER_TLS_KEY: path("used.key") }

  it.live("takes a client that verifies it, and gives new ones the new certificate while the old one stays", () =>
    Effect.andThen(
      withBroker(async ({ origin }) => void (mesh = await makeMesh(origin)), {
        environment: { BROKER_DATA_DIR: dataDir },
      }),
      Effect.suspend(() => {
        use("first")
        return withBroker(renews, { environment, limits: { tlsCheckMillis: 20 } })
      }),
    ),
  )

  const renews = async (broker: { readonly url: string; readonly connections: () => number }): Promise<void> => {
    const port = Number(new URL(broker.url).port)
    const dial = async (ca: string, name: string): Promise<RawClient> => {
      const url = `wss://127.0.0.1:${port}/ws`
      const client = new RawClient(url, new WebSocket(url, { tls: { ca: readFileSync(path(ca), "utf8") } }))
      await client.opened
      client.send(await client.helloV2(mesh.member(name)))
      await client.take("hello_ack")
      return client
    }
    const alice = await dial("first.crt", "alice")
    const before = await handshake(port, "first.crt")
    // Half of a renewal is no certificate: the one before it is used on.
    copyFileSync(path("second.crt"), path("used.crt"))
    await Bun.sleep(60)
    assert.strictEqual(await handshake(port, "first.crt"), before)
    use("second")
    const after = await within(() => handshake(port, "second.crt"))
    assert.notStrictEqual(after, before)
    alice.send({ type: "ping", id: "still" })
    await alice.take("pong")
    const bob = await dial("second.crt", "bob")
    assert.strictEqual(broker.connections(), 2)
    ends = Promise.all([alice.closed, bob.closed])
  }
  let ends: Promise<ReadonlyArray<{ readonly code: number }>> = Promise.resolve([])

  it("closes those of both listeners with 1001 at the end", async () =>
    assert.deepStrictEqual(
      (await ends).map(({ code }) => code),
      [1001, 1001],
    ))

  it.effect("says of a file that cannot be used which it is and why", () =>
    Effect.gen(function* () {
      writeFileSync(path("text"), "hello")
      writeFileSync(path("locked.key"), Bun.spawnSync(locked()).stdout)
      const nowMillis = Date.now()
      const refusals: ReadonlyArray<readonly [cert: string, key: string, atMillis: number, message: string]> = [
        [
          "none",
          "first.key",
          nowMillis,
          `BROKER_TLS_CERT: ${path("none")} cannot be used: there is no such file or folder`,
        ],
        [
          "first.crt",
          "none",
          nowMillis,
          `BROKER_TLS_KEY: ${path("none")} cannot be used: there is no such file or folder`,
        ],
        [
          "text",
          "first.key",
          nowMillis,
          `BROKER_TLS_CERT: ${path("text")} cannot be used: it is not a certificate in PEM`,
        ],
        ["first.crt", "text", nowMillis, "it is not a private key in PEM, or it has a passphrase"],
        ["first.crt", "locked.key", nowMillis, "it is not a private key in PEM, or it has a passphrase"],
        ["first.crt", "second.key", nowMillis, "it is not the key of the certificate"],
        ["first.crt", "first.key", nowMillis + 31 * 86_400_000, "it has expired on "],
        ["first.crt", "first.key", nowMillis - 86_400_000, "it is not valid before "],
      ]
      for (const [cert, key, atMillis, message] of refusals) {
        const error = yield* Effect.flip(readTls({ certPath: path(cert), keyPath: path(key) }, atMillis))
        assert.include(error.message, message)
      }
      assert.isAbove(
        (yield* readTls({ certPath: path("first.crt"), keyPath: path("first.key") }, nowMillis)).expiresMillis,
        nowMillis,
      )
    }),
  )
  const locked = () => [openssl ?? "", "ec", "-in", path("first.key"), "-aes256", "-passout", "pass:secret"]

  it.live("does not begin with such a file", () =>
    Effect.gen(function* () {
      const exit = yield* Effect.exit(
        withBroker(async () => {}, { environment: { ...environment, BROKER_TLS_KEY: path("first.key") } }),
      )
      assert.isTrue(Exit.isFailure(exit))
      assert.include(String(Exit.isFailure(exit) ? exit.cause : ""), "it is not the key of the certificate")
    }),
  )
})

const within = async <A>(attempt: () => Promise<A>): Promise<A> => {
  for (let tries = 0; ; tries++) {
    try {
      return await attempt()
    } catch (cause) {
      if (tries === 200) throw cause
      await Bun.sleep(20)
    }
  }
}
