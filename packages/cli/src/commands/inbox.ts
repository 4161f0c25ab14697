/**
 * `inbox`: prints what waits, one message after the other. Each is leased, printed, and confirmed once stdout has taken it;
 * what was not taken waits on.
 */
import type { BrokerClient } from "@claudemesh/client/BrokerClient"
import { type InboxMessage, oldestFirst } from "@claudemesh/client/inbox/Inbox"
import { History } from "@claudemesh/client/inbox/History"
import type { MeshManager } from "@claudemesh/client/MeshManager"
import type { SessionId } from "@claudemesh/domain/Ids"
import { Clock, Effect, type Option } from "effect"
import { Command, Flag } from "effect/unstable/cli"
import { ago, onClock } from "../Ago.ts"
import { Failed, failed, Misused } from "../Failed.ts"
import { command } from "../Launch.ts"
import { askAll, chosenMeshes, clientLayer, connect, connectAs } from "../Meshes.ts"
import { shortSession } from "../mcp/WrapUntrusted.ts"
import { messagesWait } from "../Notices.ts"
import { aside } from "../Output.ts"
import { asJson, forPeople } from "../ShownMessage.ts"
import { type Ends, writeTaken } from "../Stdout.ts"
import * as Flags from "./Flags.ts"
import { followed } from "./Follow.ts"
import * as readingWords from "../words/reading.ts"
import * as does from "../words/commands.ts"

type Print = (message: InboxMessage, ends?: Ends) => ReturnType<typeof writeTaken>

export const inbox = Command.make(
  "inbox",
  {
    follow: Flag.Boolean("follow").pipe(
      Flag.withAlias("f"),
      Flag.withDescription(readingWords.stayAndPrintMessagesAsTheyCome),
      Flag.withDefault(false),
    ),
    peek: Flag.Boolean("peek").pipe(
      Flag.withDescription(readingWords.printWhatWaitsWithoutTakingItIt),
      Flag.withDefault(false),
    ),
    history: Flag.Boolean("history").pipe(
      Flag.withDescription(readingWords.printAgainWhatWasShownOnThis),
      Flag.withDefault(false),
    ),
    take: Flag.Boolean("take").pipe(
      Flag.withDescription(readingWords.alsoWhatWasSentToASession),
      Flag.withDefault(false),
    ),
    mesh: Flags.mesh,
    json: Flags.json,
  },
  Effect.fn(
    function* ({ follow, history, json, mesh, peek, take }) {
      if (Number(follow) + Number(peek) + Number(history) > 1) {
        return yield* new Misused({ reason: readingWords.giveOnlyOneOfFollowPeekAnd })
      }
      if (take && (peek || history)) {
        return yield* new Misused({ reason: readingWords.takeTakesMessagesItGoesWithNeither })
      }
      if (history) return yield* shownLately(mesh, json)
      const chosen = yield* chosenMeshes(mesh)
      // What scrolls by is read later: then it says when it came, and not how long ago that was.
      const print = printing(json, follow ? onClock : ago)
      if (follow) return yield* followed(chosen, take, (manager) => showAll(manager, print))
      const manager = yield* connect(chosen, "inbox")
      const { answers, away } = yield* askAll(manager.all, (client) => client.pull())
      if (away !== undefined && answers.length === 0) return yield* away
      const shown = yield* peek ? peekedAt(manager, print) : showAll(manager, print)
      const taken = take ? yield* takenFromSessions(manager, chosen, print) : 0
      if (!json && shown + taken === 0) yield* writeTaken("No messages.\n")
      if (!peek || json) yield* sayWhatWaits(manager)
      else yield* Effect.andThen(sayWhatWaits(manager), sayThatItWaits(shown))
      return yield* away ?? Effect.void
    },
    // `head` has what it wanted: nothing has failed, and the rest waits.
    Effect.catchTag("ReaderGone", () => Effect.void),
    (effect, { history }) =>
      Effect.mapError(effect, (error) =>
        error._tag === "StdoutFailed" && !history
          ? new Failed({ reason: readingWords.whatWasNotWrittenStillWaits(error.message) })
          : failed(error),
      ),
    Effect.scoped,
    Effect.provide(clientLayer),
  ),
).pipe(
  Command.withDescription(does.readTheMessagesThatWaitForYou),
  Command.withExamples([
    { command: "claudemesh inbox", description: readingWords.whatWaitsNowAnswerWithClaudemeshReply },
    { command: "claudemesh inbox --follow --json", description: readingWords.oneJsonObjectALineAsThey },
    { command: "claudemesh inbox --peek", description: readingWords.whatWaitsWithoutTakingIt },
    { command: "claudemesh inbox --history", description: readingWords.whatWasShownOnThisMachineIn },
    { command: "claudemesh inbox --take", description: readingWords.alsoWhatWaitsInASessionOf },
  ]),
)

const printing =
  (json: boolean, when: (iso: string, nowMillis: number) => string): Print =>
  (message, ends) =>
    Effect.flatMap(Clock.currentTimeMillis, (nowMillis) =>
      writeTaken(
        `${json ? JSON.stringify(asJson(message)) : forPeople(message, (iso) => when(iso, nowMillis))}\n`,
        ends,
      ),
    )

