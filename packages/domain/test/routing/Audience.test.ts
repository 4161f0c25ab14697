import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import type { Label, PublicKey, SessionId } from "../../src/Ids.ts"
import { audience, Audience, type Recipient, type Roster, type RosterSession } from "../../src/routing/Audience.ts"
import { isDirect, Target } from "../../src/routing/Target.ts"
import { alice, bob, builds, carol, desktop, laptop, reviews } from "../support/Cast.ts"

interface SessionPlan {
  readonly id: SessionId
  readonly away?: boolean
  readonly channels?: ReadonlyArray<Label>
  readonly tags?: ReadonlyArray<Label>
}

const session = ({ away = false, channels = [], id, tags = [] }: SessionPlan): RosterSession => ({
  sessionId: id,
  live: !away,
  channels: new Set(channels),
  tags: new Set(tags),
})

const member = (key: PublicKey, sessions: ReadonlyArray<SessionPlan>, subscriptions: ReadonlyArray<Label> = []) => ({
  key,
  sessions: new Map(sessions.map((plan) => [plan.id, session(plan)])),
  subscriptions: new Set(subscriptions),
})

const roster = (...members: ReadonlyArray<ReturnType<typeof member>>): Roster =>
  new Map(members.map((each) => [each.key, each]))

const sender = { key: alice, session: laptop }
const everyone = Target.make({ _tag: "Everyone" })
const toChannel = Target.make({ _tag: "Channel", channel: builds })
const toTag = Target.make({ _tag: "Tag", tag: builds })
const toMember = (key: PublicKey) => Target.make({ _tag: "Member", key })
const toSession = (key: PublicKey, id: SessionId) => Target.make({ _tag: "Session", key, session: id })

const gets = (target: Target, people: Roster, recipients: ReadonlyArray<readonly [PublicKey, SessionId | "inbox"]>) =>
  assert.deepStrictEqual(
    audience(target, people, sender),
    Audience.Resolved({
      recipients: recipients.map(([key, to]): Recipient => ({ key, session: to === "inbox" ? undefined : to })),
    }),
  )

describe("a member", () => {
  it("is one recipient however many sessions it has, so that one of them takes it", () => {
    const people = roster(member(alice, [{ id: laptop }]), member(bob, [{ id: laptop }, { id: desktop }]))
    gets(toMember(bob), people, [[bob, "inbox"]])
  })

  it("is reached while away, and before its first session", () => {
    gets(toMember(bob), roster(member(bob, [{ id: laptop, away: true }])), [[bob, "inbox"]])
    gets(toMember(bob), roster(member(bob, [])), [[bob, "inbox"]])
  })

  it("may be the sender's own", () =>
    gets(toMember(alice), roster(member(alice, [{ id: laptop }])), [[alice, "inbox"]]))

  it("that the mesh does not have is named as unknown (I5)", () => {
    assert.deepStrictEqual(
      audience(toMember(carol), roster(member(bob, [])), sender),
      Audience.UnknownMember({ key: carol }),
    )
  })
})

describe("a session", () => {
  it("alone gets what is addressed to it, live or away", () => {
    const people = roster(member(bob, [{ id: laptop, away: true }, { id: desktop }]))
    gets(toSession(bob, laptop), people, [[bob, laptop]])
    gets(toSession(bob, desktop), people, [[bob, desktop]])
  })

  it("may be the sender's own", () => {
    gets(toSession(alice, laptop), roster(member(alice, [{ id: laptop }])), [[alice, laptop]])
  })

  it("that is unknown, or whose member is, is named as such (I5)", () => {
    const people = roster(member(bob, [{ id: laptop }]))
    assert.deepStrictEqual(
      audience(toSession(bob, desktop), people, sender),
      Audience.UnknownSession({ key: bob, session: desktop }),
    )
    assert.deepStrictEqual(audience(toSession(carol, laptop), people, sender), Audience.UnknownMember({ key: carol }))
  })
})

describe("a channel", () => {
  it("reaches the live sessions that joined it, and no others", () => {
    const people = roster(
      member(bob, [
        { id: laptop, channels: [builds] },
        { id: desktop, channels: [reviews] },
      ]),
      member(carol, [{ id: laptop, channels: [builds, reviews] }]),
    )
    gets(toChannel, people, [
      [bob, laptop],
      [carol, laptop],
    ])
  })

  it("waits in the inbox of a subscribed member with no session live", () => {
    const people = roster(
      member(bob, [{ id: laptop, away: true, channels: [builds] }], [builds]),
      member(carol, [], [builds]),
    )
    gets(toChannel, people, [
      [bob, "inbox"],
      [carol, "inbox"],
    ])
  })

  it("passes by those who are away and not subscribed, or live and not joined", () => {
    const people = roster(
      member(bob, [{ id: laptop, away: true, channels: [builds] }], [reviews]),
      member(carol, [{ id: laptop }], [builds]),
    )
    gets(toChannel, people, [])
  })
})

