/**
 * What a host is told without asking: that what waits has changed, where it subscribed to the inbox, and each alarm, once,
 * as a line of its log. It looks at what this process knows, and asks no broker anything.
 */
import { Effect } from "effect"
import { alarmsLoggedMax, watchMillis } from "./Limits.ts"
import { type News, whatWaits } from "./Notices.ts"
import type { Reading } from "./Reading.ts"
import { harmless } from "./WrapUntrusted.ts"

export interface Told {
  readonly inboxChanged: () => void
  readonly alarm: (mesh: string, words: string) => void
}

export const watch = Effect.fnUntraced(function* (
  manager: { readonly all: ReadonlyArray<News> },
  reading: Pick<Reading, "waiting">,
  told: Told,
) {
  const logged = new Set<string>()
  let before: string | undefined

  const look = Effect.gen(function* () {
    const { messages, urgent } = yield* whatWaits(manager.all, reading)
    const now = `${messages} ${urgent}`
    if (before !== undefined && before !== now) told.inboxChanged()
    before = now
    for (const { alarms, membership } of manager.all) {
      for (const alarm of yield* alarms) {
        const key = `${membership.slug} ${alarm}`
        if (logged.has(key) || logged.size >= alarmsLoggedMax) continue
        logged.add(key)
        told.alarm(membership.slug, harmless(alarm))
      }
    }
  })

  return yield* Effect.forever(Effect.andThen(look, Effect.sleep(watchMillis)))
})
