/**
 * One mesh: what comes into its one mailbox is decided and carried out, one after the other. Its state has no other
 * reference. It waits for nothing while it handles a command, so a command is handled where it comes in; the fiber owns the mesh's
 * beginning and its end. When it fails, its connections are closed with 1001, who
 * waits for an answer is told, and it recovers from the store, alone (I24).
 */
import { backOff, resetAfter } from "@claudemesh/domain/BackOff"
import type { MemberId, MeshId, PresenceId } from "@claudemesh/domain/Ids"
import type { AuditHead } from "@claudemesh/domain/wire/BrokerFrame"
import { CloseCode } from "@claudemesh/domain/wire/CloseCode"
import { Cause, Clock, Effect, Fiber, FiberSet, Option } from "effect"
import { takeOver } from "../session/SessionLease.ts"
import type { Enrolment, EnrolmentAnswer } from "../state/Enrolment.ts"
import {
  type Answer,
  type Attached,
  Command,
  Completion,
  type CorrelationId,
  type ReportAnswer,
} from "../state/MeshCommand.ts"
import { loadState, type LoadedMesh, type MeshRules, nextWakeMillis } from "../state/MeshState.ts"
import type { PeerId } from "../state/PeerId.ts"
import { MessageTraces } from "@claudemesh/domain/MessageTraces"
import { BrokerMetrics, type Metrics } from "../metrics/Metrics.ts"
import { GroupCommits } from "../store/GroupCommit.ts"
import { MessageStore } from "../store/MessageStore.ts"
import { Ed25519 } from "../trust/Ed25519.ts"
import type { HelloProof } from "../trust/HelloProof.ts"
import { makeAlarm } from "./Alarm.ts"
import { Askers, MeshUnavailable } from "./Askers.ts"
import { decide } from "./decide.ts"
import { type Admitted, Mailbox } from "./Mailbox.ts"
import { type PeerHandle, Peers } from "./Peers.ts"
import { makePerform, type Reach } from "./Perform.ts"
import { makeRefusals } from "./Refusals.ts"
import { SendsUnderWay } from "./SendsUnderWay.ts"

/** Commands that are answered by a frame. */
export type Offered = Extract<Command, { readonly _tag: "Send" | "Request" }>

export interface MeshActor {
  /** Shared by its connections. */
  readonly sendsUnderWay: SendsUnderWay
  /** Waits for a place in the mailbox and for the answer. */
  readonly attach: (
    proof: HelloProof,
    peer: PeerHandle,
    presenceId: PresenceId,
    audit?: AuditHead,
  ) => Effect.Effect<Attached, MeshUnavailable>
  /** Waits for a place in the mailbox, and for the commit. */
  readonly enrol: (enrolment: Enrolment) => Effect.Effect<EnrolmentAnswer, MeshUnavailable>
  /** Waits for a place in the mailbox, and for the actor to have taken it. */
  readonly report: (
    report: Omit<Extract<Command, { readonly _tag: "Report" }>, "_tag" | "replyTo">,
  ) => Effect.Effect<ReportAnswer, MeshUnavailable>
  /** Waits for a place in the mailbox only: the answer is a frame. */
  readonly offer: (command: Offered) => Effect.Effect<void>
  /** The same without waiting. False: there is no place now. */
  readonly offerNow: (command: Offered) => boolean
  /** An error was sent to this member, or to somebody who was not let in. It is counted, and written down with others. */
  readonly refused: (memberId: MemberId | undefined, code: string) => void
  /** Never waits: there is one for each connection. */
  readonly detach: (peer: PeerId, saidGoodbye: boolean) => Effect.Effect<void>
}

/** Between incarnations. Many meshes that failed together do not all read the store at once. */
const restarts = backOff(1_000, 30_000).pipe(resetAfter(60_000))

const countedMailbox = Effect.fnUntraced(function* ({ queues: { mailbox: all } }: Metrics, max: number) {
  const mailbox = new Mailbox(max)
  all.add(mailbox, max)
  yield* Effect.addFinalizer(() => Effect.sync(() => all.remove(mailbox)))
  return mailbox
})

