/**
 * Somebody sends: through the outbox of a process, waiting for the answer for as long as a tool call waits, or cancelling
 * it meanwhile. What is in the outbox then was promised to be sent, or to be told of.
 */
import type { Priority } from "@claudemesh/domain/routing/Status"
import { Effect, Option, Result } from "effect"
import type { ClientProcess } from "./ClientProcess.ts"
import type { History, SentMessage } from "./History.ts"
import { ttlSecondsOf } from "./ShortLife.ts"
import type { VirtualTime } from "./VirtualTime.ts"

export interface SendOptions {
  readonly to: string
  readonly priority: Priority
  readonly text: string
  /** How long its sender waits for the answer; until it comes, where that is not said. */
  readonly waitsMillis?: number
  /** After which its sender cancels it. */
  readonly cancelsMillis?: number
}

/** Gives the waiting for its answer. */
export const send = Effect.fnUntraced(function* (
  process: ClientProcess,
  { cancelsMillis, priority, text, to, waitsMillis }: SendOptions,
  { history, time }: { readonly history: History; readonly time: VirtualTime },
) {
  const { client, inside, isAlive, machine, membership, note, number } = process
  const asked = history.nextOrder()
  const before = process.session()
  history.attempts.set(text, { to, mesh: membership.meshId, from: membership.pubkey })
  const enqueued = yield* inside(Effect.result(client.enqueue({ to, text, priority })))
  if (!isAlive()) return undefined
  if (Result.isFailure(enqueued)) {
    note(`cannot send to ${shortTarget(to)}: ${enqueued.failure._tag}`)
    return undefined
  }
  const { ack, cancel, id, messageId } = enqueued.success
  const ttlSeconds = ttlSecondsOf(id)
  const session = process.session()
  const sent: SentMessage = {
    text,
    messageId,
    mesh: membership.meshId,
    from: membership.pubkey,
    session: session === before ? session : undefined,
    process: number,
    machine: machine.name,
    to,
    priority,
    atMillis: time.nowMillis,
    ttlMillis: ttlSeconds && ttlSeconds * 1_000,
    asked,
    outcome: undefined,
    refusal: undefined,
    cancels: false,
    cancelled: false,
    awaited: waitsMillis === undefined,
    told: 0,
  }
  history.sent.set(messageId, sent)
  const name = messageId.slice(0, 8)
  note(`sends ${name} to ${shortTarget(to)} as ${priority}`)

  const answered = (outcome: "acked" | "refused", refusal?: string) =>
    Effect.sync(() => {
      // It is another process's now, or nobody's.
      if (refusal === "SendGone" && isAlive() && !sent.cancels && !process.gate.wasShut)
        history.broken(time.nowMillis, `${messageId} was taken from a process that lives`)
      if (refusal === "SendGone" || refusal === "ClientStopped") sent.awaited = false
      if (!isAlive() || refusal === "SendGone" || refusal === "ClientStopped") return
      sent.outcome = outcome
      sent.refusal = refusal
      note(`has ${name} ${outcome}${refusal === undefined ? "" : ` (${refusal})`}`)
    })
  const waits = Effect.matchEffect(ack, {
    onFailure: (error) => answered("refused", error._tag === "SendRefused" ? error.code : error._tag),
    onSuccess: () => answered("acked"),
  })
  const cancels = Effect.sleep(cancelsMillis ?? 0).pipe(
    Effect.andThen(
      Effect.suspend(() => {
        sent.cancels = isAlive()
        return sent.cancels ? Effect.option(cancel) : Effect.succeedNone
      }),
    ),
    Effect.map((cancelled) => {
      if (!isAlive() || !Option.getOrElse(cancelled, () => false)) return
      sent.cancelled = true
      sent.awaited = false
      note(`has cancelled ${name}`)
    }),
  )
  const given = waitsMillis === undefined ? waits : Effect.timeoutOption(waits, waitsMillis)
  const waiting = yield* Effect.forkIn(inside(given), process.scope)
  if (cancelsMillis !== undefined) yield* Effect.forkIn(inside(cancels), process.scope)
  return waiting
})

const shortTarget = (to: string): string => (/^[0-9a-f]{64}/.test(to) ? `${to.slice(0, 8)}${to.slice(64)}` : to)
