import { formatTarget } from "@claudemesh/domain/routing/Target"
import { IsoTime } from "@claudemesh/domain/IsoTime"
import { assert, layer } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { storesInMemory } from "../src/LocalStores.ts"
import { makeMeshManager } from "../src/MeshManager.ts"
import { certified, trustOf } from "./support/Certified.ts"
import {
  dialerFor,
  FakeBroker,
  memberOf,
  membershipOf,
  person,
  pushOf,
  settle,
  testLayer,
} from "./support/FakeBroker.ts"
import { memberTarget, sealedSend } from "./support/SealedSend.ts"

const start = Effect.fnUntraced(function* (...slugs: ReadonlyArray<string>) {
  const alice = yield* person("Alice")
  const bob = yield* person("Bob")
  const brokers = [...new Set([...slugs, "down"])].map((slug) => ({ slug, broker: new FakeBroker() }))
  for (const { broker, slug } of brokers) {
    broker.members = [memberOf(alice), memberOf(bob)]
    // Its clients are of v1, too, so that one bare text can be pushed under many ids.
    const bobs = certified(bob, slug, { allowV1: true }).certificate
    broker.trust = { ...trustOf([alice], slug), certificates: [bobs] }
    if (slug === "down") broker.mode = "down"
    if (slug === "hangs") broker.mode = "hangs"
  }
  const memberships = slugs.map((slug) => certified(alice, slug))
  const manager = yield* makeMeshManager(memberships, {
    sessionId: alice.sessionId,
    client: { name: "test", version: "1" },
  }).pipe(
    Effect.provide([
      dialerFor(Object.fromEntries(brokers.map(({ broker, slug }) => [`wss://${slug}.example.com/ws`, broker]))),
      storesInMemory,
    ]),
  )
  const broker = (slug: string) => {
    const found = brokers.find((entry) => entry.slug === slug)
    if (found === undefined) throw new Error(`no broker ${slug}`)
    return found.broker
  }
  const push = Effect.fnUntraced(function* (slug: string, text: string, createdAt: string) {
    const send = yield* sealedSend({ from: bob, to: alice, text, bare: true })
    const spec = formatTarget(memberTarget(alice))
    const id = { messageId: pushOf(send, bob, membershipOf(alice, slug + text).meshId, spec).messageId }
    broker(slug).latest.say(
      pushOf(send, bob, membershipOf(alice, slug).meshId, spec, { ...id, createdAt: IsoTime.make(createdAt) }),
    )
    yield* settle
  })
  const membership = (slug: string) => certified(alice, slug)
  return { manager, broker, push, membership }
})

const textsOf = (messages: ReadonlyArray<{ readonly content: object }>) =>
  messages.map(({ content }) => ("text" in content ? content.text : undefined))

