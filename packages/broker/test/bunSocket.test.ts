/** What ends the socket of who does not read. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { BunSocket } from "../src/http/BunSocket.ts"
import { brokerLimits } from "../src/Limits.ts"
import { PeerId } from "../src/state/PeerId.ts"

/** One whose other side reads nothing. */
const unread = Effect.map(
  BunSocket.make(PeerId.make(1), "127.0.0.1", { ...brokerLimits, outboundBacklogBytesMax: 100 }, 1_000),
  (socket) => {
    const seen = { sent: 0, ended: false }
    const nothing = () => {}
    socket.opened({
      send: (text) => {
        seen.sent += typeof text === "string" ? text.length : 0
        return -1
      },
      getBufferedAmount: () => seen.sent,
      terminate: () => void (seen.ended = true),
      close: nothing,
      pause: nothing,
      resume: nothing,
    })
    return { socket, seen }
  },
)

describe("a socket that is not read", () => {
  it.effect("is not ended by one frame, however long: a list may be longer than what may be unread (I23)", () =>
    Effect.map(unread, ({ seen, socket }) => {
      socket.send("x".repeat(90))
      socket.send("x".repeat(500))
      assert.deepStrictEqual(seen, { sent: 590, ended: false })
    }),
  )

  it.effect("is ended instead of being sent more, when it has left too much unread (I23)", () =>
    Effect.map(unread, ({ seen, socket }) => {
      socket.send("x".repeat(101))
      socket.send("x")
      assert.deepStrictEqual(seen, { sent: 101, ended: true })
    }),
  )

  it.effect("says whether what it was given is on its way: nobody gets what a socket is given after its end", () =>
    Effect.map(unread, ({ socket }) => {
      const taken = ["x".repeat(101), "x"].map((text) => socket.send(text))
      socket.closed(1006)
      assert.deepStrictEqual([...taken, socket.send("x")], [true, false, false])
    }),
  )
})
