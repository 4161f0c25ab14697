/**
 * Carries out what a mesh has decided. Nothing here waits: writes go into the group commit, reads to fibers of their own, and
 * how they end comes back to the mailbox.
 *
 * Spans begin where a mesh is loaded and somebody is enrolled. On the way of a frame there is none, here or in the connection, and of a
 * hello neither: each span costs more than the frame, and nobody collects these.
 */
import type { MeshId } from "@claudemesh/domain/Ids"
import { Clock, Effect, type Fiber, Schema } from "effect"
import type { Action, Completion } from "../state/MeshCommand.ts"
import type { RecordSpan } from "@claudemesh/domain/MessageTraces"
import type { Metrics } from "../metrics/Metrics.ts"
import type { GroupCommit } from "../store/GroupCommit.ts"
import type { MessageStore } from "../store/MessageStore.ts"
import type { Askers } from "./Askers.ts"
import { measureWrite } from "./MeasureWrite.ts"
import type { SendsUnderWay } from "./SendsUnderWay.ts"
import { traceWrite } from "./TraceWrite.ts"
import type { Peers } from "./Peers.ts"

export class Fenced extends Schema.TaggedError<Fenced>()("Fenced", { meshId: Schema.String }) {
  override get message() {
    return `mesh ${this.meshId} has another owner: its sequence was used`
  }
}

/** Whatever a mesh can reach. */
export interface Reach {
  readonly meshId: MeshId
  readonly store: MessageStore["Service"]
  readonly groupCommit: GroupCommit
  readonly peers: Peers
  readonly askers: Askers
  readonly sendsUnderWay: SendsUnderWay
  readonly metrics: Metrics
  readonly traces: RecordSpan | undefined
}

type Of<Tag extends Action["_tag"]> = Extract<Action, { readonly _tag: Tag }>
type Reading = Of<"ReadPage"> | Of<"Count"> | Of<"CountWaiting"> | Of<"ReadDeliveryReport">

/** For one incarnation: `fork` is for what ends with it. */
export const makePerform = (
  reach: Reach,
  complete: (completion: Completion) => void,
  fork: (effect: Effect.Effect<void>) => Fiber.Fiber<void>,
) => {
  const { askers, groupCommit, meshId, metrics, peers, sendsUnderWay, traces } = reach

  const write = ({ next, write }: Pick<Of<"Write">, "next" | "write">): void => {
    const asked = metrics.seconds()
    const deliveries = write._tag === "Accept" ? write.recipients.length : 0
    sendsUnderWay.holdDeliveries(deliveries)
    groupCommit.submit(write, (outcome) => {
      sendsUnderWay.holdDeliveries(-deliveries)
      measureWrite(metrics, { write, next }, outcome, asked)
      if (traces !== undefined) traceWrite(traces, { write, next }, outcome, metrics.seconds() - asked)
      if (next !== undefined) complete({ ...next, outcome })
    })
  }

  return (actions: ReadonlyArray<Action>): void => {
    for (const action of actions) {
      switch (action._tag) {
        case "Send":
          peers.get(action.peer)?.send(action.frame)
          break
        case "Tell":
          peers.get(action.peer)?.tell(action.frame)
          break
        case "HandOver":
          if (peers.get(action.peer)?.send(action.frame) === true) write(action)
          else complete(action.otherwise)
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
          write(action)
          break
        case "Later":
          fork(Effect.map(Effect.sleep(action.millis), () => complete(action.completion)))
          break
        case "Log":
          fork(log(meshId, action))
          break
        case "Fenced":
          throw new Fenced({ meshId })
        default:
          fork(Effect.map(read(reach, action), complete))
      }
    }
  }
}

const log = (meshId: MeshId, { about, level, message }: Of<"Log">): Effect.Effect<void> =>
  (level === "error" ? Effect.logError : Effect.logWarning)(message).pipe(Effect.annotateLogs({ meshId, ...about }))

const read = Effect.fnUntraced(function* ({ meshId, store }: Reach, reading: Reading) {
  switch (reading._tag) {
    case "ReadPage": {
      const { request } = reading
      return { _tag: "PageRead", request, rows: yield* Effect.exit(store.page(request)) } as const
    }
    case "Count": {
      const { inboxes, next } = reading
      const backlog = yield* Effect.exit(store.backlog(meshId, inboxes, yield* Clock.currentTimeMillis))
      return { ...next, backlog }
    }
    case "CountWaiting": {
      const { except, inboxes, next } = reading
      const nowMillis = yield* Clock.currentTimeMillis
      return { ...next, counts: yield* Effect.exit(store.countWaiting(meshId, inboxes, except, nowMillis)) }
    }
    case "ReadDeliveryReport": {
      const { messageId, next } = reading
      return { ...next, deliveryReport: yield* Effect.exit(store.deliveryReportOf(meshId, messageId)) }
    }
  }
})