layer(testLayer)("the mesh manager", (it) => {
  it.effect("connects to every mesh but the one that is down, and that one delays no other", () =>
    Effect.gen(function* () {
      const { broker, manager } = yield* start("hangs", "down", "up")
      yield* settle
      const tags = yield* Effect.forEach(manager.all, ({ state }) => Effect.map(state, ({ _tag }) => _tag))
      assert.deepStrictEqual(tags, ["Connecting", "Waiting", "Connected"])
      broker("down").mode = "up"
      yield* TestClock.adjust("2 seconds")
      yield* (yield* manager.get("down")).awaitConnected("1 second")
    }),
  )

  it.effect("goes on with the others when one stops for good", () =>
    Effect.gen(function* () {
      const { broker, manager } = yield* start("one", "two")
      yield* settle
      broker("one").latest.close(4002)
      yield* settle
      yield* (yield* manager.get("two")).ping
      assert.strictEqual((yield* (yield* manager.get("one")).state)._tag, "Stopped")
    }),
  )

  it.effect("takes the oldest of all meshes, by time and then by arrival, as one lease", () =>
    Effect.gen(function* () {
      const { broker, manager, push } = yield* start("one", "two")
      yield* settle
      yield* push("two", "b", "2026-01-01T00:00:02.000Z")
      yield* push("one", "a", "2026-01-01T00:00:01.000Z")
      yield* push("one", "c", "2026-01-01T00:00:03.000Z")
      yield* push("two", "d", "2026-01-01T00:00:03.000Z")
      yield* manager.awaitAvailable
      const lease = yield* manager.takeAll(3)
      assert.deepStrictEqual(textsOf(lease.messages), ["a", "b", "c"])
      yield* lease.release
      const all = yield* manager.takeAll()
      assert.deepStrictEqual(textsOf(all.messages), ["a", "b", "c", "d"])
      yield* all.commit
      assert.deepStrictEqual(
        ["one", "two"].map((slug) =>
          broker(slug)
            .sent("client_ack")
            .map(({ messageIds }) => messageIds.length),
        ),
        [[2], [2]],
      )
    }),
  )

  it.effect("sets the status everywhere at once, and says for each mesh what came of it within 5 s", () =>
    Effect.gen(function* () {
      const { broker, manager } = yield* start("one", "down", "slow")
      yield* settle
      broker("slow").override = (frame) => frame.type === "set_status"
      const setting = yield* Effect.forkChild(manager.setStatusEverywhere("dnd"))
      yield* settle
      yield* TestClock.adjust("5 seconds")
      const outcomes = yield* Fiber.join(setting)
      assert.deepEqual(
        outcomes.map(({ _tag, slug }) => [slug, _tag]),
        [
          ["one", "Taken"],
          ["down", "Failed"],
          ["slow", "Failed"],
        ],
      )
    }),
  )

  it.effect("routes slug:target, and a target alone where one mesh is joined", () =>
    Effect.gen(function* () {
      const routeIn = (slugs: ReadonlyArray<string>, to: string) =>
        Effect.gen(function* () {
          const { manager } = yield* start(...slugs)
          return yield* manager.route(to).pipe(
            Effect.map(({ client, to }) => [client.membership.slug, to]),
            Effect.catch(({ _tag, slugs }) => Effect.succeed([_tag, ...slugs])),
          )
        })
      assert.deepEqual(yield* routeIn(["one", "two"], "two:Bob"), ["two", "Bob"])
      assert.deepEqual(yield* routeIn(["one", "two"], "two:tag:backend"), ["two", "tag:backend"])
      assert.deepEqual(yield* routeIn(["one"], "Bob"), ["one", "Bob"])
      assert.deepEqual(yield* routeIn(["one"], "tag:backend"), ["one", "tag:backend"])
      assert.deepEqual(yield* routeIn(["one", "two"], "tag:backend"), ["UnknownMesh", "one", "two"])
      assert.deepEqual(yield* routeIn(["one", "two"], "Bob"), ["UnknownMesh", "one", "two"])
      assert.deepEqual(yield* routeIn(["one", "two"], "three:Bob"), ["UnknownMesh", "one", "two"])
      assert.deepEqual(yield* routeIn(["one", "tag"], "TAG:Bob"), ["tag", "Bob"])
      assert.deepEqual(yield* routeIn(["one", "tag"], "tag:backend"), ["UnknownMesh", "one", "tag"])
      assert.deepEqual(yield* routeIn(["one", "tag"], "tag:tag:backend"), ["tag", "tag:backend"])
      assert.deepEqual(yield* routeIn(["tag"], "tag:backend"), ["tag", "tag:backend"])
      assert.deepEqual(yield* routeIn([], "Bob"), ["UnknownMesh"])
    }),
  )

  it.effect("needs no slug for a name that one mesh alone has, and says who was near", () =>
    Effect.gen(function* () {
      const { broker, manager } = yield* start("one", "two")
      const carol = yield* person("Carol")
      broker("two").members = [...broker("two").members, memberOf(carol)]
      const { certificates, ...trust } = broker("two").trust
      broker("two").trust = { ...trust, certificates: [...certificates, certified(carol, "two").certificate] }
      const { client, to } = yield* manager.route("@carol")
      assert.deepEqual([client.membership.slug, to], ["two", "@carol"])
      assert.match((yield* Effect.flip(manager.route("Carrol"))).message, /Did you mean two:Carol \([0-9a-f]{8}\)\?$/)
      assert.match(
        (yield* Effect.flip(manager.route("Bob"))).message,
        /in more than one mesh\. Write one:Bob \([0-9a-f]{8}\) or two:Bob \([0-9a-f]{8}\)\.$/,
      )
    }),
  )

  it.effect("begins what was joined, ends what was left, begins anew what changed, and leaves the rest alone", () =>
    Effect.gen(function* () {
      const { broker, manager, membership } = yield* start("one", "two", "three")
      yield* settle
      const one = yield* manager.get("one")
      const changed = { ...membership("two"), allowUnsealed: true }
      const synced = yield* manager.sync([membership("one"), changed, membership("down")])
      yield* settle
      assert.deepEqual(
        [synced.started.map(({ membership: { slug } }) => slug), [...synced.ended]],
        [
          ["two", "down"],
          ["two", "three"],
        ],
      )
      assert.deepEqual(
        manager.all.map(({ membership: { slug } }) => slug),
        ["one", "two", "down"],
      )
      assert.strictEqual(yield* manager.get("one"), one)
      assert.deepEqual(
        ["one", "two", "three"].map((slug) => broker(slug).connections.map(({ closed }) => closed)),
        [[false], [true, false], [true]],
      )
      assert.strictEqual((yield* Effect.flip(manager.get("three")))._tag, "UnknownMesh")
      assert.deepEqual(yield* manager.sync([membership("one"), changed, membership("down")]), {
        started: [],
        ended: [],
      })
    }),
  )

  it.effect("has a mesh that is joined later not disturb who said so in all meshes", () =>
    Effect.gen(function* () {
      const { broker, manager, membership } = yield* start("one", "two")
      yield* manager.sync([membership("one")])
      yield* settle
      yield* manager.setStatusEverywhere("dnd")
      yield* manager.sync([membership("one"), membership("two")])
      yield* settle
      const said = broker("two")
        .sent("set_status")
        .map(({ status }) => status)
      assert.deepEqual([...new Set(said)], ["dnd"])
    }),
  )

  it.effect("waits for messages also of a mesh that is joined meanwhile", () =>
    Effect.gen(function* () {
      const { manager, membership, push } = yield* start("one", "two")
      yield* manager.sync([membership("one")])
      yield* settle
      const waiting = yield* Effect.forkChild(manager.awaitAvailable)
      yield* settle
      yield* manager.sync([membership("one"), membership("two")])
      yield* settle
      assert.isUndefined(waiting.pollUnsafe())
      yield* push("two", "hello", "2026-01-01T00:00:01.000Z")
      yield* Fiber.join(waiting)
    }),
  )

  it.effect("takes from the meshes that answer within 2 s, and leaves what is in the others", () =>
    Effect.gen(function* () {
      const { broker, manager, push } = yield* start("one", "slow")
      yield* settle
      yield* push("one", "a", "2026-01-01T00:00:01.000Z")
      yield* push("slow", "b", "2026-01-01T00:00:02.000Z")
      broker("slow").override = (frame) => frame.type === "lease"
      const taking = yield* Effect.forkChild(manager.takeAll())
      yield* settle
      yield* TestClock.adjust("2 seconds")
      assert.deepStrictEqual(textsOf((yield* Fiber.join(taking)).messages), ["a"])
      assert.deepStrictEqual(
        (yield* manager.look).map(({ slug }) => slug),
        ["slow"],
      )
    }),
  )

  it.effect("ends what it has leased in one mesh when the call is given up while another one is asked", () =>
    Effect.gen(function* () {
      const { broker, manager, push } = yield* start("one", "slow")
      yield* settle
      yield* push("one", "a", "2026-01-01T00:00:01.000Z")
      yield* push("slow", "b", "2026-01-01T00:00:02.000Z")
      broker("slow").override = (frame) => frame.type === "lease"
      const taking = yield* Effect.forkChild(manager.takeAll())
      yield* settle
      yield* Fiber.interrupt(taking)
      assert.strictEqual((yield* manager.look).length, 2)
      assert.strictEqual(broker("one").sent("release").length, 1)
    }),
  )

  it.effect("keeps the order of arrival in a mesh whose broker's clock was set back", () =>
    Effect.gen(function* () {
      const { manager, push } = yield* start("one", "two")
      yield* settle
      yield* push("one", "1", "2026-01-01T00:00:05.000Z")
      yield* push("two", "between", "2026-01-01T00:00:06.000Z")
      yield* push("one", "2", "2026-01-01T00:00:01.000Z")
      yield* push("one", "3", "2026-01-01T00:00:07.000Z")
      assert.deepStrictEqual(textsOf((yield* manager.takeAll()).messages), ["1", "2", "between", "3"])
    }),
  )
})