describe("a tag", () => {
  it("reaches the live sessions that carry it, and no inbox", () => {
    const people = roster(
      member(bob, [
        { id: laptop, tags: [builds] },
        { id: desktop, tags: [reviews], channels: [builds] },
      ]),
      member(carol, [{ id: laptop, away: true, tags: [builds] }], [builds]),
    )
    gets(toTag, people, [[bob, laptop]])
  })
})

describe("everyone", () => {
  it("is each live session, and the inbox of a member with none", () => {
    const people = roster(
      member(alice, [{ id: laptop }]),
      member(bob, [{ id: laptop }, { id: desktop }]),
      member(carol, [{ id: laptop, away: true }]),
    )
    gets(everyone, people, [
      [bob, laptop],
      [bob, desktop],
      [carol, "inbox"],
    ])
  })

  it("of an empty mesh is nobody", () => gets(everyone, roster(), []))
})

describe("the sender's own session", () => {
  it("is in no group, and its member's other sessions are (I14)", () => {
    const both = [
      { id: laptop, channels: [builds], tags: [builds] },
      { id: desktop, channels: [builds], tags: [builds] },
    ]
    const people = roster(member(alice, both, [builds]))
    for (const group of [everyone, toChannel, toTag]) gets(group, people, [[alice, desktop]])
  })

  it("that is alone in the mesh writes to nobody, not to its own inbox (I14)", () => {
    const people = roster(member(alice, [{ id: laptop, channels: [builds], tags: [builds] }], [builds]))
    for (const group of [everyone, toChannel, toTag]) gets(group, people, [])
  })

  it("that takes no messages, such as a command's, does not write to its member's inbox (I14)", () => {
    const people = roster(
      member(alice, [{ id: laptop, away: true }], [builds]),
      member(bob, [{ id: laptop, away: true }], [builds]),
    )
    for (const group of [everyone, toChannel]) gets(group, people, [[bob, "inbox"]])
  })

  it("is told by its key and its name together", () => {
    gets(everyone, roster(member(alice, [{ id: laptop }]), member(bob, [{ id: laptop }])), [[bob, laptop]])
  })
})

describe("audience", () => {
  const Key = Schema.Literals([alice, bob, carol])
  const Session = Schema.Literals([laptop, desktop])
  const Labels = Schema.Array(Schema.Literals([builds, reviews]))
  const Plan = Schema.Array(
    Schema.Struct({
      key: Key,
      sessions: Schema.Array(Schema.Struct({ id: Session, away: Schema.Boolean, channels: Labels, tags: Labels })),
      subscriptions: Labels,
    }),
  )
  const AnyTarget = Schema.Union([
    Schema.Struct({ _tag: Schema.tag("Member"), key: Key }),
    Schema.Struct({ _tag: Schema.tag("Session"), key: Key, session: Session }),
    Schema.Struct({ _tag: Schema.tag("Channel"), channel: Schema.Literals([builds, reviews]) }),
    Schema.Struct({ _tag: Schema.tag("Tag"), tag: Schema.Literals([builds, reviews]) }),
    Schema.Struct({ _tag: Schema.tag("Everyone") }),
  ])

  it.prop(
    "is total: any target in any mesh is resolved to known inboxes, each once, or named as unknown (I5)",
    { plan: Plan, target: AnyTarget, from: Schema.Struct({ key: Key, session: Session }) },
    ({ from, plan, target }) => {
      const people = roster(...plan.map(({ key, sessions, subscriptions }) => member(key, sessions, subscriptions)))
      const found = audience(target, people, from)
      if (found._tag !== "Resolved") {
        assert.isTrue(isDirect(target), "a group is never unknown")
        if (found._tag === "UnknownMember") assert.isFalse(people.has(found.key))
        else assert.isFalse(people.get(found.key)?.sessions.has(found.session))
        return
      }
      const inboxes = found.recipients.map(({ key, session: to }) => `${key}/${to ?? ""}`)
      assert.strictEqual(new Set(inboxes).size, inboxes.length)
      for (const { key, session: to } of found.recipients) {
        assert.isTrue(people.has(key))
        if (to === undefined) continue
        assert.isTrue(people.get(key)?.sessions.has(to))
        if (isDirect(target)) continue
        assert.isTrue(people.get(key)?.sessions.get(to)?.live)
        assert.isFalse(key === from.key && to === from.session)
      }
    },
    { arbitrary: { runs: 300, seed: 1 } },
  )
})
