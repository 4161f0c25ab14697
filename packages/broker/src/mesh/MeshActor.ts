/**
 * One mesh: a fiber that takes commands from one mailbox, decides, and carries out. Its state has no other
 * reference. It waits for nothing while it handles a command: writes go to the commit lane, reads to forked
 * fibers, and their ends come back to the mailbox. Commands are admitted by credits, completions always, since
 * their number is bounded by what is under way; so no circle of full queues can stand still (I23).
 *
 * When it fails, its connections are closed with 1001 and it begins again from the store, alone (I24).
 */
import { backOff, resetAfter } from "@claudemesh/domain/BackOff"
import type { MeshId, PresenceId } from "@claudemesh/domain/Ids"
import { CloseCode } from "@claudemesh/domain/wire/CloseCode"
import { Cause, Clock, Effect, Fiber, Option, Queue, Schema, Semaphore } from "effect"
import type { HelloProof } from "../trust/HelloProof.ts"
import { CommitLanes } from "../store/CommitLane.ts"
import { MessageStore, type PageRequest } from "../store/MessageStore.ts"
import { Ed25519 } from "../trust/Ed25519.ts"
import { Askers, MeshUnavailable } from "./Askers.ts"
import { decide } from "./decide.ts"
import { type PeerHandle, Peers } from "./Peers.ts"
import type { Enrolment, EnrolmentAnswer } from "../state/Enrolment.ts"
import {
  type Attached,
  Command,
  Completion,
  type Action,
  type Answer,
  type CorrelationId,
  type ReportAnswer,
} from "../state/MeshCommand.ts"
import { loadState, type LoadedMesh, type MeshRules, type MeshState, nextWakeMillis } from "../state/MeshState.ts"
import type { PeerId } from "../state/PeerId.ts"
import { takeOver } from "../session/SessionLease.ts"

class Fenced extends Schema.TaggedError<Fenced>()("Fenced", { meshId: Schema.String }) {
  override get message() {
    return `mesh ${this.meshId} has another owner: its sequence was used`
  }
}

export interface MeshActor {
  /** Waits for a place in the mailbox and for the answer. */
  readonly attach: (
    proof: HelloProof,
    peer: PeerHandle,
    presenceId: PresenceId,
  ) => Effect.Effect<Attached, MeshUnavailable>
  /** Waits for a place in the mailbox, and for the commit. */
  readonly enrol: (enrolment: Enrolment) => Effect.Effect<EnrolmentAnswer, MeshUnavailable>
  /** Waits for a place in the mailbox, and for the actor to have taken it. */
  readonly report: (
    report: Omit<Extract<Command, { readonly _tag: "Report" }>, "_tag" | "replyTo">,
  ) => Effect.Effect<ReportAnswer, MeshUnavailable>
  /** Waits for a place in the mailbox only: the answer is a frame. */
  readonly offer: (command: Extract<Command, { readonly _tag: "Send" | "Request" }>) => Effect.Effect<void>
  /** Never waits: there is one for each connection. */
  readonly detach: (peer: PeerId, saidGoodbye: boolean) => Effect.Effect<void>
}

/** Between restarts. Many meshes that failed together do not all read the store at once. */
const restarts = backOff(1_000, 30_000).pipe(resetAfter(60_000))