export const makeMeshActor = Effect.fnUntraced(function* (meshId: MeshId, rules: MeshRules) {
  const store = yield* MessageStore
  const verifier = yield* yield* Ed25519
  const groupCommit = (yield* GroupCommits).groupCommitOf(meshId)
  const metrics = yield* BrokerMetrics
  const mailbox = yield* countedMailbox(metrics, rules.limits.meshMailboxMax)
  const traces = yield* MessageTraces
  const [askers, peers, sendsUnderWay] = [new Askers(), new Peers(), new SendsUnderWay(rules.limits)]
  const reach: Reach = { meshId, store, groupCommit, peers, askers, sendsUnderWay, metrics, traces }
  /** False from a failure until the state is loaded again. A first load that is under way counts as up. */
  let up = true

  /** Everything that waited for the incarnation that ended gets its answer: sockets by closing, askers by failing. */
  const abort = Effect.suspend(() => {
    up = false
    peers.closeAll(CloseCode.goingAway)
    askers.failAll()
    return mailbox.abort
  })

  const load = Effect.fn("MeshActor.load")(function* () {
    // Behind what an earlier incarnation, or an actor before this one, has submitted: it would never be looked for.
    const snapshot = yield* groupCommit.takeOver
    if (Option.isNone(snapshot)) return yield* new MeshUnavailable()
    up = true
    return loadState(snapshot.value, rules, verifier)
  })

  const incarnation = Effect.flatMap(load(), (loaded) =>
    Effect.raceFirst(live(reach, mailbox, loaded), groupCommit.lost),
  ).pipe(
    Effect.catchCause((cause) =>
      Cause.hasInterruptsOnly(cause)
        ? Effect.failCause(cause)
        : abort.pipe(
            Effect.andThen(Effect.sync(() => void (metrics.restarts.value += 1))),
            Effect.andThen(Effect.logError("a mesh failed and begins again from the store", cause)),
            Effect.annotateLogs({ meshId }),
            Effect.andThen(Effect.fail(new MeshUnavailable())),
          ),
    ),
  )
  const fiber = yield* Effect.forkScoped(Effect.retry(incarnation, restarts))
  yield* Effect.addFinalizer(() => Effect.andThen(Fiber.interrupt(fiber), abort))

  const refusals = yield* makeRefusals(meshId, groupCommit, rules.limits)

  /** A command with an answer: of the incarnation that takes it, or none. */
  const ask = <Tag extends Answer["_tag"]>(tag: Tag, command: (replyTo: CorrelationId) => Admitted) =>
    Effect.suspend(() => (up ? askers.ask(tag, (replyTo) => mailbox.put(command(replyTo))) : new MeshUnavailable()))

  return {
    sendsUnderWay,
    attach: (proof, handle, presenceId, audit) => {
      peers.add(handle)
      const attach = (replyTo: CorrelationId) => Command.Attach({ proof, peer: handle.id, presenceId, audit, replyTo })
      return Effect.map(ask("Attach", attach), ({ outcome }) => outcome)
    },
    enrol: Effect.fn("MeshActor.enrol")(function* (enrolment) {
      return (yield* ask("Enrol", (replyTo) => Command.Enrol({ enrolment, replyTo }))).answer
    }),
    report: Effect.fn("MeshActor.report")(function* (report) {
      return (yield* ask("Report", (replyTo) => Command.Report({ ...report, replyTo }))).answer
    }),
    offer: (command) => mailbox.offer(command),
    offerNow: (command) => mailbox.offerNow(command),
    refused: (memberId, code) => refusals.add(memberId, code),
    detach: (peer, saidGoodbye) => Effect.sync(() => mailbox.left(Command.Detach({ peer, saidGoodbye }))),
  } satisfies MeshActor
})

/** One incarnation: from a loaded state until it fails. Its alarm and its reads end with it, and it takes nothing more then. */
const live = Effect.fnUntraced(function* (reach: Reach, mailbox: Mailbox, loaded: LoadedMesh) {
  const { state } = loaded
  const { peers } = reach
  const clock = yield* Clock.Clock
  const complete = mailbox.completions()
  const perform = makePerform(reach, complete, yield* FiberSet.makeRuntime<never, void, never>())
  const alarm = yield* makeAlarm(() => complete(Completion.Tick()))
  perform(takeOver(loaded, clock.currentTimeMillisUnsafe(), peers))
  return yield* mailbox.takeEach((input) => {
    const nowMillis = clock.currentTimeMillisUnsafe()
    perform(decide(state, input, nowMillis, peers))
    // Its attachment may have stood in the mailbox before: until here it was answered.
    if (input._tag === "Detach") peers.remove(input.peer)
    alarm.arm(nextWakeMillis(state), nowMillis)
  })
}, Effect.scoped)
