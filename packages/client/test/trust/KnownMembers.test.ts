import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as BunServices from "@effect/platform-bun/BunServices"
import { MemberId, MeshId } from "@claudemesh/domain/Ids"
import { assert, layer } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { TestClock } from "effect/testing"
import { Sodium } from "../../src/keys/Sodium.ts"
import { type Known, KnownMembers, nothingKnown, withMore } from "../../src/trust/KnownMembers.ts"
import { certificateOf, door, inviteOf, keysOf, withRevocation } from "../support/Certified.ts"
import { startClient } from "../support/Clients.ts"
import { at, FakeBroker, memberOf, person } from "../support/FakeBroker.ts"
import { until } from "../support/Until.ts"

const meshId = MeshId.make("mesh-team")
const files = Layer.merge(Sodium.layer, BunServices.layer)

const folder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "claudemesh-known-"))),
  (directory) => Effect.sync(() => rmSync(directory, { recursive: true })),
)

const inFolder = Effect.map(folder, (directory) => ({
  directory,
  path: join(directory, "state.db"),
  /** Where an earlier version kept it. */
  file: join(directory, "known", `${meshId}.json`),
  memory: KnownMembers.layerIn(directory).pipe(Layer.provide(BunServices.layer)),
}))

const known = Effect.gen(function* () {
  const [alice, bob] = [yield* person("Alice"), yield* person("Bob")]
  return {
    revocations: withRevocation([], keysOf("x").publicKey),
    members: [alice, bob].map((who) => ({ certificate: certificateOf(who), firstSeen: at })),
    invites: [inviteOf(door)],
    byVoice: [{ publicKey: bob.publicKey, at }],
  } satisfies Known
})

