/** The real actor on the real store, in virtual time: mailbox, restarts, fencing, idle meshes. */
import { assert, describe, it } from "@effect/vitest"
import { MeshId, RequestId } from "@claudemesh/domain/Ids"
import { Deferred, Effect, Fiber } from "effect"
import type { MeshActor } from "../src/mesh/MeshActor.ts"
import { Command } from "../src/state/MeshCommand.ts"
import { MeshHost } from "../src/mesh/MeshHost.ts"
import { MessageStore, StoreError, Write } from "../src/store/MessageStore.ts"
import {
  ack,
  attach,
  codes,
  crash,
  enter,
  authenticate,
  idsOf,
  lease,
  offer,
  pass,
  peersSeenBy,
  poisonous,
  send,
  settled,
  type Store,
  scenario,
  told,
} from "./support/ActorScenario.ts"
import { alice, bob, carol, meshId, meshRecord, Peer } from "./support/MeshScenario.ts"
import { acceptOf, inboxOf, messageOf } from "./support/Stores.ts"

describe("a mesh", () => {
  it.effect("stores, acks and delivers what is offered to it, and forgets what was acked", () =>
    scenario(
      Effect.gen(function* () {
        const mesh = yield* enter
        const [sender, recipient] = [yield* attach(mesh, alice), yield* attach(mesh, bob)]
        yield* send(mesh, sender, bob.publicKey, "m1")
        assert.deepStrictEqual(recipient.pushed, idsOf(sender, "m1"))
        assert.strictEqual(sender.of("ack").length, 1)
        assert.strictEqual(sender.settled, 1)
        const waiting = (yield* MessageStore).backlog(meshId, [inboxOf(bob)], 0)
        assert.strictEqual((yield* waiting).messages, 1)
        yield* ack(mesh, recipient)
        assert.strictEqual((yield* waiting).messages, 0)
      }),
    ),
  )

  it.effect("delivers what a lost connection had not acked to the next one (I8)", () =>
    scenario(
      Effect.gen(function* () {
        const mesh = yield* enter
        const [sender, first] = [yield* attach(mesh, alice), yield* attach(mesh, bob)]
        yield* send(mesh, sender, bob.publicKey, "m1")
        yield* mesh.detach(first.id, false)
        const second = yield* attach(mesh, bob)
        assert.deepStrictEqual(second.pushed, first.pushed)
        assert.deepStrictEqual(
          second.of("push").map((push) => push.redelivered),
          [false],
          "it was not leased",
        )
        assert.deepStrictEqual(codes(first), [], "it had closed by itself")
      }),
    ),
  )

  it.effect("wakes by itself when a status ends (I9, I25)", () =>
    scenario(
      Effect.gen(function* () {
        const mesh = yield* enter
        const [sender, recipient] = [yield* attach(mesh, alice), yield* attach(mesh, bob)]
        const working = Command.Request({ peer: recipient.id, frame: { type: "set_status", status: "working" } })
        yield* told
        yield* mesh.offer(working)
        yield* told
        yield* pass(29_800)
        yield* mesh.offer(working)
        yield* send(mesh, sender, bob.publicKey, "m1")
        yield* told
        yield* pass(29_800)
        yield* pass(29_999)
        assert.deepStrictEqual(recipient.pushed, [])
        yield* pass(1)
        assert.deepStrictEqual(recipient.pushed, idsOf(sender, "m1"))
      }),
    ),
  )

  it.effect("reads a page again that the database could not give (I9)", () => {
    let failures = 2
    return scenario(
      Effect.gen(function* () {
        const mesh = yield* enter
        const sender = yield* attach(mesh, alice)
        yield* send(mesh, sender, bob.publicKey, "m1")
        const recipient = yield* attach(mesh, bob)
        assert.deepStrictEqual(recipient.pushed, [])
        yield* told
        yield* pass(800)
        yield* pass(2_000)
        assert.strictEqual(failures, 0)
        assert.deepStrictEqual(recipient.pushed, idsOf(sender, "m1"))
      }),
      {
        change: (store) => ({
          page: (request) => {
            if (failures === 0) return store.page(request)
            failures -= 1
            return failures === 1 ? Effect.fail(new StoreError({ reason: "unavailable", cause: "" })) : Effect.die("")
          },
        }),
      },
    )
  })

  it.effect("makes progress with room for one of everything (I23)", () =>
    scenario(
      Effect.gen(function* () {
        const mesh = yield* enter
        const recipient = yield* attach(mesh, bob, { maxInFlight: 1 })
        const own = yield* attach(mesh, carol)
        const acking = yield* Effect.forkChild(
          Effect.forever(
            Effect.gen(function* () {
              yield* Effect.yieldNow
              const messageIds = recipient.pushed.slice(-1)
              yield* mesh.offer(Command.Request({ peer: recipient.id, frame: { type: "client_ack", messageIds } }))
              yield* mesh.offer(Command.Request({ peer: recipient.id, frame: { type: "set_status", status: "idle" } }))
            }),
          ),
        )
        const ids = Array.from({ length: 10 }, (_, n) => `m${n}`)
        yield* Effect.forEach(
          [alice, bob, carol],
          (member) =>
            Effect.gen(function* () {
              const sender = member === carol ? own : yield* attach(mesh, member, { session: "sender" })
              for (const id of ids) yield* offer(mesh, sender, `${bob.publicKey}/s1`, { id })
            }),
          { concurrency: "unbounded" },
        )
        yield* Effect.repeat(settled, { until: () => recipient.pushed.length >= 30, times: 200 })
        yield* Fiber.interrupt(acking)
        assert.strictEqual(new Set(recipient.pushed).size, 30)
        assert.strictEqual(recipient.pushed.length, 30)
      }),
      { limits: { meshMailboxMax: 1, commitWritesMax: 1, commitCharactersMax: 1, pageRowsMax: 1 } },
    ),
  )

  it.effect("holds a connection back whose command has no place in the mailbox (I23)", () => {
    const gate = Deferred.makeUnsafe<void>()
    return scenario(
      Effect.gen(function* () {
        const mesh = yield* enter
        const peer = new Peer(alice, "s1")
        const one = yield* Effect.forkChild(authenticate(mesh, peer))
        yield* settled
        const two = yield* Effect.forkChild(offer(mesh, peer, bob.publicKey, { id: "m1" }))
        yield* settled
        assert.strictEqual(two.pollUnsafe(), undefined)
        yield* Deferred.succeed(gate, undefined)
        yield* Fiber.join(one)
        yield* Fiber.join(two)
        yield* settled
        assert.strictEqual(peer.of("ack").length, 1)
      }),
      {
        limits: { meshMailboxMax: 1 },
        change: (store) => ({ loadMesh: (id) => Effect.andThen(Deferred.await(gate), store.loadMesh(id)) }),
      },
    )
  })
})

