/**
 * What an agent must know whatever it asked for, at the end of every answer: what waits for it, what was refused after it
 * was said to wait, what a broker did that an honest one does not, a clock that is wrong. An event is said once.
 */
import type { BrokerClient } from "@claudemesh/client/BrokerClient"
import { Effect } from "effect"
import { countFitting } from "./Fit.ts"
import { noticesCharactersMax } from "./Limits.ts"
import type { Reading } from "./Reading.ts"
import { harmless } from "./WrapUntrusted.ts"

export interface Waiting {
  /** That `check_messages` can give. */
  readonly messages: number
  readonly urgent: number
}

export const whatWaits = (clients: ReadonlyArray<BrokerClient>, reading: Reading): Waiting => {
  const here = [...reading.waiting(), ...clients.flatMap(({ inbox }) => inbox.waiting)]
  return { messages: here.length, urgent: here.filter(({ priority }) => priority === "now").length }
}

export const waitingWords = ({ messages, urgent }: Waiting): string =>
  `${messages} ${messages === 1 ? "message waits" : "messages wait"}${urgent === 0 ? "" : ` (${urgent} urgent)`}`

export interface Notices {
  readonly take: (clients: ReadonlyArray<BrokerClient>, saysWhatWaits: boolean) => Effect.Effect<ReadonlyArray<string>>
}

export const makeNotices = (reading: Reading): Notices => {
  const said = new Set<string>()
  /** Events that had no room in the last answer. */
  let left: ReadonlyArray<string> = []

  const newAlarms = (clients: ReadonlyArray<BrokerClient>) =>
    Effect.map(
      Effect.forEach(clients, ({ alarms, membership: { slug } }) =>
        Effect.map(alarms, (all) => all.map((alarm) => `Tell your user, about the broker of mesh ${slug}: ${alarm}`)),
      ),
      (all) => {
        const fresh = all.flat().filter((alarm) => !said.has(alarm))
        for (const alarm of fresh) said.add(alarm)
        return fresh
      },
    )

  return {
    take: Effect.fnUntraced(function* (clients, saysWhatWaits) {
      const waiting = whatWaits(clients, reading)
      const standing = saysWhatWaits || waiting.messages === 0 ? [] : [`${waitingWords(waiting)}: call check_messages.`]
      const events = [...left, ...(yield* newAlarms(clients)).map(harmless)]
      const room = noticesCharactersMax - standing.join("\n").length - 1
      const more = (count: number) => `${count} more such notices come with your next call.`
      const count = countFitting(events, room, more)
      left = events.slice(count)
      return [...events.slice(0, count), ...(left.length === 0 ? [] : [more(left.length)]), ...standing]
    }),
  }
}
