/**
 * `inbox`: prints what waits, one message after the other. Each is leased, printed, and confirmed once stdout has taken it;
 * what was not taken waits on.
 */
import type { BrokerClient } from "@claudemesh/client/BrokerClient"
import { type InboxMessage, oldestFirst } from "@claudemesh/client/inbox/Inbox"
import { History } from "@claudemesh/client/inbox/History"
import type { MeshManager } from "@claudemesh/client/MeshManager"
import { Effect, type Option } from "effect"
import { Command, Flag } from "effect/unstable/cli"
import { Failed, failed, Misused } from "../Failed.ts"
import { askAll, chosenMeshes, clientLayer, connect } from "../Meshes.ts"
import { messagesWait } from "../Notices.ts"
import { aside, printable } from "../Output.ts"
import { asJson, forPeople } from "../ShownMessage.ts"
import { type Ends, writeTaken } from "../Stdout.ts"
import * as Flags from "./Flags.ts"
import { followed } from "./Follow.ts"

type Print = (message: InboxMessage, ends?: Ends) => ReturnType<typeof writeTaken>

export const inbox = Command.make(
  "inbox",
  {
    follow: Flag.Boolean("follow").pipe(
      Flag.withAlias("f"),
      Flag.withDescription("Stay, and print messages as they come"),
      Flag.withDefault(false),
    ),
    peek: Flag.Boolean("peek").pipe(
      Flag.withDescription("Print what waits without taking it: it waits on"),
      Flag.withDefault(false),
    ),
    history: Flag.Boolean("history").pipe(
      Flag.withDescription("Print again what was shown on this machine lately"),
      Flag.withDefault(false),
    ),
    mesh: Flags.mesh,
    json: Flags.json,
  },
  Effect.fn(
    function* ({ follow, history, json, mesh, peek }) {
      if (Number(follow) + Number(peek) + Number(history) > 1) {
        return yield* new Misused({ reason: "Give only one of --follow, --peek and --history." })
      }
      const print: Print = (message, ends) =>
        writeTaken(`${json ? JSON.stringify(asJson(message)) : forPeople(message)}\n`, ends)
      if (history) return yield* shownLately(mesh, json)
      const manager = yield* connect(yield* chosenMeshes(mesh), "inbox")
      if (follow) return yield* followed(manager, showAll(manager, print))
      const { answers, away } = yield* askAll(manager.all, (client) => client.pull())
      if (away !== undefined && answers.length === 0) return yield* away
      const shown = yield* peek ? peekedAt(manager, print) : showAll(manager, print)
      if (!json && shown === 0) yield* writeTaken("No messages.\n")
      yield* sayWhatWaits(manager)
      return yield* away ?? Effect.void
    },
    // `head` has what it wanted: nothing has failed, and the rest waits.
    Effect.catchTag("ReaderGone", () => Effect.void),
    (effect, { history }) =>
      Effect.mapError(effect, (error) =>
        error._tag === "StdoutFailed" && !history
          ? new Failed({ reason: `${error.message} What was not written still waits.` })
          : failed(error),
      ),
    Effect.scoped,
    Effect.provide(clientLayer),
  ),
).pipe(
  Command.withDescription("Read the messages that wait for you; each is shown once"),
  Command.withExamples([
    { command: "claudemesh inbox", description: "What waits now" },
    { command: "claudemesh inbox --follow --json", description: "One JSON object a line, as they come" },
    { command: "claudemesh inbox --peek", description: "What waits, without taking it" },
    { command: "claudemesh inbox --history", description: "What was shown on this machine in the last days" },
  ]),
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
  for (const message of oldestFirst(messages)) yield* print(message)
  return messages.length
})

/** What this command did not show, and where it is to be had. */
const sayWhatWaits = (manager: MeshManager) =>
  Effect.forEach(manager.all, (client) => Effect.flatMap(waitingWords(client), Effect.forEach(aside)), {
    discard: true,
  })

const waitingWords = ({ membership: { slug }, waits }: BrokerClient) =>
  Effect.map(waits, ({ atBroker, elsewhere, forClock }) => [
    ...(atBroker > 0 ? [`claudemesh: ${slug}: ${messagesWait(atBroker)} more.`] : []),
    ...(forClock > 0 ? [`claudemesh: ${slug}: ${messagesWait(forClock)} until this machine's clock is right.`] : []),
    ...elsewhere.map(
      ({ messages: count, sessionId }) =>
        `claudemesh: ${slug}: ${messagesWait(count)} in your session ${sessionId}: sent to that session alone, or being read there.`,
    ),
  ])

const shownLately = Effect.fnUntraced(function* (mesh: Option.Option<string>, json: boolean) {
  const chosen = new Set((yield* chosenMeshes(mesh)).map(({ meshId }) => meshId))
  const all = (yield* (yield* History).list).filter(({ message }) => chosen.has(message.meshId))
  if (!json && all.length === 0) return yield* writeTaken("Nothing was shown on this machine lately.\n")
  for (const { message, shownAt } of all) {
    yield* writeTaken(
      json
        ? `${JSON.stringify({ ...asJson(message), shownAt })}\n`
        : printable(`${message.messageId.slice(0, 8)} `) + `${forPeople(message)}\n`,
    )
  }
})
