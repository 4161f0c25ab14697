/**
 * What an agent must know whatever it asked for, at the end of every answer: what waits for it, what was refused after it
 * was said to wait, what a broker did that an honest one does not, a clock that is wrong. An event is said once, and
 * counts as said when its answer has left.
 */
import type { BrokerClient } from "@claudemesh/client/BrokerClient"
import { Effect } from "effect"
import { messagesWait, notSentWords } from "../Notices.ts"
import { countFitting } from "./Fit.ts"
import { noticesCharactersMax, noticesSaidMax } from "./Limits.ts"
import type { Reading } from "./Reading.ts"
import type { RequestId } from "./Unconfirmed.ts"
import { harmless } from "./WrapUntrusted.ts"
import * as agentWords from "../words/agent.ts"

/** Of a mesh's client, what it has to tell. */
export type News = Pick<BrokerClient, "alarms" | "clockNotice" | "problems" | "problemsTold" | "waits"> & {
  readonly membership: Pick<BrokerClient["membership"], "slug">
}

type Clients = ReadonlyArray<News>

export interface Waiting {
  /** That `check_messages` can give. */
  readonly messages: number
  readonly urgent: number
  /** In other sessions of the member, each as a sentence. */
  readonly elsewhere: ReadonlyArray<string>
  readonly forClock: number
}

export const whatWaits = Effect.fnUntraced(function* (clients: Clients, reading: Pick<Reading, "waiting">) {
  const held = reading.waiting()
  const all = yield* Effect.forEach(clients, ({ membership, waits }) =>
    Effect.map(waits, (there) => ({ ...there, slug: membership.slug })),
  )
  const sum = (of: (there: (typeof all)[number]) => number) => all.reduce((total, there) => total + of(there), 0)
  return {
    messages: held.length + sum(({ atBroker, here }) => here + atBroker),
    urgent: held.filter(({ priority }) => priority === "now").length + sum(({ urgent }) => urgent),
    forClock: sum(({ forClock }) => forClock),
    elsewhere: all.flatMap(({ elsewhere, slug }) =>
      elsewhere.map(({ messages, sessionId }) =>
        agentWords.inYourSessionOnSentToThat(messagesWait(messages), sessionId, slug),
      ),
    ),
  } satisfies Waiting
})

export const waitingWords = ({ messages, urgent }: Pick<Waiting, "messages" | "urgent">): string =>
  `${messagesWait(messages)}${urgent === 0 ? "" : ` (${urgent} urgent)`}`

interface Event {
  readonly key: string
  readonly text: string
  readonly told: Effect.Effect<void>
}

export interface Notices {
  readonly take: (
    clients: Clients,
    requestId: RequestId,
    saysWhatWaits: boolean,
  ) => Effect.Effect<ReadonlyArray<string>>
  /** The answer with them has left. */
  readonly told: (requestId: RequestId) => Effect.Effect<void>
  /** There is no answer: they are said with the next one. */
  readonly untold: (requestId: RequestId) => void
}

export const makeNotices = (reading: Pick<Reading, "waiting">): Notices => {
  let said: ReadonlyArray<string> = []
  const leaving = new Map<RequestId, ReadonlyArray<Event>>()

  const events = Effect.fnUntraced(function* (clients: Clients, waiting: Waiting) {
    const problems = yield* Effect.forEach(clients, problemsOf)
    const alarms = yield* Effect.forEach(clients, ({ alarms, membership: { slug } }) =>
      Effect.map(alarms, (all) => all.map((alarm) => event(agentWords.tellYourUserAboutTheBrokerOf(slug, alarm)))),
    )
    const all = [...problems.flat(), ...alarms.flat(), ...waiting.elsewhere.map((words) => event(words))]
    return all.filter(({ key }) => !said.includes(key))
  })

  return {
    take: Effect.fnUntraced(function* (clients, requestId, saysWhatWaits) {
      const waiting = yield* whatWaits(clients, reading)
      const standing = [
        ...(yield* clockLines(clients, waiting)),
        ...(saysWhatWaits || waiting.messages === 0 ? [] : [`${waitingWords(waiting)}: call check_messages.`]),
      ]
      if (saysWhatWaits) said = [...said, ...waiting.elsewhere]
      const fresh = yield* events(clients, waiting)
      const texts = fresh.map(({ text }) => harmless(text))
      const more = (left: number) => agentWords.moreSuchNoticesComeWithYourNext(left)
      const shown = countFitting(texts, noticesCharactersMax - standing.join("\n").length - 1, more)
      leaving.set(requestId, fresh.slice(0, shown))
      said = [...said, ...fresh.slice(0, shown).map(({ key }) => key)].slice(-noticesSaidMax)
      return [...texts.slice(0, shown), ...(shown === texts.length ? [] : [more(texts.length - shown)]), ...standing]
    }),
    told: (requestId) =>
      Effect.suspend(() => {
        const events = leaving.get(requestId) ?? []
        leaving.delete(requestId)
        return Effect.forEach(events, ({ told }) => told, { discard: true })
      }),
    untold: (requestId) => {
      const keys = leaving.get(requestId)?.map(({ key }) => key) ?? []
      leaving.delete(requestId)
      said = said.filter((key) => !keys.includes(key))
    },
  }
}

const event = (text: string, told: Effect.Effect<void> = Effect.void, key = text): Event => ({ key, text, told })

/** A problem stays on the disk until its answer has left, for another session to tell. */
const problemsOf = ({ problems, problemsTold }: News): Effect.Effect<ReadonlyArray<Event>> =>
  problems.pipe(
    Effect.map((all) =>
      all.map((problem) =>
        event(notSentWords(problem), Effect.ignore(problemsTold([problem.messageId])), problem.messageId),
      ),
    ),
    Effect.catch(() => Effect.succeed([])),
  )

/** Of each clock once, whichever meshes say so. */
const clockLines = Effect.fnUntraced(function* (clients: Clients, { forClock }: Waiting) {
  const notices = yield* Effect.forEach(clients, ({ clockNotice }) => clockNotice)
  const distinct = [...new Set(notices.filter((notice) => notice !== undefined))]
  const waiting = forClock === 0 ? "" : agentWords.ofYourMessagesCannotBeShownBefore(forClock)
  return distinct.map((notice) => agentWords.tellYourUserToSetIt(notice, waiting))
})
