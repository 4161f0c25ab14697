/** One connection on a socket and a mesh of the test's own: what it waits for, and that it ends with its socket. */
import * as BunCrypto from "@effect/platform-bun/BunCrypto"
import { CloseCode } from "@claudemesh/domain/wire/CloseCode"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Layer } from "effect"
import { runPeerConnection } from "../src/connection/PeerConnection.ts"
import { Received } from "../src/connection/Received.ts"
import type { ServerSocket } from "../src/connection/ServerSocket.ts"
import type { MeshActor } from "../src/mesh/MeshActor.ts"
import { MeshHost } from "../src/mesh/MeshHost.ts"
import type { PeerHandle } from "../src/mesh/Peers.ts"
import { SendsUnderWay } from "../src/mesh/SendsUnderWay.ts"
import type { Command } from "../src/state/MeshCommand.ts"
import { PeerId } from "../src/state/PeerId.ts"
import { Ed25519 } from "../src/trust/Ed25519.ts"
import { settled } from "./support/ActorScenario.ts"
import { alice, bob, helloOf, nonce, rulesWith } from "./support/MeshScenario.ts"
import { quickTurns } from "./support/SocketTurns.ts"

const rules = rulesWith({ sendsUnderWayMax: 2 })
const audience = "ws://broker"

class FakeSocket implements ServerSocket {
  readonly id = PeerId.make(1)
  readonly sent: Array<{ readonly type: string; readonly nonce?: string }> = []
  readonly #received = new Received<string>(quickTurns())
  readonly receive = this.#received.next
  closedWith: CloseCode | undefined
  #open = true
  #goodbye = false
  readonly #whenClosed = new Set<() => void>()

  receiveEach: ServerSocket["receiveEach"] = (handle) => this.#received.each(handle)

  frame(frame: object): void {
    this.#received.add(JSON.stringify(frame))
  }

  send(text: string): boolean {
    this.sent.push(JSON.parse(text))
    return this.#open
  }

  unreadBytes = () => 0
  isOpen = () => this.#open
  saidGoodbye = () => this.#goodbye

