/** What ends the socket of who does not read, and when a socket that says much is read no more. */
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber } from "effect"
import { CloseCode } from "@claudemesh/domain/wire/CloseCode"
import { BunSocket } from "../src/http/BunSocket.ts"
import { brokerLimits, type BrokerLimits } from "../src/Limits.ts"
import { PeerId } from "../src/state/PeerId.ts"
import { quickTurns } from "./support/SocketTurns.ts"

/** One whose other side reads nothing. `writes`: the lengths of what each system call would write. */
const unread = Effect.map(
  Effect.sync(
    () =>
      new BunSocket(
        PeerId.make(1),
        "127.0.0.1",
        { ...brokerLimits, outboundBacklogBytesMax: 100, outboundTurnCharactersMax: 1_000 },
        1_000,
        quickTurns(),
      ),
  ),
  (socket) => {
    const seen: { writes: Array<ReadonlyArray<number>>; ended: boolean } = { writes: [], ended: false }
    let corked: Array<number> | undefined
    const nothing = () => {}
    socket.opened({
      send: (text) => {
        const length = typeof text === "string" ? text.length : 0
        if (corked === undefined) seen.writes.push([length])
        else corked.push(length)
        return -1
      },
      cork: (write) => {
        corked = []
        write()
        seen.writes.push(corked)
        corked = undefined
      },
      getBufferedAmount: () => seen.writes.flat().reduce((sum, length) => sum + length, 0),
      terminate: () => void (seen.ended = true),
      close: nothing,
      pause: nothing,
      resume: nothing,
    })
    return { socket, seen }
  },
)

const endOfTurn = Effect.promise(() => Promise.resolve())

describe("a socket that is not read", () => {
  it.effect("is not ended by one frame, however long: a list may be longer than what may be unread (I23)", () =>
    Effect.gen(function* () {
      const { seen, socket } = yield* unread
      socket.send("x".repeat(90))
      yield* endOfTurn
      socket.send("x".repeat(500))
      yield* endOfTurn
      assert.deepStrictEqual(seen, { writes: [[90], [500]], ended: false })
    }),
  )

  for (const [when, between] of [
    ["in turns before", endOfTurn],
    ["in the same turn", Effect.void],
  ] as const) {
    it.effect(`is ended instead of being sent more, when it has left too much unread ${when} (I23)`, () =>
      Effect.gen(function* () {
        const { seen, socket } = yield* unread
        const taken = [socket.send("x".repeat(101))]
        yield* between
        taken.push(socket.send("x"))
        yield* endOfTurn
        assert.deepStrictEqual([...taken, seen.ended], [true, false, true])
        assert.isAtMost(seen.writes.length, 1)
      }),
    )
  }

  it.effect("says whether what it was given is on its way: nobody gets what a socket is given after its end", () =>
    Effect.map(unread, ({ socket }) => {
      const taken = ["x".repeat(101), "x"].map((text) => socket.send(text))
      socket.closed(1006)
      assert.deepStrictEqual([...taken, socket.send("x")], [true, false, false])
    }),
  )
})

describe("what a socket is sent in one turn", () => {
  it.effect("goes out in one write at its end, in order, and counts as unread until then (I23)", () =>
    Effect.gen(function* () {
      const { seen, socket } = yield* unread
      for (const length of [1, 2, 3]) assert.isTrue(socket.send("x".repeat(length)))
      assert.deepStrictEqual([seen.writes, socket.unreadBytes()], [[], 6])
      yield* endOfTurn
      assert.deepStrictEqual([seen.writes, socket.unreadBytes()], [[[1, 2, 3]], 6])
    }),
  )

  it.effect("goes out before the turn ends when it is much, or when the broker closes the socket (I1)", () =>
    Effect.gen(function* () {
      const [much, closed] = [yield* unread, yield* unread]
      much.socket.send("x".repeat(1_000))
      assert.deepStrictEqual(much.seen.writes, [[1_000]])
      closed.socket.send("x")
      closed.socket.close(CloseCode.replaced)
      assert.deepStrictEqual(closed.seen.writes, [[1]])
    }),
  )

  it.effect("is not written when the other side has left meanwhile", () =>
    Effect.gen(function* () {
      const { seen, socket } = yield* unread
      socket.send("x")
      socket.closed(1006)
      yield* endOfTurn
      assert.deepStrictEqual(seen, { writes: [], ended: false })
    }),
  )
})

/** One that is spoken to: whether it is read at the moment. */
const spokenTo = (limits: Partial<BrokerLimits>) =>
  Effect.sync(() => {
    const socket = new BunSocket(PeerId.make(1), "127.0.0.1", { ...brokerLimits, ...limits }, 1_000, quickTurns())
    const seen = { isRead: true }
    const nothing = () => {}
    socket.opened({
      send: () => 1,
      cork: nothing,
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

describe("a socket whose connection waits for what comes next", () => {
  it.effect("has it handled where it comes in, and keeps what comes while something is waited for (I1)", () =>
    Effect.gen(function* () {
      const { socket } = yield* spokenTo({})
      const goOn = yield* Deferred.make<void>()
      const handled: Array<unknown> = []
      socket.received("kept before")
      const connection = yield* Effect.forkScoped(
        socket.receiveEach((frame) => {
          handled.push(frame)
          return frame === "slow" ? Deferred.await(goOn) : undefined
        }),
      )
      for (let turn = 0; turn < 2; turn++) yield* Effect.yieldNow
      socket.received("at once")
      assert.deepStrictEqual(handled, ["kept before", "at once"])
      for (const frame of ["slow", "behind", "it"]) socket.received(frame)
      yield* Effect.yieldNow
      assert.deepStrictEqual([handled.length, socket.size], [3, 2])
      yield* Deferred.succeed(goOn, undefined)
      for (let turn = 0; turn < 5; turn++) yield* Effect.yieldNow
      assert.deepStrictEqual(handled.slice(3), ["behind", "it"])
      socket.received("last")
      socket.drain()
      socket.received("too late")
      assert.strictEqual((yield* Effect.flip(Fiber.join(connection)))._tag, "Done")
      assert.deepStrictEqual(handled.slice(5), ["last"])
    }),
  )

  it.effect("fails alone over what it cannot handle: whoever brings it is not told (I24)", () =>
    Effect.gen(function* () {
      const { socket } = yield* spokenTo({})
      const connection = yield* Effect.forkScoped(
        socket.receiveEach(() => {
          throw new Error("a defect")
        }),
      )
      yield* Effect.yieldNow
      socket.received("x")
      assert.isTrue(Exit.isFailure(yield* Fiber.await(connection)))
    }),
  )
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
