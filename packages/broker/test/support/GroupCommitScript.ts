/** A group commit on a store that does what the test says: everything it was asked to commit, and how it answers. */
import { Label, SessionId } from "@claudemesh/domain/Ids"
import { Cause, Deferred, Effect, Exit, Layer, Option, References } from "effect"
import { brokerLimits, type BrokerLimits } from "../../src/Limits.ts"
import { GroupCommits, type Outcome } from "../../src/store/GroupCommit.ts"
import { MessageStore, StoreError, Write, Written } from "../../src/store/MessageStore.ts"
import { bob, meshId } from "./MeshScenario.ts"
import { noSpread } from "./NoSpread.ts"
import { storeWith } from "./StoreWith.ts"
import { acceptOf, consumeOf, inboxOf, messageOf } from "./Stores.ts"

export type Commit = MessageStore["Service"]["commit"]

/** What one write is called in these tests: its sequence number, or its session. */
export const nameOf = (write: Write): string => {
  switch (write._tag) {
    case "Accept":
      return `accept ${write.message.seq}`
    case "Consume":
      return `consume ${write.seqs.join("+")}`
    case "InviteAdded":
    case "MemberJoined":
    case "KeyRevoked":
    case "MeshMoved":
      return `${write._tag} ${write.seq}`
    case "Lease":
    case "Release":
      return `${write._tag.toLowerCase()} ${write.deliveries.map(({ seq }) => seq).join("+")}`
    case "Refused":
      return `refused ${write.counts.length}`
    case "ChannelJoined":
    case "ChannelLeft":
    case "InboxMoved":
    case "SessionAttached":
    case "SessionDetached":
    case "SessionForgotten":
      return `${write._tag.replace(/Session|Channel|Inbox/, "").toLowerCase()} ${write.session}`
  }
}

export const namesOf = (batch: Parameters<Commit>[0]) => batch.map(({ write }) => nameOf(write))

export const duplicate = Written.Duplicate({
  contentHash: "h",
  deliveryReport: { seq: 1, senderMemberId: bob.memberId, priority: "next", expiresAtMillis: 1, deliveries: [] },
})

/** Everything the store was asked to commit, and how it answers; `answer` may be replaced as the scenario goes on. */
export class Script {
  readonly batches: Array<ReadonlyArray<string>> = []
  readonly ends: Array<string> = []
  answer: Commit = (batch) => Effect.succeed(batch.map(() => Written.Done()))

  /** Whether the database takes something else than what it was asked to commit. */
  probe: MessageStore["Service"]["probe"] = Effect.fail(new StoreError({ reason: "unavailable", cause: "silent" }))

  readonly store = Layer.succeed(
    MessageStore,
    storeWith({
      commit: (batch) =>
        Effect.suspend(() => {
          this.batches.push(namesOf(batch))
          return this.answer(batch)
        }),
      probe: Effect.suspend(() => this.probe),
    }),
  )

  /** Submits, and notes the outcome by the write's name. */
  submit(...writes: ReadonlyArray<Write>): Effect.Effect<void, never, GroupCommits> {
    return Effect.map(GroupCommits, (groupCommits) => {
      const groupCommit = groupCommits.groupCommitOf(meshId)
      for (const write of writes) {
        groupCommit.submit(write, (outcome) => this.ends.push(`${nameOf(write)}: ${endOf(outcome)}`))
      }
    })
  }
}

export const endOf = (outcome: Outcome): string =>
  Exit.match(outcome, {
    onSuccess: (written) => written._tag,
    onFailure: (cause) =>
      Option.match(Cause.findErrorOption(cause), { onNone: () => "defect", onSome: (error) => error.reason }),
  })

export const fails =
  (reason: StoreError["reason"]): Commit =>
  () =>
    Effect.fail(new StoreError({ reason, cause: reason }))

/** Lets every fiber go as far as it can without time. */
export const settled = Effect.repeat(Effect.yieldNow, { times: 50 })

export const scenario = (
  tell: (script: Script) => Effect.Effect<void, never, GroupCommits>,
  limits: Partial<BrokerLimits> = {},
) => {
  const script = new Script()
  return tell(script).pipe(
    Effect.provide(GroupCommits.layer(1, { ...brokerLimits, ...limits }).pipe(Layer.provide(script.store))),
    Effect.provideService(References.MinimumLogLevel, "None"),
    Effect.provide(noSpread),
  )
}

/** The store is at work on a first write until the returned effect lets it go on. */
export const busyWith = Effect.fnUntraced(function* (script: Script, first: Write) {
  const gate = yield* Deferred.make<void>()
  const { answer } = script
  script.answer = (batch) => Effect.andThen(Deferred.await(gate), answer(batch))
  yield* script.submit(first)
  yield* settled
  script.answer = answer
  return Effect.andThen(Deferred.succeed(gate, undefined), settled)
})

export const accepts = (from: number, to: number) =>
  Array.from({ length: to - from + 1 }, (_, n) => acceptOf(messageOf(from + n)))

export const consumed = (...seqs: ReadonlyArray<number>) => consumeOf(seqs, inboxOf(bob))

export const attached = (name: string) =>
  Write.SessionAttached({ meshId, memberId: bob.memberId, session: SessionId.make(name), protocol: 2, atMillis: 1 })

export const detached = (name: string) =>
  Write.SessionDetached({ meshId, memberId: bob.memberId, session: SessionId.make(name), atMillis: 2 })

export const ofSession = (name: string) => ({ meshId, memberId: bob.memberId, session: SessionId.make(name) })
export const forgotten = (name: string) => Write.SessionForgotten(ofSession(name))
export const moved = (name: string) => Write.InboxMoved({ ...ofSession(name), what: "all" })
export const channel = Label.make("one")
export const joined = (name: string) => Write.ChannelJoined({ ...ofSession(name), channel, atMillis: 1 })
export const left = (name: string) => Write.ChannelLeft({ ...ofSession(name), channel, atMillis: 2 })