  onClosed(then: () => void): () => void {
    if (this.#open) this.#whenClosed.add(then)
    else then()
    return () => void this.#whenClosed.delete(then)
  }

  close(reason: CloseCode): void {
    if (!this.#open) return
    this.closedWith = reason
    this.#end()
  }

  /** The other side says goodbye. */
  leave(): void {
    this.#goodbye = true
    this.#end()
  }

  drain(): void {
    this.#received.end()
  }

  #end(): void {
    this.#open = false
    this.#received.end()
    for (const then of this.#whenClosed) then()
    this.#whenClosed.clear()
  }
}

/** A mesh that takes what it is offered, and answers nothing by itself. */
class FakeMesh implements MeshActor {
  readonly offered: Array<Command["_tag"]> = []
  readonly left: Array<boolean> = []
  readonly sendsUnderWay = new SendsUnderWay(rules.limits)
  handle: PeerHandle | undefined
  /** False: the mailbox has no place, and will have none. */
  hasPlaces = true
  attach: MeshActor["attach"] = (_, handle) =>
    Effect.sync(() => {
      this.handle = handle
      return { _tag: "Attached" } as const
    })
  enrol = () => Effect.never
  report = () => Effect.never
  offer = () => Effect.never
  offerNow: MeshActor["offerNow"] = ({ _tag }) => {
    if (this.hasPlaces) this.offered.push(_tag)
    return this.hasPlaces
  }
  refused = () => {}
  detach: MeshActor["detach"] = (_, saidGoodbye) => Effect.sync(() => void this.left.push(saidGoodbye))
}

const send = (id: string) => ({
  type: "send",
  id,
  targetSpec: bob.publicKey,
  priority: "next",
  nonce,
  ciphertext: "AAAA",
})

interface World {
  readonly socket: FakeSocket
  readonly mesh: FakeMesh
  readonly fiber: Fiber.Fiber<void, unknown>
}

/** A client has said hello; what it waits for is as far as it comes. */
const connect = Effect.fnUntraced(function* (
  mesh: FakeMesh = new FakeMesh(),
  enter: (typeof MeshHost.Service)["enter"] = () => Effect.succeed(mesh),
) {
  const socket = new FakeSocket()
  const services = Layer.mergeAll(
    Layer.succeed(MeshHost, MeshHost.of({ enter, running: Effect.succeed([]) })),
    Layer.succeed(Ed25519, Effect.succeed({ verify: () => true, isUsableKey: () => true })),
    BunCrypto.layer,
  )
  const fiber = yield* Effect.forkScoped(runPeerConnection(socket, [audience], rules).pipe(Effect.provide(services)))
  yield* settled
  socket.frame({ ...helloOf(alice), nonce: socket.sent[0]?.nonce })
  yield* settled
  return { socket, mesh, fiber } satisfies World
})

const isOver = ({ fiber }: World): boolean => fiber.pollUnsafe() !== undefined

const ends: ReadonlyArray<readonly [string, (socket: FakeSocket) => void]> = [
  ["the other side has left", (socket) => socket.leave()],
  ["its mesh has closed it", (socket) => socket.close(CloseCode.replaced)],
]

describe.each(ends)("a connection whose socket has closed, since %s,", (_, end) => {
  it.effect("waits for no send's answer any more, and its mesh is told once (I23)", () =>
    Effect.gen(function* () {
      const world = yield* connect()
      for (const id of ["s1", "s2", "s3", "s4"]) world.socket.frame(send(id))
      yield* settled
      assert.deepStrictEqual(world.mesh.offered, ["Send", "Send"])
      assert.isFalse(isOver(world))
      end(world.socket)
      yield* settled
      assert.isTrue(isOver(world))
      assert.strictEqual(world.mesh.left.length, 1)
    }),
  )

  it.effect("waits for no place in its mesh's mailbox any more (I23)", () =>
    Effect.gen(function* () {
      const world = yield* connect()
      world.mesh.hasPlaces = false
      world.socket.frame(send("s1"))
      yield* settled
      assert.isFalse(isOver(world))
      end(world.socket)
      yield* settled
      assert.isTrue(isOver(world))
    }),
  )

  it.effect("waits for no store that is to say whether there is such a mesh (I23)", () =>
    Effect.gen(function* () {
      const world = yield* connect(new FakeMesh(), () => Effect.never)
      assert.isFalse(isOver(world))
      end(world.socket)
      yield* settled
      assert.isTrue(isOver(world))
    }),
  )

  it.effect("waits for no mesh that is being loaded, which is told that it has left (I23)", () =>
    Effect.gen(function* () {
      const mesh = new FakeMesh()
      mesh.attach = () => Effect.never
      const world = yield* connect(mesh)
      assert.isFalse(isOver(world))
      end(world.socket)
      yield* settled
      assert.isTrue(isOver(world))
      assert.strictEqual(mesh.left.length, 1)
    }),
  )
})

describe("a connection", () => {
  it.effect("that is ended from outside tells its mesh once, whatever it was at (I24)", () =>
    Effect.gen(function* () {
      const loading = new FakeMesh()
      loading.attach = () => Effect.never
      const waiting = new FakeMesh()
      const worlds = [yield* connect(), yield* connect(loading), yield* connect(waiting)]
      waiting.hasPlaces = false
      worlds[2]?.socket.frame(send("s1"))
      yield* settled
      for (const { fiber, mesh } of worlds) {
        yield* Fiber.interrupt(fiber)
        assert.strictEqual(mesh.left.length, 1)
      }
    }),
  )

  it.effect("whose client left handles what it had said before, as far as nothing has to be waited for (I8)", () =>
    Effect.gen(function* () {
      const { mesh, socket } = yield* connect()
      for (const id of ["s1", "s2"]) socket.frame(send(id))
      socket.frame({ type: "client_ack", messageIds: [] })
      socket.leave()
      yield* settled
      assert.deepStrictEqual(mesh.offered, ["Send", "Send", "Request"])
      assert.deepStrictEqual(mesh.left, [true])
    }),
  )

  it.effect("takes the next send for each that is answered (I23)", () =>
    Effect.gen(function* () {
      const { mesh, socket } = yield* connect()
      for (const id of ["s1", "s2", "s3", "s4"]) socket.frame(send(id))
      yield* settled
      mesh.handle?.settle()
      yield* settled
      assert.strictEqual(mesh.offered.length, 3)
    }),
  )

  it.effect("of a broker that drains closes with 1001 once all its sends are answered (I22)", () =>
    Effect.gen(function* () {
      const world = yield* connect()
      for (const id of ["s1", "s2"]) world.socket.frame(send(id))
      yield* settled
      world.socket.drain()
      yield* settled
      world.mesh.handle?.settle()
      yield* settled
      assert.isUndefined(world.socket.closedWith)
      world.mesh.handle?.settle()
      yield* settled
      assert.strictEqual(world.socket.closedWith, CloseCode.goingAway)
      assert.isTrue(isOver(world))
    }),
  )
})