export const makeMeshActor = Effect.fnUntraced(function* (meshId: MeshId, rules: MeshRules) {
  const store = yield* MessageStore
  const verifier = yield* Ed25519
  const lane = (yield* CommitLanes).laneOf(meshId)
  const mailbox = yield* Queue.unbounded<Command | Completion>()
  const credits = yield* Semaphore.make(rules.limits.meshMailboxMax)
  const peers = new Peers()
  const askers = new Askers()
  let life = 0
  /** False from a failure until the state is loaded again. A first load that is under way counts as up. */
  let up = true

  const load = Effect.flatMap(
    store.loadMesh(meshId),
    Option.match({
      onNone: () => Effect.fail(new MeshUnavailable()),
      onSome: (snapshot) => Effect.sync(() => loadState(snapshot, rules, verifier)),
    }),
  )

  /** Completions of an earlier life mean nothing to this one. */
  const complete = (ofLife: number, completion: Completion): void => {
    if (ofLife === life) Queue.offerUnsafe(mailbox, completion)
  }

  const perform = Effect.fnUntraced(function* (actions: ReadonlyArray<Action>, ofLife: number) {
    for (const action of actions) {
      switch (action._tag) {
        case "Send":
          peers.get(action.peer)?.send(action.frame)
          break
        case "Tell":
          peers.get(action.peer)?.tell(action.frame)
          break
        case "Settle":
          peers.get(action.peer)?.settle()
          break
        case "Close":
          peers.get(action.peer)?.close(action.reason)
          peers.remove(action.peer)
          break
        case "Reply":
          askers.reply(action.to, action.answer)
          break
        case "Write":
          submit(action, ofLife)
          break
        case "ReadPage":
          yield* Effect.forkScoped(readPage(action.request, ofLife))
          break
        case "Count":
          yield* Effect.forkScoped(count(action, ofLife))
          break
        case "CountWaiting":
          yield* Effect.forkScoped(countWaiting(action, ofLife))
          break
        case "ReadFate":
          yield* Effect.forkScoped(readFate(action, ofLife))
          break
        case "Log":
          yield* (action.level === "error" ? Effect.logError : Effect.logWarning)(action.message).pipe(
            Effect.annotateLogs({ meshId, ...action.about }),
          )
          break
        case "Fenced":
          return yield* Effect.die(new Fenced({ meshId }))
      }
    }
  })

  const submit = ({ next, write }: Extract<Action, { readonly _tag: "Write" }>, ofLife: number): void => {
    lane.submit(write, (outcome) => {
      if (next !== undefined) complete(ofLife, { ...next, outcome })
    })
  }

  const readPage = (request: PageRequest, ofLife: number) =>
    Effect.map(Effect.exit(store.page(request)), (rows) => complete(ofLife, Completion.PageRead({ request, rows })))

  const count = Effect.fnUntraced(function* (
    { inboxes, next }: Extract<Action, { readonly _tag: "Count" }>,
    ofLife: number,
  ) {
    const backlog = yield* Effect.exit(store.backlog(meshId, inboxes, yield* Clock.currentTimeMillis))
    complete(ofLife, { ...next, backlog })
  })

  const countWaiting = Effect.fnUntraced(function* (
    { except, inboxes, next }: Extract<Action, { readonly _tag: "CountWaiting" }>,
    ofLife: number,
  ) {
    const nowMillis = yield* Clock.currentTimeMillis
    const counts = yield* Effect.exit(store.countWaiting(meshId, inboxes, except, nowMillis))
    complete(ofLife, { ...next, counts })
  })

  const readFate = ({ messageId, next }: Extract<Action, { readonly _tag: "ReadFate" }>, ofLife: number) =>
    Effect.map(Effect.exit(store.fateOf(meshId, messageId)), (fate) => complete(ofLife, { ...next, fate }))

  /** One life: from a loaded state until it fails. Its alarm and its reads end with it. */
  const live = Effect.fnUntraced(function* (loaded: LoadedMesh, ofLife: number) {
    const { state } = loaded
    const alarm = makeAlarm(state, () => complete(ofLife, Completion.Tick()))
    yield* perform(takeOver(loaded, yield* Clock.currentTimeMillis, peers), ofLife)
    while (true) {
      const inputs = yield* Queue.takeAll(mailbox)
      yield* credits.release(inputs.filter(isAdmitted).length)
      const nowMillis = yield* Clock.currentTimeMillis
      for (const input of inputs) {
        yield* perform(decide(state, input, nowMillis, peers), ofLife)
      }
      yield* alarm.arm(nowMillis)
    }
  }, Effect.scoped)

  /** Everything that waited for the life that ended gets its answer: sockets by closing, attachments by failing. */
  const cutOff = Effect.gen(function* () {
    up = false
    life += 1
    peers.closeAll(CloseCode.goingAway)
    askers.failAll()
    const dropped = yield* Queue.clear(mailbox)
    yield* credits.release(dropped.filter(isAdmitted).length)
  })

  // What an earlier life, or an actor before this one, has submitted is done before: it would never be looked for.
  const oneLife = lane.settled.pipe(
    Effect.andThen(load),
    Effect.tap(() => Effect.sync(() => (up = true))),
    Effect.flatMap((loaded) => live(loaded, life)),
    Effect.catchCause((cause) =>
      Cause.hasInterruptsOnly(cause)
        ? Effect.failCause(cause)
        : Effect.andThen(cutOff, Effect.logError("a mesh failed and begins again from the store", cause)).pipe(
            Effect.annotateLogs({ meshId }),
            Effect.andThen(Effect.fail(new MeshUnavailable())),
          ),
    ),
  )
  const supervised = Effect.retry(oneLife, restarts)

  const fiber = yield* Effect.forkScoped(supervised)
  yield* Effect.addFinalizer(() => Effect.andThen(Fiber.interrupt(fiber), cutOff))

  const admit = (command: Command): Effect.Effect<void> =>
    Effect.uninterruptibleMask((restore) =>
      Effect.map(restore(credits.take(1)), () => void Queue.offerUnsafe(mailbox, command)),
    )

  /** A command with an answer: of the life that takes it, or none. */
  const ask = <Tag extends Answer["_tag"]>(tag: Tag, command: (replyTo: CorrelationId) => Command) =>
    Effect.suspend(() => (up ? askers.ask(tag, (replyTo) => admit(command(replyTo))) : new MeshUnavailable()))

  const actor: MeshActor = {
    attach: (proof, handle, presenceId) =>
      Effect.suspend(() => {
        peers.add(handle)
        return Effect.map(
          ask("Attach", (replyTo) => Command.Attach({ proof, peer: handle.id, presenceId, replyTo })),
          ({ outcome }) => outcome,
        )
      }),
    enrol: (enrolment) =>
      Effect.map(
        ask("Enrol", (replyTo) => Command.Enrol({ enrolment, replyTo })),
        ({ answer }) => answer,
      ),
    report: (report) =>
      Effect.map(
        ask("Report", (replyTo) => Command.Report({ ...report, replyTo })),
        ({ answer }) => answer,
      ),
    offer: admit,
    detach: (peer, saidGoodbye) =>
      Effect.sync(() => {
        peers.remove(peer)
        Queue.offerUnsafe(mailbox, Command.Detach({ peer, saidGoodbye }))
      }),
  }
  return actor
})

const isAdmitted = (input: Command | Completion): boolean =>
  input._tag === "Attach" ||
  input._tag === "Send" ||
  input._tag === "Request" ||
  input._tag === "Enrol" ||
  input._tag === "Report"

/** Wakes the actor at the time its state asks for. There is one sleeping fiber at most. */
const makeAlarm = (state: MeshState, ring: () => void) => {
  let setFor: { readonly atMillis: number; readonly fiber: Fiber.Fiber<void> } | undefined
  return {
    arm: Effect.fnUntraced(function* (nowMillis: number) {
      const wakeAtMillis = nextWakeMillis(state)
      if (wakeAtMillis === undefined || (setFor !== undefined && setFor.atMillis <= wakeAtMillis)) return
      if (setFor !== undefined) yield* Fiber.interrupt(setFor.fiber)
      const sleep = Effect.sleep(Math.max(0, wakeAtMillis - nowMillis)).pipe(
        Effect.map(() => {
          setFor = undefined
          ring()
        }),
      )
      setFor = { atMillis: wakeAtMillis, fiber: yield* Effect.forkScoped(sleep) }
    }),
  }
}