layer(files)("what is known of members", (it) => {
  it.effect("is in a file of ours alone, and read as it was written, each mesh for itself (I19)", () =>
    Effect.gen(function* () {
      const { memory, path } = yield* inFolder
      const all = yield* known
      yield* Effect.gen(function* () {
        const { add, read } = yield* KnownMembers
        assert.deepStrictEqual(yield* read(meshId), nothingKnown)
        yield* add(meshId, all)
        assert.deepInclude(yield* read(meshId), all)
        assert.deepStrictEqual(yield* read(MeshId.make("another")), nothingKnown)
      }).pipe(Effect.provide(memory))
      assert.strictEqual(statSync(path).mode & 0o777, 0o600)
    }),
  )

  it.effect("is not given up for what comes later: first come, first kept", () =>
    Effect.gen(function* () {
      const all = yield* known
      const bob = yield* person("Bob")
      const mallory = { ...(yield* person("Mallory")), memberId: bob.memberId }
      const others: Known = {
        revocations: [],
        members: [mallory, bob].map((who) => ({
          certificate: certificateOf(who, { displayName: mallory.name }),
          firstSeen: at,
        })),
        invites: [inviteOf(door, { role: "admin" })],
        byVoice: [],
      }
      assert.deepStrictEqual(withMore(all, others), all)
      assert.deepStrictEqual(withMore(all, { ...nothingKnown, revocations: withRevocation([], bob.publicKey) }), all)
      const longer = withRevocation(all.revocations, bob.publicKey)
      assert.deepStrictEqual(withMore(all, { ...nothingKnown, revocations: longer }).revocations, longer)
    }),
  )

  it.effect("is added to by two processes at once, and neither loses what the other learnt (I19)", () =>
    Effect.gen(function* () {
      const { directory } = yield* inFolder
      const people = Array.from({ length: 8 }, (_, n) => keysOf(`m${n}`))
      const bob = yield* person("Bob")
      yield* Effect.forEach(
        people,
        (keys, n) =>
          Effect.gen(function* () {
            const who = { ...bob, ...keys, memberId: MemberId.make(`m${n}`) }
            const members = [{ certificate: certificateOf(who), firstSeen: at }]
            yield* (yield* KnownMembers).add(meshId, { ...nothingKnown, members })
          }).pipe(Effect.provide(KnownMembers.layerIn(directory).pipe(Layer.provide(BunServices.layer)))),
        { concurrency: "unbounded" },
      ).pipe(TestClock.withLive)
      const read = (yield* KnownMembers.pipe(Effect.provide(KnownMembers.layerIn(directory)))).read
      assert.strictEqual((yield* read(meshId)).members.length, 8)
    }),
  )

  it.effect("is read anew when another process has added to it, or its mode was changed, and not before", () =>
    Effect.gen(function* () {
      const { directory, memory, path } = yield* inFolder
      const other = yield* KnownMembers.pipe(Effect.provide(KnownMembers.layerIn(directory)))
      const { read } = yield* KnownMembers.pipe(Effect.provide(memory))
      yield* other.add(meshId, nothingKnown)
      const before = yield* read(meshId)
      assert.strictEqual(yield* read(meshId), before)
      const revocations = withRevocation([], keysOf("x").publicKey)
      yield* other.add(meshId, { ...nothingKnown, revocations })
      assert.deepStrictEqual((yield* read(meshId)).revocations, revocations)
      chmodSync(path, 0o644)
      assert.strictEqual((yield* Effect.flip(read(meshId)))._tag, "SecretExposed")
    }),
  )

  it.effect("is kept by the rule that the program goes by: first come, first kept, whatever comes in which order", () =>
    Effect.gen(function* () {
      const all = yield* known
      const [one, other] = [withRevocation([], keysOf("x").publicKey), withRevocation([], keysOf("y").publicKey)]
      const bob = yield* person("Bob")
      const people = ["Carol", "Dave", "Erin"].map((name, n) => ({
        ...bob,
        ...keysOf(`${n}`),
        memberId: MemberId.make(name === "Erin" ? "Carol" : name),
      }))
      const lists = [[], one, withRevocation(one, bob.publicKey), other, withRevocation(other, bob.publicKey)]
      const steps = lists.flatMap((revocations, n): Array<Known> => [
        { ...nothingKnown, revocations },
        {
          revocations: [],
          members: people.slice(n % 3).map((who) => ({ certificate: certificateOf(who), firstSeen: at })),
          invites: [inviteOf(door, { role: n > 2 ? "admin" : "member" })],
          byVoice: people.slice(n % 2).map(({ publicKey }) => ({ publicKey, at })),
        },
        all,
      ])
      for (const turn of [0, 1, 2, 3, 4, 5, 6].map((from) => [...steps.slice(from * 2), ...steps.slice(0, from * 2)])) {
        const { memory } = yield* inFolder
        const { add, read } = yield* KnownMembers.pipe(Effect.provide(memory, { local: true }))
        let expected: Known = nothingKnown
        for (const step of turn) {
          expected = withMore(expected, step)
          yield* add(meshId, step)
          assert.deepEqual(yield* read(meshId), expected)
        }
        assert.deepEqual(
          yield* (yield* KnownMembers.pipe(Effect.provide(memory, { local: true }))).read(meshId),
          expected,
        )
      }
    }),
  )

  it.effect("is taken over from the file of an earlier version, once, and the file is then gone (I19)", () =>
    Effect.gen(function* () {
      const { directory, file, memory } = yield* inFolder
      const all = yield* known
      const { add, read } = yield* KnownMembers.pipe(Effect.provide(memory))
      const write = (known: Known) => {
        mkdirSync(join(directory, "known"), { recursive: true })
        writeFileSync(file, JSON.stringify({ version: 1, meshId, ...known }), { mode: 0o600 })
        writeFileSync(join(directory, "known", `${meshId}.lock`), "")
      }
      write({ ...all, byVoice: [] })
      assert.deepEqual(yield* read(meshId), { ...all, byVoice: [] })
      assert.isFalse(existsSync(join(directory, "known")))
      // A process of that version that still runs writes it again.
      write({ ...all, members: [], revocations: [] })
      yield* add(meshId, nothingKnown)
      assert.deepEqual(yield* read(meshId), all)
      assert.sameMembers(readdirSync(directory), ["state.db", "state.db-shm", "state.db-wal"])
    }),
  )

  for (const [what, text, mode] of [
    ["is broken", "{", 0o600],
    ["is another mesh's", JSON.stringify({ version: 1, meshId: "other", ...nothingKnown }), 0o600],
    ["others may read", JSON.stringify({ version: 1, meshId, ...nothingKnown }), 0o644],
  ] as const) {
    it.effect(
      `keeps its mesh from connecting, by name, where the file of an earlier version ${what}, and is not written over`,
      () =>
        Effect.gen(function* () {
          const { directory, file, memory } = yield* inFolder
          mkdirSync(join(directory, "known"))
          writeFileSync(file, text)
          chmodSync(file, mode)
          const { broker, client } = yield* startClient(() => {}, {}, memory)
          const state = yield* until(client.state, ({ _tag }) => _tag === "Waiting")
          assert.include(state._tag === "Waiting" ? state.lastError : "", file)
          assert.strictEqual(broker.connections.length, 0)
          assert.strictEqual(readFileSync(file, "utf8"), text)
        }),
    )
  }

  it.effect("outlives the client: pins, revocations and what was compared by voice", () =>
    Effect.gen(function* () {
      const { memory, path } = yield* inFolder
      const bob = yield* person("Bob")
      const carol = yield* person("Carol")
      const revocations = withRevocation([], carol.publicKey)
      yield* Effect.scoped(
        Effect.gen(function* () {
          const { client } = yield* startClient(
            (broker) => (broker.trust = { ...broker.trust, revocations }),
            {},
            memory,
          )
          yield* client.roster
          yield* client.confirmByVoice(bob.publicKey)
        }),
      )
      assert.isTrue(existsSync(path))
      const mallory = { ...(yield* person("Mallory")), memberId: bob.memberId, name: bob.name }
      const forgetful = (broker: FakeBroker) => {
        broker.members = [memberOf(mallory)]
        broker.trust = { certificates: [certificateOf(mallory)], invites: [inviteOf(door)], revocations: [] }
      }
      const { client } = yield* startClient(forgetful, {}, memory)
      yield* client.awaitConnected("1 second")
      assert.strictEqual((yield* client.roster)[0]?.standing._tag, "KeyChanged")
      assert.deepInclude(yield* client.standingOf(bob.publicKey), { _tag: "Certified" })
      const { read } = yield* KnownMembers.pipe(Effect.provide(memory))
      assert.deepEqual(
        (yield* read(meshId)).byVoice.map(({ publicKey }) => publicKey),
        [bob.publicKey],
      )
      assert.strictEqual((yield* client.standingOf(carol.publicKey))._tag, "Revoked")
      assert.include((yield* client.alarms)[0], "it hides some")
    }),
  )
})