describe("a mesh that fails", () => {
  it.effect(
    "answers the hello it failed over, closes its connections with 1001, and refuses new ones until it is back (I12, I24)",
    () =>
      scenario(
        Effect.gen(function* () {
          const mesh = yield* enter
          const [one, two] = [yield* attach(mesh, alice), yield* attach(mesh, bob)]
          const failed = yield* Effect.flip(authenticate(mesh, poisonous(carol)))
          assert.strictEqual(failed._tag, "MeshUnavailable")
          assert.deepStrictEqual([codes(one), codes(two)], [[1001], [1001]])
          assert.strictEqual((yield* Effect.flip(authenticate(mesh, new Peer(alice, "s1"))))._tag, "MeshUnavailable")
          yield* pass(1_000)
          const back = yield* attach(mesh, alice)
          assert.deepStrictEqual(yield* peersSeenBy(mesh, back), ["alice/s1"])
        }),
      ),
  )

  it.effect("answers every hello that waited while it was loaded (I12, I24)", () => {
    const gate = Deferred.makeUnsafe<void>()
    return scenario(
      Effect.gen(function* () {
        const mesh = yield* enter
        const late = new Peer(carol, "late")
        const waiting = yield* Effect.forkChild(
          Effect.all([Effect.flip(authenticate(mesh, poisonous(carol))), Effect.flip(authenticate(mesh, late))], {
            concurrency: "unbounded",
          }),
        )
        yield* settled
        yield* Deferred.succeed(gate, undefined)
        const [first, second] = yield* Fiber.join(waiting)
        assert.deepStrictEqual([first._tag, second._tag], ["MeshUnavailable", "MeshUnavailable"])
        assert.deepStrictEqual(codes(late), [1001])
      }),
      { change: (store) => ({ loadMesh: (id) => Effect.andThen(Deferred.await(gate), store.loadMesh(id)) }) },
    )
  })

  it.effect("begins again from the store with all it had accepted, and marks what may have been seen (I24)", () => {
    const written: Array<Write> = []
    return scenario(
      Effect.gen(function* () {
        const mesh = yield* enter
        const [sender, recipient] = [yield* attach(mesh, alice), yield* attach(mesh, bob)]
        yield* send(mesh, sender, bob.publicKey, "unacked")
        yield* send(mesh, sender, carol.publicKey, "waiting")
        yield* lease(mesh, recipient)
        assert.deepStrictEqual(
          recipient.of("leased").map(({ messageIds }) => messageIds),
          [idsOf(sender, "unacked")],
        )
        yield* crash(mesh)
        yield* pass(1_000)
        assert.deepStrictEqual(
          written.filter(Write.$is("SessionDetached")).map(({ sinceMillis }) => sinceMillis),
          [1_000, 1_000],
          "sessions that were cut off are recorded as gone",
        )
        const [back, again, other] = [yield* attach(mesh, bob), yield* attach(mesh, alice), yield* attach(mesh, carol)]
        assert.deepStrictEqual(back.pushed, recipient.pushed)
        assert.deepStrictEqual(
          back.of("push").map((push) => push.redelivered),
          [true],
        )
        assert.deepStrictEqual(other.pushed, idsOf(sender, "waiting"))
        yield* send(mesh, again, bob.publicKey, "after")
        assert.deepStrictEqual(back.pushed, idsOf(sender, "unacked", "after"))
      }),
      {
        change: (store) => ({
          commit: (batch) =>
            Effect.suspend(() => (written.push(...batch.map(({ write }) => write)), store.commit(batch))),
        }),
      },
    )
  })

  it.effect("loses nothing whose commit ended only after it had failed (I24)", () => {
    let gate: Deferred.Deferred<void> | undefined
    return scenario(
      Effect.gen(function* () {
        const mesh = yield* enter
        const sender = yield* attach(mesh, alice)
        gate = Deferred.makeUnsafe<void>()
        yield* send(mesh, sender, bob.publicKey, "slow")
        yield* crash(mesh)
        yield* pass(1_000)
        yield* pass(1_000)
        yield* Deferred.succeed(gate, undefined)
        gate = undefined
        yield* pass(5_000)
        const again = yield* attach(mesh, alice)
        const recipient = yield* attach(mesh, bob)
        yield* send(mesh, again, bob.publicKey, "slow")
        yield* send(mesh, again, bob.publicKey, "next")
        assert.deepStrictEqual(recipient.pushed, idsOf(sender, "slow", "next"))
        assert.deepStrictEqual(
          again.of("ack").map((frame) => frame.duplicate),
          [true, false],
        )
      }),
      {
        change: (store) => ({
          commit: (batch) =>
            gate === undefined ? store.commit(batch) : Effect.andThen(Deferred.await(gate), store.commit(batch)),
        }),
      },
    )
  })

  it.effect("begins again only after all that it had written, so that it finds nothing half done (I24)", () => {
    let gate: Deferred.Deferred<void> | undefined
    let loads = 0
    return scenario(
      Effect.gen(function* () {
        const mesh = yield* enter
        const [sender, recipient] = [yield* attach(mesh, alice), yield* attach(mesh, bob)]
        yield* send(mesh, sender, bob.publicKey, "m1")
        gate = Deferred.makeUnsafe<void>()
        yield* ack(mesh, recipient)
        yield* crash(mesh)
        const before = loads
        yield* pass(10_000)
        assert.strictEqual(loads, before)
        yield* Deferred.succeed(gate, undefined)
        gate = undefined
        yield* pass(10_000)
        assert.strictEqual(loads, before + 1)
        assert.deepStrictEqual((yield* attach(mesh, bob)).pushed, [])
      }),
      {
        change: (store) => ({
          loadMesh: (id) => Effect.suspend(() => ((loads += 1), store.loadMesh(id))),
          commit: (batch) =>
            gate === undefined ? store.commit(batch) : Effect.andThen(Deferred.await(gate), store.commit(batch)),
        }),
      },
    )
  })

  it.effect(
    "is tried again after 1 s, doubling to 25 s and spread to 30, and from 1 s again after more than a minute of life (I24)",
    () => {
      let loads = 0
      let broken = false
      return scenario(
        Effect.gen(function* () {
          const mesh = yield* enter
          yield* attach(mesh, alice)
          broken = true
          yield* crash(mesh)
          for (const seconds of [1, 2, 4, 8, 16, 25, 25]) {
            const before = loads
            yield* pass(seconds * 1_000 - 1)
            assert.strictEqual(loads, before, `not before ${seconds} s`)
            yield* pass(1)
            assert.strictEqual(loads, before + 1, `after ${seconds} s`)
          }
          broken = false
          yield* pass(30_000)
          yield* attach(mesh, alice)
          yield* pass(60_001)
          const before = loads
          yield* crash(mesh)
          yield* pass(1_000)
          assert.strictEqual(loads, before + 1)
        }),
        {
          change: (store) => ({
            loadMesh: (id) =>
              Effect.suspend(() => {
                loads += 1
                return broken ? Effect.fail(new StoreError({ reason: "unavailable", cause: "" })) : store.loadMesh(id)
              }),
          }),
        },
      )
    },
  )

  it.effect("leaves other meshes alone (I24)", () =>
    scenario(
      Effect.gen(function* () {
        const other = MeshId.make("mesh-2")
        yield* (yield* MessageStore).createMesh({ ...meshRecord, meshId: other }, undefined, [alice], 0)
        const [mesh, neighbour] = [yield* enter, yield* (yield* MeshHost).enter(other)]
        const peer = yield* attach(neighbour, alice)
        yield* crash(mesh)
        assert.deepStrictEqual(codes(peer), [])
        assert.deepStrictEqual(yield* peersSeenBy(neighbour, peer), ["alice/s1"])
      }),
    ),
  )

  it.effect("gives every place in its mailbox back, also those of commands that it never took (I13, I23)", () => {
    let failures = 0
    return scenario(
      Effect.gen(function* () {
        const mesh = yield* enter
        for (let round = 0; round < 5; round++) {
          const peer = yield* attach(mesh, alice)
          const offers = Array.from({ length: 6 }, (_, n) => offer(mesh, peer, bob.publicKey, { id: `m${round}-${n}` }))
          // Two of them are in the mailbox when the store cannot be read.
          failures = 1
          const waiting = yield* Effect.forkChild(
            Effect.all([Effect.flip(authenticate(mesh, poisonous(carol))), ...offers], { concurrency: "unbounded" }),
          )
          yield* settled
          yield* pass(30_000)
          yield* pass(30_000)
          yield* Fiber.join(waiting)
        }
        const peer = yield* attach(mesh, alice)
        yield* send(mesh, peer, bob.publicKey, "last")
        assert.strictEqual(peer.of("ack").length, 1)
      }),
      {
        limits: { meshMailboxMax: 2 },
        change: (store) => ({
          loadMesh: (id) =>
            Effect.suspend(() => {
              if (failures === 0) return store.loadMesh(id)
              failures -= 1
              return Effect.fail(new StoreError({ reason: "unavailable", cause: "" }))
            }),
        }),
      },
    )
  })
})

