/** What ends the socket of who does not read, and when a socket that says much is read no more. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { CloseCode } from "@claudemesh/domain/wire/CloseCode"
import { BunSocket } from "../src/http/BunSocket.ts"
import { brokerLimits, type BrokerLimits } from "../src/Limits.ts"
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

/** One that is spoken to: whether it is read at the moment. */
const spokenTo = (limits: Partial<BrokerLimits>) =>
  Effect.map(BunSocket.make(PeerId.make(1), "127.0.0.1", { ...brokerLimits, ...limits }, 1_000), (socket) => {
    const seen = { isRead: true }
    const nothing = () => {}
    socket.opened({
      send: () => 1,
      getBufferedAmount: () => 0,
      terminate: nothing,
      close: nothing,
      pause: () => void (seen.isRead = false),
      resume: () => void (seen.isRead = true),
    })
    return { socket, seen }
  })

describe("a socket that says much", () => {
  for (const [what, limits, frame] of [
    ["frames", { inboundFramesMax: 4 }, "x"],
    ["characters", { inboundCharactersMax: 400 }, "x".repeat(100)],
    ["characters of frames that are too long", { inboundCharactersMax: 8_000 }, "x".repeat(2_000)],
    ["bytes that are no text", { inboundCharactersMax: 400 }, Buffer.alloc(100)],
  ] as const) {
    it.effect(`is not read while too many ${what} wait to be handled, and again once half of them are (I23)`, () =>
      Effect.gen(function* () {
        const { seen, socket } = yield* spokenTo(limits)
        for (let n = 0; n < 3; n++) socket.received(frame)
        assert.isTrue(seen.isRead)
        socket.received(frame)
        // The kernel had given it one more.
        socket.received(frame)
        assert.isFalse(seen.isRead)
        yield* socket.receive
        yield* socket.receive
        assert.isFalse(seen.isRead)
        yield* socket.receive
        assert.isTrue(seen.isRead)
      }),
    )
  }
})

describe("a socket that has closed", () => {
  it.effect("says so once, whichever side did it, and to whoever asks later at once (I23)", () =>
    Effect.gen(function* () {
      for (const close of [
        (socket: BunSocket) => socket.closed(1006),
        (socket: BunSocket) => socket.close(CloseCode.replaced),
      ]) {
        const { socket } = yield* unread
        const said: Array<string> = []
        socket.onClosed(() => said.push("before"))
        socket.onClosed(() => said.push("taken back"))()
        close(socket)
        socket.closed(1000)
        socket.onClosed(() => said.push("after"))
        assert.deepStrictEqual(said, ["before", "after"])
      }
    }),
  )

  it.effect("gives what came before where the other side left, and nothing more where the broker closed it (I8)", () =>
    Effect.gen(function* () {
      const [left, closed] = [yield* unread, yield* unread]
      for (const { socket } of [left, closed]) socket.received("an ack")
      left.socket.closed(1000)
      closed.socket.close(CloseCode.replaced)
      assert.strictEqual(yield* left.socket.receive, "an ack")
      for (const { socket } of [left, closed]) assert.strictEqual((yield* Effect.flip(socket.receive))._tag, "Done")
    }),
  )
})
