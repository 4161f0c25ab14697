/**
 * A command that a person runs beside the agents of the same member, and that ends by itself: `inbox`, which prints what
 * waits, or `send`, which waits for the answer for a while. It is a session of its own, listed nowhere. Its person may stop it: its
 * output is read no further, or it is killed.
 */
import type { InboxMessage } from "@claudemesh/client/inbox/Inbox"
import type { Sodium } from "@claudemesh/client/keys/Sodium"
import { type Crypto, Effect, Fiber, Result } from "effect"
import { type ClientProcess, type ProcessOptions, startProcess } from "./ClientProcess.ts"
import { Eyes } from "./Eyes.ts"
import type { Waits } from "@claudemesh/client/inbox/Receiving"
import { send, type SendOptions } from "./Sending.ts"

const connectMillis = 5_000

export type Does =
  | {
      readonly _tag: "Inbox"
      /** Its output is read no further after so many messages. */
      readonly readsMax: number
      /** It is killed when it has printed so many. */
      readonly diesAfter: number
    }
  | { readonly _tag: "Send"; readonly message: SendOptions & { readonly waitsMillis: number } }

export interface CommandOptions extends Omit<ProcessOptions, "hasSeen" | "tags" | "transient" | "window"> {
  readonly does: Does
  readonly started: (process: ClientProcess) => void
}

export const runCommand = Effect.fnUntraced(function* (
  options: CommandOptions,
): Effect.fn.Return<Waits | undefined, never, Sodium | Crypto.Crypto> {
  const { chance, does, history, started, time } = options
  const eyes = new Eyes()
  const process = yield* startProcess({
    ...options,
    tags: [],
    transient: true,
    window: does._tag === "Send" ? 0 : (chance.pick([4, 20, 500]) ?? 500),
    hasSeen: (messageId) => eyes.hasSeen(messageId),
  })
  started(process)
  const { client, inside } = process
  if (does._tag === "Send") {
    yield* inside(Effect.ignore(client.awaitConnected(connectMillis)))
    const waiting = yield* send(process, does.message, { history, time })
    if (waiting !== undefined) yield* Fiber.await(waiting)
    yield* process.end
    return undefined
  }

  let printed = 0
  const print = ({ content, messageId, redelivered }: InboxMessage, asked: number): boolean => {
    printed += 1
    const text = content._tag === "Opened" ? content.text : undefined
    const seen = { messageId, part: 1, parts: 1, redelivered, text }
    eyes.saw({ messageId, part: 1, parts: 1 })
    const { memberId: member, meshId: mesh } = process.membership
    const { machine, number, sessionId: host } = process
    const where = { mesh, member, session: process.session(), host, process: number, machine: machine.name }
    const order = history.nextOrder()
    history.views.push({ ...seen, ...where, order, answered: order, asked })
    history.given.push({ messageId, part: 1, process: number, order })
    process.note(`prints ${messageId.slice(0, 8)}${redelivered ? " (redelivered)" : ""}`)
    return printed < does.readsMax
  }

  /** Whether its output is still read. */
  const showWaiting = Effect.gen(function* () {
    while (process.isAlive()) {
      const asked = history.nextOrder()
      const [oldest] = yield* client.look
      if (oldest === undefined) return true
      const lease = yield* client.lease([oldest])
      const [message] = lease.messages
      if (!process.isAlive()) return false
      if (message === undefined) {
        if ((yield* client.look).some(({ messageId }) => messageId === oldest.messageId)) return true
        continue
      }
      const goesOn = print(message, asked)
      if (printed >= does.diesAfter) yield* process.crash
      else yield* lease.commit
      if (!goesOn) return false
    }
    return false
  })

  const inbox = Effect.gen(function* () {
    const first = yield* Effect.result(Effect.andThen(client.awaitConnected(connectMillis), client.pull()))
    if (Result.isFailure(first)) return process.note(`cannot ask: ${first.failure._tag}`)
    let before = -1
    while ((yield* showWaiting) && printed > before && (yield* client.waits).atBroker > 0) {
      before = printed
      yield* Effect.ignore(client.pull())
    }
    yield* Effect.ignore(client.ping)
  })
  yield* inside(inbox)
  const waits = yield* inside(client.waits)
  yield* process.end
  return waits
})
