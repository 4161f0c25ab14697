/** How fast frames are taken from a socket: few before its hello, and then at a pace that its member's sockets share. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { Incoming } from "../src/connection/Incoming.ts"
import { Outgoing } from "../src/connection/Outgoing.ts"
import { Received } from "../src/connection/Received.ts"
import type { ServerSocket } from "../src/connection/ServerSocket.ts"
import { PeerId } from "../src/state/PeerId.ts"
import { TokenBucket } from "../src/TokenBucket.ts"
import { rulesWith } from "./support/MeshScenario.ts"
import { quickTurns } from "./support/SocketTurns.ts"

const ping = `{"type":"ping","id":"p"}`

/** One that says these, and then no more. */
const saying = (...frames: ReadonlyArray<string>) => {
  const received = new Received<string>(quickTurns())
  for (const frame of frames) received.add(frame)
  received.end()
  let whenClosed: (() => void) | undefined
  const said: Array<string> = []
  const socket: ServerSocket = {
    id: PeerId.make(1),
    receive: received.next,
    receiveEach: (handle) => received.each(handle),
    send: (text) => said.push(text) > 0,
    unreadBytes: () => 0,
    close: () => {},
    isOpen: () => true,
    onClosed: (then) => {
      whenClosed = then
      return () => (whenClosed = undefined)
    },
    saidGoodbye: () => false,
  }
  const limits = { framesBeforeHelloMax: 2, framesBurst: 100, charactersPerFrame: 100 }
  const incoming = new Incoming(socket, new Outgoing(socket), rulesWith(limits), 0)
  return { incoming, said, close: () => whenClosed?.() }
}

describe("a socket that has not said hello", () => {
  it.effect("may say a few frames, and is closed over one more (I23)", () =>
    Effect.gen(function* () {
      const { incoming, said } = saying(ping, ping, ping)
      yield* incoming.next
      yield* incoming.next
      const end = yield* Effect.flip(incoming.next)
      assert.strictEqual(end._tag, "ConnectionEnds")
      assert.strictEqual(said.length, 1)
      assert.include(said[0], "flooding")
    }),
  )
})

describe("the sockets of a member", () => {
  it.effect("share one pace: what is above its burst is handled later, each frame of it (I23)", () =>
    Effect.gen(function* () {
      const pace = new TokenBucket(1, 3, 0)
      const [one, two] = [saying(ping, ping, ping), saying(ping, ping)]
      for (const { incoming } of [one, two]) incoming.authenticated(pace, 0)
      yield* one.incoming.next
      yield* two.incoming.next
      yield* one.incoming.next
      const late = yield* Effect.forkChild(two.incoming.next)
      yield* TestClock.adjust(999)
      assert.isUndefined(late.pollUnsafe())
      yield* TestClock.adjust(1)
      assert.strictEqual((yield* Fiber.join(late))._tag, "Success")
      // Another member's has its own.
      const other = saying(ping)
      other.incoming.authenticated(new TokenBucket(1, 3, 0), 0)
      yield* other.incoming.next
      assert.deepStrictEqual([...one.said, ...two.said], [])
    }),
  )

  it.effect("are heard less often when their frames are long (I23)", () =>
    Effect.gen(function* () {
      const { incoming } = saying("x".repeat(250), ping)
      incoming.authenticated(new TokenBucket(1, 3, 0), 0)
      yield* incoming.next
      const late = yield* Effect.forkChild(incoming.next)
      yield* TestClock.adjust(999)
      assert.isUndefined(late.pollUnsafe())
      yield* TestClock.adjust(1)
      assert.strictEqual((yield* Fiber.join(late))._tag, "Success")
    }),
  )

  it.effect("wait for their pace no longer than they are open (I23)", () =>
    Effect.gen(function* () {
      const { close, incoming } = saying(ping, ping)
      incoming.authenticated(new TokenBucket(1, 1, 0), 0)
      yield* incoming.next
      const late = yield* Effect.forkChild(Effect.flip(incoming.next))
      yield* Effect.yieldNow
      yield* Effect.yieldNow
      assert.isUndefined(late.pollUnsafe())
      close()
      assert.strictEqual((yield* Fiber.join(late))._tag, "Done")
    }),
  )
})