describe("a commit that takes effect after its error", () => {
  for (const again of ["resend", "message_status"] as const) {
    it.effect(`is delivered once its sender hears by a ${again} that it is stored (I7, I8)`, () => {
      let late: Effect.Effect<unknown, StoreError> | undefined
      let isLate = false
      return scenario(
        Effect.gen(function* () {
          const mesh = yield* enter
          const [sender, recipient] = [yield* attach(mesh, alice), yield* attach(mesh, bob)]
          isLate = true
          yield* send(mesh, sender, bob.publicKey, "late")
          isLate = false
          assert.strictEqual(sender.of("error").at(-1)?.code, "unavailable")
          yield* pass(5_000)
          yield* send(mesh, sender, bob.publicKey, "later")
          assert.deepStrictEqual(recipient.pushed, idsOf(sender, "later"))
          yield* Effect.orDie(late ?? Effect.void)
          yield* pass(5_000)
          const [messageId] = idsOf(sender, "late")
          if (again === "resend") yield* send(mesh, sender, bob.publicKey, "late")
          else if (messageId !== undefined) {
            const frame = { type: "message_status", id: RequestId.make("ask"), messageId } as const
            yield* mesh.offer(Command.Request({ peer: sender.id, frame }))
            yield* settled
          }
          assert.deepStrictEqual(recipient.pushed, idsOf(sender, "later", "late"))
          yield* send(mesh, sender, bob.publicKey, "late")
          assert.strictEqual(recipient.pushed.length, 2)
        }),
        {
          change: (store) => ({
            commit: (batch) => {
              if (!isLate) return store.commit(batch)
              late = store.commit(batch)
              return Effect.fail(new StoreError({ reason: "unavailable", cause: "its outcome is not known" }))
            },
          }),
        },
      )
    })
  }
})

