/** A member's socket, written from `docs/protocol.md`, from an address of its own as one trusted proxy would tell it. */
import { createHash, randomBytes } from "node:crypto"
import sodium from "libsodium-wrappers"
import type { person } from "../Server.ts"

await sodium.ready

export type Person = ReturnType<typeof person>

export interface Place {
  readonly port: number
  readonly meshId: string
}

export type Frame = Readonly<Record<string, unknown>>

export const sign = (secretKey: string, lines: ReadonlyArray<string | number>): string =>
  sodium.to_hex(sodium.crypto_sign_detached(lines.join("\n"), sodium.from_hex(secretKey)))

/** Bun's WebSocket takes headers, which the standard one does not. */
export const dial = ({ port }: Place, address: string): WebSocket =>
  new WebSocket(`ws://127.0.0.1:${port}/ws`, { headers: { "x-forwarded-for": address } })

const helloOf = ({ meshId, port }: Place, who: Person, sessionId: string, nonce: string): string => {
  const { memberId, publicKey: pubkey, secretKey } = who
  const lines = ["claudemesh-hello-v2", `ws://127.0.0.1:${port}`, meshId, memberId, pubkey, sessionId, nonce]
  const client = { name: "bench", version: "1" }
  const proved = { meshId, memberId, pubkey, sessionId, nonce, signature: sign(secretKey, lines) }
  return JSON.stringify({ type: "hello", protocol: 2, ...proved, client })
}

/** Resolves once it is authenticated. Fails when it is refused or closed before that. */
export const authenticated = (
  place: Place,
  who: Person,
  session: string,
  address: string,
  onFrame: (frame: Frame, socket: WebSocket) => void = () => {},
): Promise<WebSocket> =>
  new Promise((resolve, reject) => {
    const socket = dial(place, address)
    socket.addEventListener("close", ({ code }) => reject(new Error(`closed with ${code}`)))
    socket.addEventListener("error", () => reject(new Error("no connection")))
    socket.addEventListener("message", ({ data }) => {
      const frame = JSON.parse(String(data))
      if (frame.type === "challenge") socket.send(helloOf(place, who, session, frame.nonce))
      else if (frame.type === "hello_ack") resolve(socket)
      else onFrame(frame, socket)
    })
  })

/** A signed request, as `docs/protocol.md` says. */
export const request = (
  { meshId, port }: Place,
  method: "GET" | "POST",
  path: string,
  body: string,
  who: Person,
  address: string,
): Promise<Response> => {
  const [time, nonce] = [Date.now(), randomBytes(16).toString("hex")]
  const bodyHash = createHash("sha256").update(body).digest("hex")
  const { publicKey, secretKey } = who
  const lines = [`ws://127.0.0.1:${port}`, method, path, bodyHash, meshId, publicKey, time, nonce]
  const signature = sign(secretKey, ["claudemesh-request-v1", ...lines])
  return fetch(`http://127.0.0.1:${port}${path}`, {
    method,
    headers: {
      ...(method === "POST" && { "content-type": "application/json" }),
      "x-forwarded-for": address,
      "claudemesh-signature": `mesh=${meshId} key=${publicKey} time=${time} nonce=${nonce} signature=${signature}`,
    },
    ...(method === "POST" && { body }),
  })
}

/** As long as a real one: a sealed box over a key of 32 bytes. */
const sealedKey = Buffer.alloc(80, 7).toString("base64")
export const sealedTo = (people: ReadonlyArray<Pick<Person, "publicKey">>) =>
  people.map(({ publicKey }) => ({ pubkey: publicKey, key: sealedKey }))

export const sendFrame = (id: string, target: string, nonce: string, bytes: number, more: Frame = {}): string =>
  JSON.stringify({
    type: "send",
    id,
    targetSpec: target,
    priority: "now",
    nonce,
    ciphertext: Buffer.alloc(bytes, 7).toString("base64"),
    ...more,
  })
