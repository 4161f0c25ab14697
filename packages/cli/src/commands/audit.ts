/**
 * `audit`: what the broker of this machine recorded, for its operator: to be exported, checked, looked at, and signed for elsewhere; and what a
 * member keeps of it.
 */
import { AuditStore } from "@claudemesh/broker/store/AuditStore"
import { type AuditRecord, recordText } from "@claudemesh/domain/audit/AuditRecord"
import { type BlockEvent, eventsOfBlock } from "@claudemesh/domain/audit/BlockEvents"
import { isoFromMillis } from "@claudemesh/domain/IsoTime"
import { Console, Effect, Option } from "effect"
import { Command, Flag } from "effect/unstable/cli"
import { Failed, Misused } from "../Failed.ts"
import { writeTaken } from "../Stdout.ts"
import * as auditWords from "../words/audit.ts"
import * as does from "../words/commands.ts"
import * as AuditFlags from "./AuditFlags.ts"
import { inTheStore, ofTheStore, pagesOfStore } from "./AuditRecords.ts"
import { head } from "./AuditHead.ts"
import { tail } from "./AuditTail.ts"
import { verify } from "./AuditVerify.ts"

/** `head` has what it wanted. */
const print = (lines: ReadonlyArray<string>) => (lines.length === 0 ? Effect.void : writeTaken(`${lines.join("\n")}\n`))

const chosenEvents = (
  page: ReadonlyArray<AuditRecord>,
  chosen: (event: BlockEvent) => boolean,
): ReadonlyArray<BlockEvent> =>
  page.flatMap((record) => (record.type === "block" ? eventsOfBlock(record).filter(chosen) : []))

const asEvent = ({ atMillis, ...event }: BlockEvent) => ({ ...event, at: isoFromMillis(atMillis) })

const columns = [
  "mesh",
  "block",
  "seq",
  "at",
  "event",
  "member",
  "session",
  "messageId",
  "target",
  "priority",
  "bytes",
  "recipients",
  "messages",
] as const

const asCsv = (event: BlockEvent): string => {
  const row: Readonly<Record<string, string | number | null>> = {
    ...asEvent(event),
    messages: event.messages === null ? null : event.messages.join(" "),
  }
  return columns
    .map((name) => String(row[name] ?? ""))
    .map((cell) => (/[",\n\r]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell))
    .join(",")
}

const exported = Command.make(
  "export",
  {
    format: Flag.Literals("format", ["blocks", "events", "csv"]).pipe(
      Flag.withDescription(auditWords.blocksEventsOrCsv),
      Flag.withDefault("blocks"),
    ),
    mesh: AuditFlags.mesh,
    ...AuditFlags.chosen,
  },
  Effect.fn(
    function* ({ format, mesh, ...by }) {
      const isFiltered = [by.from, by.to].some(Option.isSome) || [by.member, by.message].some(Option.isSome)
      if (format === "blocks" && isFiltered) return yield* new Misused({ reason: auditWords.filtersAreForEvents })
      if (format === "csv") yield* print([columns.join(",")])
      const chosen = AuditFlags.choosing(by)
      yield* ofTheStore(
        pagesOfStore(Option.getOrUndefined(mesh), (page) => {
          if (format === "blocks") return print(page.map(recordText))
          const events = chosenEvents(page, chosen)
          return print(format === "csv" ? events.map(asCsv) : events.map((event) => JSON.stringify(asEvent(event))))
        }),
      )
    },
    Effect.catchTag("ReaderGone", () => Effect.void),
  ),
).pipe(
  Command.withDescription(auditWords.writeTheAuditToBeChecked),
  Command.withExamples([
    { command: "claudemesh audit export > audit.jsonl", description: auditWords.ofTheBrokerThatItsVariablesName },
    { command: "claudemesh audit export --format csv --from 2026-11-24", description: auditWords.forASpreadsheet },
  ]),
)

const checkpoint = Command.make(
  "checkpoint",
  { mesh: AuditFlags.mesh },
  Effect.fn(
    function* ({ mesh }) {
      const { signHeads } = yield* Effect.promise(() => import("@claudemesh/broker/store/AuditCheckpoints"))
      yield* ofTheStore(
        Effect.gen(function* () {
          const store = yield* AuditStore
          // A copy of a store without a key must not make one: it goes with the copy.
          if ((yield* store.keys).length === 0) return yield* new Failed({ reason: auditWords.nothingToCheck })
          yield* signHeads
          const newest = new Map<string, AuditRecord>()
          yield* pagesOfStore(Option.getOrUndefined(mesh), (page) =>
            Effect.sync(() => {
              for (const record of page) {
                if (record.type === "key") newest.set(record.key, record)
                if (record.type === "rotation") newest.set(`after ${record.key}`, record)
                if (record.type === "checkpoint" && record.kind === "head") newest.set(`mesh ${record.mesh}`, record)
              }
            }),
          )
          yield* print([...newest.values()].map(recordText))
        }),
      )
    },
    Effect.catchTag("ReaderGone", () => Effect.void),
  ),
).pipe(
  Command.withDescription(auditWords.signTheLastBlockOfEachMesh),
  Command.withExamples([
    { command: "claudemesh audit checkpoint >> checkpoints.jsonl", description: auditWords.forAFileToKeepElsewhere },
  ]),
)

const rotate = Command.make(
  "rotate",
  {},
  Effect.fn(function* () {
    const { rotateAuditKey } = yield* Effect.promise(() => import("@claudemesh/broker/store/AuditCheckpoints"))
    const { key, next } = yield* inTheStore(rotateAuditKey)
    yield* Console.log(auditWords.keyWasRotated(key, next))
  }),
).pipe(
  Command.withDescription(auditWords.letAnotherKeySign),
  Command.withExamples([{ command: "claudemesh audit rotate", description: auditWords.whileNoBrokerRunsOnTheFolder }]),
)

export const audit = Command.make("audit").pipe(
  Command.withDescription(does.exportCheckAndShowTheAudit),
  Command.withExamples([
    { command: "claudemesh audit verify", description: auditWords.checkThatNothingOfTheAuditWasAltered },
  ]),
  Command.withSubcommands([exported, verify, tail, checkpoint, rotate, head]),
)