describe("a second owner of a mesh", () => {
  it.effect("that has written makes the first begin again, which then goes on after it; both messages are there", () =>
    scenario(
      Effect.gen(function* () {
        const mesh = yield* enter
        const [sender, recipient] = [yield* attach(mesh, alice), yield* attach(mesh, bob)]
        yield* send(mesh, sender, bob.publicKey, "m1")
        yield* (yield* MessageStore).commit([{ write: acceptOf(messageOf(3, { id: "of-the-other" })), epoch: 1 }])
        yield* send(mesh, sender, bob.publicKey, "m2")
        assert.strictEqual(sender.of("ack").length, 1, "what was fenced is not acked")
        assert.deepStrictEqual([codes(sender), codes(recipient)], [[1001], [1001]])
        yield* pass(1_000)
        const again = yield* attach(mesh, alice)
        yield* send(mesh, again, bob.publicKey, "m2")
        assert.strictEqual(again.of("ack").length, 1)
        const back = yield* attach(mesh, bob)
        assert.deepStrictEqual(back.pushed, idsOf(sender, "m1", "of-the-other", "m2"))
      }),
    ),
  )
})

describe("the host", () => {
  const counting = () => {
    const count = { loads: 0, asked: 0 }
    const change = (store: Store): Partial<Store> => ({
      loadMesh: (id) =>
        Effect.suspend(() => {
          count.loads += 1
          return store.loadMesh(id)
        }),
      meshExists: (id) => {
        count.asked += 1
        return store.meshExists(id)
      },
    })
    return { count, change }
  }

  it.effect(
    "keeps a mesh for a while after its last connection, then drops it, and loads it again when somebody comes",
    () => {
      const { change, count } = counting()
      return scenario(
        Effect.gen(function* () {
          const visit = Effect.scoped(
            Effect.gen(function* () {
              const mesh = yield* enter
              const peer = yield* attach(mesh, alice)
              yield* mesh.detach(peer.id, false)
              yield* settled
              return peer
            }),
          )
          const first = yield* visit
          yield* pass(179_999)
          yield* visit
          assert.strictEqual(count.loads, 1)
          yield* pass(180_001)
          assert.deepStrictEqual(codes(first), [])
          const third = yield* visit
          assert.strictEqual(count.loads, 2)
          assert.isTrue(third.of("hello_ack")[0]?.resumed, "the session is known from the store")
        }),
        { change },
      )
    },
  )

  it.effect("keeps nothing of a mesh that there is not, and finds it once it is made", () => {
    const { change, count } = counting()
    return scenario(
      Effect.gen(function* () {
        const host = yield* MeshHost
        const unknown = MeshId.make("mesh-2")
        for (let n = 0; n < 3; n++) {
          assert.strictEqual((yield* Effect.flip(host.enter(unknown)))._tag, "UnknownMesh")
        }
        assert.deepStrictEqual(count, { loads: 0, asked: 3 })
        yield* (yield* MessageStore).createMesh({ ...meshRecord, meshId: unknown }, undefined, [alice], 0)
        yield* attach(yield* host.enter(unknown), alice)
        assert.deepStrictEqual(count, { loads: 1, asked: 4 })
        yield* host.enter(unknown)
        assert.deepStrictEqual(count, { loads: 1, asked: 4 }, "a mesh that runs is not asked for")
      }),
      { change },
    )
  })

  it.effect("closes the connections of its meshes with 1001 when it ends, and answers who still asks (I12)", () =>
    Effect.gen(function* () {
      const peer = new Peer(alice, "s1")
      let mesh: MeshActor | undefined
      yield* scenario(
        Effect.gen(function* () {
          mesh = yield* enter
          yield* authenticate(mesh, peer)
        }).pipe(Effect.scoped),
      )
      assert.deepStrictEqual(codes(peer), [1001])
      assert.isDefined(mesh)
      if (mesh !== undefined)
        assert.strictEqual((yield* Effect.flip(authenticate(mesh, new Peer(bob, "s1"))))._tag, "MeshUnavailable")
    }),
  )
})

