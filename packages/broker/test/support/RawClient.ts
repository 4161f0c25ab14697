/**
 * A client written out by hand from `docs/protocol.md`: a WebSocket, JSON, and libsodium. It shares no code with
 * the packages, so that it fails when they drift from the wire format together.
 */
import sodium from "libsodium-wrappers"

await sodium.ready

export interface Keys {
  readonly publicKey: string
  readonly secretKey: Uint8Array
}

export const newKeys = (): Keys => {
  const pair = sodium.crypto_sign_keypair()
  return { publicKey: sodium.to_hex(pair.publicKey), secretKey: pair.privateKey }
}

export const sign = (text: string, keys: Keys): string =>
  sodium.to_hex(sodium.crypto_sign_detached(text, keys.secretKey))

const x25519 = {
  publicKey: (hex: string) => sodium.crypto_sign_ed25519_pk_to_curve25519(sodium.from_hex(hex)),
  secretKey: (keys: Keys) => sodium.crypto_sign_ed25519_sk_to_curve25519(keys.secretKey),
}

const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString("base64")

export const seal = (text: string, recipient: string, from: Keys): { nonce: string; ciphertext: string } => {
  const nonce = sodium.randombytes_buf(24)
  const box = sodium.crypto_box_easy(text, nonce, x25519.publicKey(recipient), x25519.secretKey(from))
  return { nonce: base64(nonce), ciphertext: base64(box) }
}

export const unseal = (push: Frame, to: Keys): string =>
  Buffer.from(
    sodium.crypto_box_open_easy(
      Buffer.from(String(push["ciphertext"]), "base64"),
      Buffer.from(String(push["nonce"]), "base64"),
      x25519.publicKey(String(push["senderPubkey"])),
      x25519.secretKey(to),
    ),
  ).toString("utf8")

/** What was sealed to many: the envelope's JSON, once its signature is found to be the sender's. */
export const unsealGroup = (push: Frame, to: Keys): string => {
  const contentKey = sodium.crypto_box_seal_open(
    Buffer.from(String(push["sealedKey"]), "base64"),
    x25519.publicKey(to.publicKey),
    x25519.secretKey(to),
  )
  const ciphertext = Buffer.from(String(push["ciphertext"]), "base64")
  const nonce = Buffer.from(String(push["nonce"]), "base64")
  const opened = Buffer.from(sodium.crypto_secretbox_open_easy(ciphertext, nonce, contentKey)).toString("utf8")
  const [line, json = "{}"] = opened.split("\n")
  const { envelope, signature } = JSON.parse(json)
  const sender = String(push["senderPubkey"])
  const statement = `claudemesh-group-message-v1\n${sender}\n${envelope}`
  const signed = sodium.crypto_sign_verify_detached(sodium.from_hex(signature), statement, sodium.from_hex(sender))
  if (line !== "claudemesh-group-message-v1" || !signed) throw new Error("not signed by its sender")
  return envelope
}

export type Frame = Readonly<Record<string, unknown>> & { readonly type: string }

export interface Closed {
  readonly code: number
  readonly reason: string
}

export interface Identity {
  readonly meshId: string
  readonly memberId: string
  readonly keys: Keys
}

/** A socket that keeps what it was told, in order. */
export class RawClient {
  readonly frames: Array<Frame> = []
  readonly texts: Array<string> = []
  readonly closed: Promise<Closed>
  readonly opened: Promise<void>
  #waiting: Array<() => void> = []
  #taken = 0

