/** `outbox`: the messages of this machine that wait to be sent, and an end to one of them. It asks no broker. */
import type { OutboxEntry, SendProblem } from "@claudemesh/client/outbox/OutboxEntry"
import { OutboxStore } from "@claudemesh/client/outbox/OutboxStore"
import { formatTarget, parseTarget } from "@claudemesh/domain/routing/Target"
import { isoFromMillis } from "@claudemesh/domain/IsoTime"
import { Clock, Console, Effect, Option } from "effect"
import { Argument, Command } from "effect/unstable/cli"
import { ago } from "../Ago.ts"
import { Failed, failed } from "../Failed.ts"
import { command } from "../Launch.ts"
import { chosenMeshes } from "../Meshes.ts"
import { memberName } from "../mcp/WrapUntrusted.ts"
import { bold, printable, printJson, table } from "../Output.ts"
import { shortIdOf } from "./Answer.ts"
import * as Flags from "./Flags.ts"

/** Of the joined meshes, or one of them: what waits, and what is not sent and was told to nobody yet. */
const held = Effect.fnUntraced(function* (mesh: Parameters<typeof chosenMeshes>[0]) {
  const chosen = yield* chosenMeshes(mesh)
  const store = yield* OutboxStore
  const slugs = new Map(chosen.map(({ meshId, slug }) => [meshId, slug]))
  const waiting = (yield* store.list).filter(({ meshId }) => slugs.has(meshId))
  const problems = yield* Effect.forEach(chosen, ({ meshId, pubkey }) => store.problems({ meshId, member: pubkey }))
  return { slugOf: (meshId: OutboxEntry["meshId"]) => slugs.get(meshId) ?? meshId, waiting, problems: problems.flat() }
})

const waitingState = ({ hasLeft }: OutboxEntry) => (hasLeft ? "unanswered" : "waiting")

const asWords: Readonly<Record<ReturnType<typeof waitingState>, string>> = {
  waiting: "waiting to be sent",
  unanswered: "sent, not answered yet",
}

const cancel = Command.make(
  "cancel",
  {
    id: Argument.String("id").pipe(
      Argument.withDescription("The message, by its id or the first 8 characters or more of that"),
    ),
    mesh: Flags.mesh,
    json: Flags.json,
  },
  Effect.fn(function* ({ id, json, mesh }) {
    const { waiting } = yield* held(mesh)
    const begins = yield* shortIdOf(id)
    const found = waiting.filter(({ messageId }) => messageId.startsWith(begins))
    const [entry, ...others] = found
    if (entry === undefined) {
      return yield* new Failed({
        reason: `No message ${printable(id)} waits to be sent. List them with: ${command} outbox`,
      })
    }
    if (others.length > 0)
      return yield* new Failed({ reason: `Several messages begin with ${id}. Give more of the id.` })
    const became = yield* (yield* OutboxStore).cancel(entry.messageId)
    if (became === "left") {
      return yield* new Failed({
        reason: `The message to ${shownTo(entry)} has left this machine and may have arrived. It cannot be cancelled any more.`,
      })
    }
    if (became === "unknown") {
      return yield* new Failed({ reason: `The message to ${shownTo(entry)} was sent a moment ago.` })
    }
    yield* json
      ? printJson({ messageId: entry.messageId, cancelled: true })
      : Console.log(printable(`Cancelled: the message to ${shownTo(entry)} is not sent.`))
  }, Effect.mapError(failed)),
).pipe(
  Command.withDescription("Cancel a message that has not left this machine"),
  Command.withExamples([
    { command: "claudemesh outbox cancel 4fa1c2d3", description: "As `claudemesh outbox` lists it" },
  ]),
)

export const outbox = Command.make(
  "outbox",
  { mesh: Flags.mesh, json: Flags.json },
  Effect.fn(function* ({ json, mesh }) {
    const { problems, slugOf, waiting } = yield* held(mesh)
    if (json) {
      return yield* printJson([
        ...waiting.map((entry) => ({
          ...common(entry, slugOf),
          target: formatTarget(entry.frame.targetSpec),
          state: waitingState(entry),
          since: isoFromMillis(entry.sealedAtMillis),
        })),
        ...problems.map((problem) => ({
          ...common(problem, slugOf),
          target: problem.target,
          state: "refused",
          code: problem.code,
          explanation: problem.explanation,
          since: isoFromMillis(problem.atMillis),
        })),
      ])
    }
    if (waiting.length + problems.length === 0) return yield* Console.log("Nothing waits to be sent.")
    const nowMillis = yield* Clock.currentTimeMillis
    yield* Console.log(
      table(
        ["ID", "MESH", "TO", "SINCE", "STATE"],
        [
          ...waiting.map((entry) =>
            row(entry, slugOf, ago(isoFromMillis(entry.sealedAtMillis), nowMillis), asWords[waitingState(entry)]),
          ),
          ...problems.map((problem) =>
            row(
              problem,
              slugOf,
              ago(isoFromMillis(problem.atMillis), nowMillis),
              bold(`not sent: ${printable(problem.explanation)}`),
            ),
          ),
        ],
      ),
    )
  }, Effect.mapError(failed)),
).pipe(
  Command.withSubcommands([cancel]),
  Command.withDescription("List the messages of this machine that wait to be sent; cancel one"),
  Command.withExamples([
    { command: "claudemesh outbox", description: "What waits for a broker that is away" },
    { command: "claudemesh outbox cancel 4fa1c2d3", description: "Not to send one of them" },
  ]),
)

type Listed = Pick<OutboxEntry | SendProblem, "meshId" | "messageId" | "to">
type SlugOf = (meshId: OutboxEntry["meshId"]) => string

const common = ({ meshId, messageId, to }: Listed, slugOf: SlugOf) => ({ messageId, mesh: slugOf(meshId), to })

const row = ({ meshId, messageId, to }: Listed, slugOf: SlugOf, since: string, state: string) => [
  messageId.slice(0, 8),
  slugOf(meshId),
  shownTo({ to }),
  since,
  state,
]

/** As it was typed: a group or a key as it stands, and a name like in every other list. */
const shownTo = ({ to }: Pick<Listed, "to">): string =>
  Option.isSome(parseTarget(to)) ? printable(to) : memberName(to)
