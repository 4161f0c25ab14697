/** `audit tail`: the last events, and with --follow those that come, until it is ended. Nothing is held open between two looks. */
import type { AuditRecord } from "@claudemesh/domain/audit/AuditRecord"
import { type BlockEvent, eventsOfBlock } from "@claudemesh/domain/audit/BlockEvents"
import { isoFromMillis } from "@claudemesh/domain/IsoTime"
import { Effect, Option } from "effect"
import { Command, Flag } from "effect/unstable/cli"
import { aside, table } from "../Output.ts"
import { writeTaken } from "../Stdout.ts"
import * as auditWords from "../words/audit.ts"
import * as readingWords from "../words/reading.ts"
import * as AuditFlags from "./AuditFlags.ts"
import { ofTheStore, overAndOver, pagesOfStore } from "./AuditRecords.ts"

export const tail = Command.make(
  "tail",
  {
    lines: Flag.Int("lines").pipe(
      Flag.withAlias("n"),
      Flag.withDescription(auditWords.howManyEvents),
      Flag.withDefault(20),
    ),
    follow: Flag.Boolean("follow").pipe(
      Flag.withAlias("f"),
      Flag.withDescription(auditWords.stayAndShowWhatComes),
      Flag.withDefault(false),
    ),
    mesh: AuditFlags.mesh,
    ...AuditFlags.chosen,
  },
  Effect.fn(
    function* ({ follow, lines, mesh: asked, ...by }) {
      const mesh = Option.getOrUndefined(asked)
      const chosen = AuditFlags.choosing(by)
      const seen = new Map<string, number>()
      const eventsIn = (page: ReadonlyArray<AuditRecord>): ReadonlyArray<BlockEvent> =>
        page.flatMap((record) => {
          if (record.type !== "block") return []
          seen.set(record.mesh, Math.max(record.number, seen.get(record.mesh) ?? 0))
          return eventsOfBlock(record).filter(chosen)
        })
      let last: ReadonlyArray<BlockEvent> = []
      const begin = pagesOfStore(mesh, (page) =>
        Effect.sync(() => {
          const all = [...last, ...eventsIn(page)]
          last = lines < 1 ? [] : all.toSorted((one, other) => one.atMillis - other.atMillis).slice(-lines)
        }),
      )
      const show = Effect.suspend(() => (last.length === 0 ? Effect.void : print(table(head, last.map(rowOf)))))
      if (!follow) {
        yield* ofTheStore(begin)
        return yield* last.length === 0 ? print(auditWords.nothingToCheck) : show
      }
      const more = Effect.gen(function* () {
        const { newBlocks } = yield* Effect.promise(() => import("@claudemesh/broker/store/AuditExport"))
        const blocks = yield* newBlocks(mesh, seen)
        const events = eventsIn(blocks.map((block) => ({ type: "block", ...block })))
        for (const event of events) yield* print(rowOf(event).join("  ").trimEnd())
      })
      const first = begin.pipe(Effect.andThen(show), Effect.andThen(aside(auditWords.followingTheAudit)))
      yield* Effect.onInterrupt(overAndOver(first, more), () => aside(readingWords.endedItWasToldToStop))
    },
    Effect.catchTag("ReaderGone", () => Effect.void),
  ),
).pipe(
  Command.withDescription(auditWords.showTheLastEvents),
  Command.withExamples([
    { command: "claudemesh audit tail -n 100", description: auditWords.ofTheBrokerThatItsVariablesName },
    { command: "claudemesh audit tail --follow --member ID", description: auditWords.whatThisMemberDoes },
  ]),
)

const print = (text: string) => writeTaken(`${text}\n`)

const head = ["AT", "MESH", "EVENT", "MEMBER", "TO", "MESSAGE"]

/** Of several messages their numbers in the mesh. */
const rowOf = ({ atMillis, event, member, mesh, messageId, messages, target }: BlockEvent): ReadonlyArray<string> => [
  isoFromMillis(atMillis),
  mesh,
  event,
  member ?? "",
  target ?? "",
  messageId ?? (messages ?? []).map((seq) => `#${seq}`).join(" "),
]