  constructor(
    readonly url: string,
    readonly socket: WebSocket = new WebSocket(url),
  ) {
    this.opened = new Promise((resolve, reject) => {
      socket.addEventListener("open", () => resolve())
      socket.addEventListener("error", () => reject(new Error(`cannot open ${url}`)))
    })
    this.closed = new Promise((resolve) => {
      socket.addEventListener("close", (event) => resolve({ code: event.code, reason: event.reason }))
    })
    socket.addEventListener("message", (event) => {
      const text = String(event.data)
      this.texts.push(text)
      this.frames.push(JSON.parse(text))
      for (const wake of this.#waiting.splice(0)) wake()
    })
  }

  static async open(url: string): Promise<RawClient> {
    const client = new RawClient(url)
    await client.opened
    return client
  }

  send(frame: object | string): void {
    this.socket.send(typeof frame === "string" ? frame : JSON.stringify(frame))
  }

  /** The next frame not taken yet that fits; frames before it stay for later. */
  async take(type: string, fits: (frame: Frame) => boolean = () => true, withinMillis = 20_000): Promise<Frame> {
    const deadline = performance.now() + withinMillis
    while (true) {
      const index = this.frames.findIndex((frame) => frame.type === type && fits(frame))
      if (index !== -1) {
        this.#taken += 1
        const [frame] = this.frames.splice(index, 1)
        if (frame !== undefined) return frame
      }
      const left = deadline - performance.now()
      if (left <= 0) throw new Error(`no ${type} within ${withinMillis} ms; there is ${JSON.stringify(this.frames)}`)
      await Promise.race([new Promise<void>((resolve) => this.#waiting.push(resolve)), Bun.sleep(left)])
    }
  }

  /** Waits for a round trip, after which everything the broker said before has arrived. */
  async settled(): Promise<void> {
    this.send({ type: "no_such_type", id: `settle-${this.#taken}` })
    this.#taken += 1
    await this.take("error", (frame) => frame["code"] === "unknown_type")
  }

  close(): Promise<Closed> {
    this.socket.close()
    return this.closed
  }

  helloV1(identity: Identity, changes: Readonly<Record<string, unknown>> = {}, signer: Keys = identity.keys): object {
    const timestamp = typeof changes["timestamp"] === "number" ? changes["timestamp"] : Date.now()
    const { keys, meshId, memberId } = identity
    return {
      type: "hello",
      meshId,
      memberId,
      pubkey: keys.publicKey,
      sessionId: `${process.pid}-${sessionNumber()}`,
      pid: process.pid,
      cwd: "/home/a/project",
      timestamp,
      signature: sign(`${meshId}|${memberId}|${keys.publicKey}|${timestamp}`, signer),
      ...changes,
    }
  }

  async helloV2(
    identity: Identity,
    changes: Readonly<Record<string, unknown>> = {},
    signed: { readonly audience?: string; readonly signer?: Keys; readonly nonce?: string } = {},
  ): Promise<object> {
    const challenge = await this.take("challenge")
    const nonce = signed.nonce ?? String(challenge["nonce"])
    const { keys, memberId, meshId } = identity
    const given = changes["sessionId"]
    const sessionId = typeof given === "string" ? given : `session-${sessionNumber()}`
    const audience = signed.audience ?? new URL(this.url).origin
    const lines = ["claudemesh-hello-v2", audience, meshId, memberId, keys.publicKey, sessionId, nonce]
    return {
      type: "hello",
      protocol: 2,
      meshId,
      memberId,
      pubkey: keys.publicKey,
      nonce,
      signature: sign(lines.join("\n"), signed.signer ?? keys),
      client: { name: "raw", version: "1" },
      ...changes,
      sessionId,
    }
  }

  static async authenticatedV1(url: string, identity: Identity): Promise<RawClient> {
    const client = await RawClient.open(url)
    client.send(client.helloV1(identity))
    await client.take("hello_ack")
    return client
  }

  static async authenticatedV2(
    url: string,
    identity: Identity,
    changes: Readonly<Record<string, unknown>> = {},
  ): Promise<RawClient> {
    const client = await RawClient.open(url)
    client.send(await client.helloV2(identity, changes))
    await client.take("hello_ack")
    return client
  }
}

let sessions = 0
/** Like the first clients' milliseconds, and never the same twice in one test process. */
const sessionNumber = (): number => Date.now() * 1000 + (sessions++ % 1000)

export const sendFrame = (
  id: string,
  target: string,
  text: string,
  from: Keys,
  changes: Readonly<Record<string, unknown>> = {},
): object => ({
  type: "send",
  id,
  targetSpec: target,
  priority: "now",
  ...seal(text, target.slice(0, 64), from),
  ...changes,
})