describe("a hello that is given up while it waits", () => {
  it.effect("leaves nothing behind: not its place in the mailbox, not a peer (I13)", () => {
    const gate = Deferred.makeUnsafe<void>()
    return scenario(
      Effect.gen(function* () {
        const mesh = yield* enter
        const [answered, placed, outside] = ["s1", "s2", "s3"].map((session) => new Peer(bob, session))
        assert.ok(answered && placed && outside)
        // The first two have a place in the mailbox, the third waits for one.
        const fibers = yield* Effect.forEach([answered, placed, outside], (peer) =>
          Effect.forkChild(authenticate(mesh, peer)),
        )
        yield* settled
        for (const [fiber, peer] of [
          [fibers[1], placed],
          [fibers[2], outside],
        ] as const) {
          if (fiber) yield* Fiber.interrupt(fiber)
          yield* mesh.detach(peer.id, false)
        }
        yield* Deferred.succeed(gate, undefined)
        yield* settled
        assert.deepStrictEqual(answered.of("hello_ack").length, 1)
        assert.deepStrictEqual(outside.frames, [])
        assert.deepStrictEqual(yield* peersSeenBy(mesh, answered), ["bob/s1"])
        for (let n = 0; n < 5; n++) yield* send(mesh, answered, alice.publicKey, `m${n}`)
        assert.strictEqual(answered.of("ack").length, 5)
      }),
      {
        limits: { meshMailboxMax: 2 },
        change: (store) => ({ loadMesh: (id) => Effect.andThen(Deferred.await(gate), store.loadMesh(id)) }),
      },
    )
  })
})