/** Everything that can be had, until nothing waits or nothing more comes. Gives how many were shown. */
const showAll = Effect.fnUntraced(function* (manager: MeshManager, print: Print) {
  let shown = yield* showWaiting(manager, print)
  while (true) {
    const more = yield* Effect.filter(manager.all, (client) => Effect.map(client.waits, ({ atBroker }) => atBroker > 0))
    yield* Effect.forEach(more, (client) => Effect.ignore(client.pull()), { concurrency: "unbounded" })
    const next = more.length === 0 ? 0 : yield* showWaiting(manager, print)
    if (next > 0) {
      shown += next
      continue
    }
    // The acks went out before this on the same sockets: an answer means that they arrived.
    yield* Effect.forEach(manager.all, (client) => Effect.ignore(client.ping), { concurrency: "unbounded" })
    return shown
  }
})

/** One at a time: a lease that is lost with this process leaves one message that may have been seen. */
const showWaiting = Effect.fnUntraced(function* (manager: MeshManager, print: Print) {
  let shown = 0
  while (true) {
    const [oldest] = yield* manager.look
    if (oldest === undefined) return shown
    const lease = yield* manager.lease([oldest])
    const [message] = lease.messages
    if (message !== undefined) {
      yield* print(message, { taken: lease.commit, left: lease.release })
      shown += 1
    } else if ((yield* manager.look).some(({ messageId }) => messageId === oldest.messageId)) {
      // It was neither granted nor denied: the connection is lost, and what waits is pushed again after it is back.
      return shown
    }
  }
})

const peekedAt = Effect.fnUntraced(function* (manager: MeshManager, print: Print) {
  const messages = (yield* Effect.forEach(manager.all, ({ peek }) => peek, { concurrency: "unbounded" })).flat()
  // They are shown, too, and can be answered.
  yield* (yield* History).add(messages)
  for (const message of oldestFirst(messages)) yield* print(message)
  return messages.length
})

/**
 * What was addressed to one session alone, and that session is away: under its id it is had here. A session that is connected is read
 * by its agent.
 */
const takenFromSessions = Effect.fnUntraced(function* (
  manager: MeshManager,
  memberships: Parameters<typeof connect>[0],
  print: Print,
) {
  let shown = 0
  for (const client of manager.all) {
    const membership = memberships.find(({ meshId }) => meshId === client.membership.meshId)
    const away = (yield* waitingElsewhere(client)).filter(({ isThere }) => !isThere)
    for (const { sessionId } of membership === undefined ? [] : away) {
      shown += yield* Effect.scoped(
        Effect.flatMap(connectAs(membership === undefined ? [] : [membership], sessionId), (as) =>
          Effect.andThen(
            askAll(as.all, (one) => one.pull()),
            showAll(as, print),
          ),
        ),
      )
    }
    // What waits is said as it is now.
    if (away.length > 0) yield* Effect.ignore(client.pull())
  }
  return shown
})

interface Elsewhere {
  readonly sessionId: SessionId
  readonly messages: number
  readonly isThere: boolean
}

const waitingElsewhere = Effect.fnUntraced(function* (client: BrokerClient) {
  const { elsewhere } = yield* client.waits
  if (elsewhere.length === 0) return []
  const peers = yield* Effect.orElseSucceed(client.peers, () => [])
  const there = peers.flatMap(({ attached, pubkey, sessionId }) =>
    attached && pubkey === client.membership.pubkey ? [sessionId] : [],
  )
  return elsewhere.map(({ messages, sessionId }): Elsewhere => ({
    sessionId,
    messages,
    isThere: there.includes(sessionId),
  }))
})

/** What this command did not show, and where it is to be had. */
const sayWhatWaits = (manager: MeshManager) =>
  Effect.forEach(manager.all, (client) => Effect.flatMap(waitingWords(client), Effect.forEach(aside)), {
    discard: true,
  })

const sayThatItWaits = (shown: number) =>
  shown === 0 ? Effect.void : aside(readingWords.onPeekTakesNothing(shown === 1 ? "It waits" : "They wait"))

const waitingWords = Effect.fnUntraced(function* (client: BrokerClient) {
  const { atBroker, forClock } = yield* client.waits
  const elsewhere = yield* waitingElsewhere(client)
  const { slug } = client.membership
  return [
    ...(atBroker > 0 ? [`claudemesh: ${slug}: ${messagesWait(atBroker)} more.`] : []),
    ...(forClock > 0 ? [readingWords.untilThisMachinesClockIsRight(slug, messagesWait(forClock))] : []),
    ...elsewhere.map(({ isThere, messages: count, sessionId }) => {
      const where = readingWords.inYourSession(slug, messagesWait(count), shortSession(sessionId))
      return isThere
        ? readingWords.sentToThatSessionAloneOrBeing(where)
        : readingWords.whichIsAwaySentToThatSession(where, command)
    }),
  ]
})

const shownLately = Effect.fnUntraced(function* (mesh: Option.Option<string>, json: boolean) {
  const chosen = new Set((yield* chosenMeshes(mesh)).map(({ meshId }) => meshId))
  const all = (yield* (yield* History).list).filter(({ message }) => chosen.has(message.meshId))
  if (!json && all.length === 0) return yield* writeTaken(readingWords.nothingWasShownOnThisMachineLately)
  const nowMillis = yield* Clock.currentTimeMillis
  for (const { message, shownAt } of all) {
    yield* writeTaken(
      json
        ? `${JSON.stringify({ ...asJson(message), shownAt })}\n`
        : `${forPeople(message, (iso) => ago(iso, nowMillis))}\n`,
    )
  }
})
