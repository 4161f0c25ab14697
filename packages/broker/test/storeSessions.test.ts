/** What the store keeps of sessions, the same on both databases. */
import { SessionId } from "@claudemesh/domain/Ids"
import { assert } from "@effect/vitest"
import { Effect, Option } from "effect"
import { MessageStore, type Write } from "../src/store/MessageStore.ts"
import { bob, meshId, meshRecord } from "./support/MeshScenario.ts"
import { acceptOf, inboxOf, messageOf } from "./support/Stores.ts"
import { type Claim, commit, conforms, sessionWrite } from "./support/StoreSuite.ts"

/** Each with when it came and when it went. */
const sessionsIn = Effect.gen(function* () {
  const found = yield* (yield* MessageStore).loadMesh(meshId)
  return Option.match(found, {
    onNone: () => [],
    onSome: ({ sessions }) =>
      sessions.map(({ attachedAtMillis, detachedAtMillis, session }): readonly [string, number, number | undefined] => [
        session,
        attachedAtMillis,
        detachedAtMillis,
      ]),
  })
})

const claims: Readonly<Record<string, Claim>> = {
  "writes the row of a session with the first message for it, where it has none, or neither": Effect.gen(function* () {
    const store = yield* MessageStore
    yield* store.createMesh(meshRecord, undefined, [bob], 0)
    const bringing = (seq: number, ...sessions: ReadonlyArray<string>): Write => ({
      ...acceptOf(
        messageOf(seq),
        sessions.map((name) => inboxOf(bob, name)),
      ),
      sessions: sessions.map((name) => ({
        memberId: bob.memberId,
        session: SessionId.make(name),
        protocol: 2,
        atMillis: seq,
      })),
    })
    yield* commit(bringing(11, "s1", "s2"), acceptOf(messageOf(12)))
    assert.deepStrictEqual(yield* sessionsIn, [
      ["s1", 11, undefined],
      ["s2", 11, undefined],
    ])
    yield* commit(
      bringing(13, "s1", "s3"),
      sessionWrite("SessionDetached", "s3", 13),
      sessionWrite("SessionAttached", "s1", 14),
    )
    assert.deepStrictEqual(yield* sessionsIn, [
      ["s1", 14, undefined],
      ["s2", 11, undefined],
      ["s3", 13, 13],
    ])
    yield* Effect.flip(commit(bringing(15, "s4"), acceptOf({ ...messageOf(16), createdAtMillis: Number.NaN })))
    assert.lengthOf(yield* sessionsIn, 3)
  }),

  "keeps of each session the end of what one batch says of it": Effect.gen(function* () {
    const store = yield* MessageStore
    yield* store.createMesh(meshRecord, undefined, [bob], 0)
    yield* commit(
      sessionWrite("SessionAttached", "came-and-went", 10),
      sessionWrite("SessionAttached", "stays", 10),
      sessionWrite("SessionDetached", "came-and-went", 20),
      sessionWrite("SessionDetached", "never-came", 20),
    )
    assert.deepStrictEqual(yield* sessionsIn, [
      ["came-and-went", 10, 20],
      ["stays", 10, undefined],
    ])
    yield* commit(
      sessionWrite("SessionDetached", "stays", 40),
      sessionWrite("SessionAttached", "stays", 40),
      sessionWrite("SessionAttached", "came-and-went", 40),
      sessionWrite("SessionDetached", "came-and-went", 40),
    )
    assert.deepStrictEqual(yield* sessionsIn, [
      ["came-and-went", 40, 40],
      ["stays", 40, undefined],
    ])
    yield* commit(sessionWrite("SessionAttached", "came-and-went", 50), sessionWrite("SessionDetached", "stays", 39))
    assert.deepStrictEqual(
      yield* sessionsIn,
      [
        ["came-and-went", 50, undefined],
        ["stays", 40, undefined],
      ],
      "an end from before the last beginning is none",
    )
  }),
}

conforms(claims)
