/** `inbox`: prints what waits, and then acks it; with `--follow` also what comes. */
import type { InboxMessage } from "@claudemesh/client/inbox/Inbox"
import type { MeshManager } from "@claudemesh/client/MeshManager"
import { Console, Effect } from "effect"
import { Command, Flag } from "effect/unstable/cli"
import { askAll, chosenMeshes, clientLayer, connect } from "../Meshes.ts"
import { bold, dim, printable, printJson } from "../Output.ts"
import { asData, groupOf, isClear, type Membership, membershipOf, saidAt, whyNotShown } from "../Received.ts"
import * as Flags from "./Flags.ts"

export const inbox = Command.make(
  "inbox",
  {
    follow: Flag.Boolean("follow").pipe(
      Flag.withAlias("f"),
      Flag.withDescription("Stay, and print messages as they come"),
      Flag.withDefault(false),
    ),
    mesh: Flags.mesh,
    json: Flags.json,
  },
  Effect.fn(
    function* ({ follow, json, mesh }) {
      const manager = yield* connect(yield* chosenMeshes(mesh), true)
      const { answers, away } = yield* askAll(manager.all, (client) => client.pull())
      if (away !== undefined && answers.length === 0) return yield* away
      const shown = yield* show(manager, json)
      if (!follow) {
        if (!json && shown === 0) yield* Console.log("No messages.")
        // The acks went out before this on the same sockets: an answer means that they arrived.
        yield* Effect.forEach(manager.all, (client) => Effect.ignore(client.ping), { discard: true })
        return yield* away ?? Effect.void
      }
      if (away !== undefined) yield* Console.error(`claudemesh: ${away.reason}`)
      return yield* Effect.forever(Effect.andThen(manager.awaitAvailable, show(manager, json)))
    },
    Effect.scoped,
    Effect.provide(clientLayer),
  ),
).pipe(
  Command.withDescription("Read the messages that wait for you; each is shown once"),
  Command.withExamples([
    { command: "claudemesh inbox", description: "What waits now" },
    { command: "claudemesh inbox --follow --json", description: "One JSON object a line, as they come" },
  ]),
)

/** Acked once printed: a command that is killed before shows them again. */
const show = Effect.fnUntraced(function* (manager: MeshManager, json: boolean) {
  const lease = yield* manager.takeAll()
  for (const message of lease.messages) yield* json ? printJson(asJson(message)) : Console.log(forPeople(message))
  yield* lease.commit
  return lease.messages.length
})

const asJson = (message: InboxMessage) => {
  const { from, ...data } = asData(message)
  return { ...data, from: { ...from, publicKey: message.senderKey }, acceptedAt: message.createdAt }
}

const memberNotes: Readonly<Record<Membership, ReadonlyArray<string>>> = {
  verified: [],
  certified: [],
  revoked: ["revoked: not a member any more"],
  uncertified: ["uncertified: not proved to be a member"],
}

const forPeople = (message: InboxMessage): string => {
  const from = bold(printable(message.sender.name ?? message.senderKey))
  const group = groupOf(message)
  const notes = [
    message.slug,
    ...(group === undefined ? [] : [`to ${group}`]),
    saidAt(message),
    ...(message.redelivered ? ["maybe seen before"] : []),
    ...memberNotes[membershipOf(message.sender.standing)],
    ...(isClear(message) ? ["not encrypted: who wrote it is not proved"] : []),
  ].join(", ")
  const { content } = message
  const body = content._tag === "Opened" ? printable(content.text) : dim(`[not shown: ${whyNotShown(content)}]`)
  return `${from} ${dim(`(${notes})`)}\n${body}\n`
}
