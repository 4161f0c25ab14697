/** Who is let in and put out by the real actor on the real store: races for one use, two owners, sockets that close. */
import { assert, describe, it } from "@effect/vitest"
import { DisplayName } from "@claudemesh/domain/Ids"
import { noRevocations, revocationStatement } from "@claudemesh/domain/trust/Revocation"
import { Effect, Layer, Option } from "effect"
import { TestClock } from "effect/testing"
import {
  certificateFor,
  inviteFrom,
  type Keys,
  keysOf,
  noon,
  owner,
  sign,
  team as trustedMesh,
} from "../../domain/test/support/Trust.ts"
import { Enrolment } from "../src/state/Enrolment.ts"
import type { MeshActor } from "../src/mesh/MeshActor.ts"
import { MeshHost } from "../src/mesh/MeshHost.ts"
import { GroupCommits } from "../src/store/GroupCommit.ts"
import { MessageStore, StoreError } from "../src/store/MessageStore.ts"
import { attach, codes, crash, enter, authenticate, pass, send, settled, scenario } from "./support/ActorScenario.ts"
import { alice, bob, meshId, meshRecord, Peer, rulesWith } from "./support/MeshScenario.ts"

const team = { ...meshRecord, meshId: trustedMesh, ownerPublicKey: owner.key, name: DisplayName.make("The Team") }

describe("fifty who join by an invite of one use", () => {
  const door = keysOf("door")
  const people = Array.from({ length: 50 }, (_, n) => keysOf(`person ${n}`))
  const begun = Effect.gen(function* () {
    yield* TestClock.setTime(Date.parse(noon))
    yield* (yield* MessageStore).createMesh(team, undefined, [], 0)
    const mesh = yield* (yield* MeshHost).enter(team.meshId)
    yield* mesh.enrol(Enrolment.AddInvite({ by: owner.key, invite: inviteFrom(door) }))
    return mesh
  })

  const join = (mesh: MeshActor, who: Keys) =>
    Effect.map(mesh.enrol(Enrolment.Join({ by: who.key, certificate: certificateFor(who, door) })), (answer) =>
      answer._tag === "Refused" ? answer.code : answer._tag,
    )

  const expected = ["Joined", ...people.slice(1).map(() => "used_up")]

  const stored = Effect.gen(function* () {
    const { invites, members } = Option.getOrThrow(yield* (yield* MessageStore).loadMesh(team.meshId))
    assert.deepStrictEqual([members.length, invites[0]?.used], [1, 1])
  })

  it.effect("at once: one of them is in, in memory and in the store (I28)", () =>
    scenario(
      Effect.gen(function* () {
        const mesh = yield* begun
        const told = yield* Effect.all(
          people.map((who) => join(mesh, who)),
          { concurrency: "unbounded" },
        )
        assert.deepStrictEqual(told.toSorted(), expected)
        yield* stored
      }),
    ),
  )

  it.effect("at two owners of the mesh: the table lets one in, whatever each of them has counted (I28)", () =>
    scenario(
      Effect.gen(function* () {
        const one = yield* begun
        const rules = rulesWith()
        const second = yield* Layer.build(
          Layer.fresh(MeshHost.local(rules)).pipe(Layer.provide(Layer.fresh(GroupCommits.layer(1, rules.limits)))),
        )
        const other = yield* Effect.provide(
          Effect.flatMap(MeshHost, (host) => host.enter(team.meshId)),
          second,
        )
        // Both have the mesh in memory before anybody joins.
        assert.strictEqual((yield* other.enrol(Enrolment.ListInvites({ by: owner.key })))._tag, "Invites")
        // The later one has taken the mesh over: the earlier one hears so with its first write, and begins again.
        const told = yield* Effect.all(
          people.map((who, n) => Effect.orElseSucceed(join(n % 2 === 0 ? one : other, who), () => "begins again")),
          { concurrency: "unbounded" },
        )
        assert.deepStrictEqual(told.slice(0, 2), ["begins again", "Joined"])
        assert.sameMembers([...new Set(told)], ["begins again", "Joined", "used_up"])
        assert.strictEqual(told.filter((answer) => answer === "Joined").length, 1)
        yield* stored
      }),
    ),
  )
})

describe("a revoked member", () => {
  it.effect("is cut off with 4002, gets nothing any more, and is refused, also by the next owner of the mesh", () =>
    scenario(
      Effect.gen(function* () {
        const mesh = yield* enter
        const [sender, gone] = [yield* attach(mesh, alice), yield* attach(mesh, bob)]
        const unsigned = {
          meshId,
          version: 1,
          previous: noRevocations(meshId),
          subject: bob.publicKey,
          kept: [],
          at: noon,
          by: owner.key,
        }
        const revocation = { ...unsigned, signature: sign(revocationStatement(unsigned), owner) }
        const told = yield* mesh.enrol(Enrolment.Revoke({ by: owner.key, revocation }))
        assert.deepStrictEqual(told, { _tag: "Revoked", version: 1 })
        yield* settled
        assert.deepStrictEqual(codes(gone), [4002])
        assert.deepStrictEqual(sender.last, { type: "trust_changed", version: 1 })
        yield* send(mesh, sender, bob.publicKey, "late")
        assert.deepInclude(sender.last, { type: "error", code: "unknown_target" })
        const refusedNow = yield* authenticate(mesh, new Peer(bob, "s2"))
        yield* crash(mesh)
        yield* pass(1_000)
        const refusedLater = yield* authenticate(mesh, new Peer(bob, "s3"))
        for (const answer of [refusedNow, refusedLater]) {
          assert.strictEqual(answer._tag === "Refused" && answer.refusal.code, "revoked")
        }
        assert.deepStrictEqual(gone.pushed, [])
      }),
      { ownerPublicKey: owner.key },
    ),
  )
})

describe("who joins by a commit that took effect after its error, and asks again", () => {
  it.effect("is let in, and nobody else's socket is closed", () => {
    const [door, dave] = [keysOf("door"), keysOf("dave")]
    let isLost = true
    return scenario(
      Effect.gen(function* () {
        yield* TestClock.setTime(Date.parse(noon))
        yield* (yield* MessageStore).createMesh(team, undefined, [alice], 0)
        const mesh = yield* (yield* MeshHost).enter(trustedMesh)
        const there = yield* attach(mesh, alice)
        yield* mesh.enrol(Enrolment.AddInvite({ by: owner.key, invite: inviteFrom(door) }))
        const certificate = certificateFor(dave, door)
        const join = Effect.map(mesh.enrol(Enrolment.Join({ by: dave.key, certificate })), (answer) => answer._tag)
        assert.strictEqual(yield* join, "Refused")
        yield* pass(100)
        assert.strictEqual(yield* join, "Joined")
        yield* pass(1_000)
        assert.deepStrictEqual(codes(there), [])
        assert.strictEqual(there.of("members_changed").length, 1)
      }),
      {
        change: (store) => ({
          commit: (batch) =>
            isLost && JSON.stringify(batch).includes("MemberJoined")
              ? Effect.andThen(
                  store.commit(batch),
                  Effect.suspend(() => ((isLost = false), Effect.fail(away))),
                )
              : store.commit(batch),
        }),
      },
    )
  })
})

const away = new StoreError({ reason: "unavailable", cause: "the connection broke" })
