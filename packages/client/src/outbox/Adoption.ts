/**
 * Takes over what processes of this member left in the outbox. A process that ended properly says so, and one that was killed is
 * known by its number; of another machine's or container's it is only known that it has been silent for long, by its beat and
 * not by any clock, which a laptop's lid moves by hours.
 */
import { Clock, Effect } from "effect"
import { Processes } from "../local/Processes.ts"
import { outboxLookMillis, outboxSenderSilentMillis } from "../Limits.ts"
import type { Outbox } from "./Outbox.ts"
import { Line } from "./Line.ts"
import { type Member, OutboxStore, type Sender } from "./OutboxStore.ts"

export interface Adoptions {
  /** Takes over once what can be: nothing of that is still on its way to the outbox when this returns. */
  readonly look: Effect.Effect<void>
  /** Looks at once, and then again and again: it is run for as long as there is a connection to send over. */
  readonly keep: Effect.Effect<never>
}

export const adoptions = Effect.fnUntraced(function* (options: {
  readonly of: Member
  readonly slug: string
  readonly sender: string
  readonly outbox: Pick<Outbox, "takeOver">
}) {
  const { of, outbox, sender, slug } = options
  const store = yield* OutboxStore
  const { hasEnded, own } = yield* Processes
  const line = new Line()
  /** The beat of a sender, and since when it has been the same. */
  const silent = new Map<string, { readonly beat: number; readonly sinceNanos: bigint }>()

  const isGone = (other: Sender, nowNanos: bigint): boolean => {
    if (hasEnded(other)) return true
    const before = silent.get(other.sender)
    if (before?.beat === other.beat) return nowNanos - before.sinceNanos >= silentNanos
    silent.set(other.sender, { beat: other.beat, sinceNanos: nowNanos })
    return false
  }

  const lookOnce = Effect.gen(function* () {
    // Before the beats are read: this process may be stopped for long behind that, and they would be taken for silence since then.
    const nowNanos = yield* Clock.monotonicTimeNanos
    const all = yield* store.senders(of)
    const others = all.filter((other) => other?.sender !== sender)
    if (others.length === 0) return silent.clear()
    const gone = others.flatMap((other) => (other !== undefined && isGone(other, nowNanos) ? [other.sender] : []))
    if (gone.length === 0 && !others.includes(undefined)) return
    const entries = yield* store.adopt(of, gone, { sender, ...own })
    if (entries.length === 0) return
    yield* Effect.logDebug("messages of a process that has ended are sent", { slug, count: entries.length })
    outbox.takeOver(entries)
  }).pipe(
    Effect.uninterruptible,
    Effect.catch(({ message }) => Effect.logDebug("the outbox cannot be looked at", { slug, reason: message })),
  )

  const look = line.inTurn(lookOnce)
  return { look, keep: Effect.forever(Effect.andThen(look, Effect.sleep(outboxLookMillis))) } satisfies Adoptions
})

const silentNanos = BigInt(outboxSenderSilentMillis) * 1_000_000n
