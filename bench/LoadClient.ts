/** How a load comes into a mesh, acks what it is pushed, and finds what it looks for in a frame without parsing it. */
import sodium from "libsodium-wrappers"
import { twiceEvery } from "./LoadShape.ts"
import { RawSocket } from "./RawSocket.ts"

await sodium.ready

export interface Person {
  readonly memberId: string
  readonly publicKey: string
  readonly secretKey: string
}

export interface Mesh {
  readonly url: string
  readonly meshId: string
}

export const valueOf = (text: string, key: string): string => {
  const from = text.indexOf(`"${key}":"`) + key.length + 4
  return text.slice(from, text.indexOf('"', from))
}

const helloOf = ({ meshId, url }: Mesh, person: Person, sessionId: string, nonce: string): string => {
  const { memberId, publicKey: pubkey, secretKey } = person
  const lines = ["claudemesh-hello-v2", new URL(url).origin, meshId, memberId, pubkey, sessionId, nonce]
  const signature = sodium.to_hex(sodium.crypto_sign_detached(lines.join("\n"), sodium.from_hex(secretKey)))
  const proved = { meshId, memberId, pubkey, sessionId, nonce, signature }
  return JSON.stringify({ type: "hello", protocol: 2, ...proved, client: { name: "bench", version: "1" } })
}

/** Resolves with the answer to the hello. `onFrame` is given what is pushed, and the acks of what is sent. */
export const connectAs = (
  mesh: Mesh,
  person: Person,
  session: string,
  onFrame: (text: string, socket: RawSocket) => void,
  onEnd: () => void,
) =>
  new Promise<RawSocket>((resolve) => {
    void RawSocket.connect(
      Number(new URL(mesh.url).port),
      (text, socket) => {
        if (text.startsWith('{"type":"push"') || text.startsWith('{"type":"ack"')) onFrame(text, socket)
        else if (text.startsWith('{"type":"challenge"')) {
          socket.say(helloOf(mesh, person, session, valueOf(text, "nonce")))
        } else if (text.startsWith('{"type":"hello_ack"')) resolve(socket)
        else if (text.startsWith('{"type":"error"')) throw new Error(text)
      },
      onEnd,
    )
  })

/** Acks what one connection was pushed, with all that came in the same read; `then` follows each time. */
export const acker = () => {
  let ids: Array<string> = []
  let said = 0
  return (socket: RawSocket, id: string, then: () => void = () => {}): void => {
    ids.push(id)
    if (ids.length > 1) return
    queueMicrotask(() => {
      const frame = `{"type":"client_ack","messageIds":["${ids.join('","')}"]}`
      socket.say(frame)
      said += 1
      if (said % twiceEvery === 0) socket.say(frame)
      ids = []
      socket.flush()
      then()
    })
  }
}
