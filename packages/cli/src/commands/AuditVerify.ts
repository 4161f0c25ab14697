/** `audit verify`: is it whole, and if not, which is the first bad block and what was done to it? Said of each mesh. */
import { AuditCheck, type AuditRecord } from "@claudemesh/domain/audit/AuditRecord"
import type { ChainReport, Tampering } from "@claudemesh/domain/audit/ChainCheck"
import type { Checkpoint } from "@claudemesh/domain/audit/Checkpoint"
import { Console, Effect, Option } from "effect"
import { Argument, Command, Flag } from "effect/unstable/cli"
import { Failed } from "../Failed.ts"
import { aside } from "../Output.ts"
import * as auditWords from "../words/audit.ts"
import * as AuditFlags from "./AuditFlags.ts"
import { ofTheStore, pagesOfFile, pagesOfStore } from "./AuditRecords.ts"

const progressBlocks = 100_000

interface Asked extends AuditFlags.Times {
  readonly mesh: Option.Option<string>
  readonly key: Option.Option<string>
  /** What was kept is compared first, so that it stands against whatever comes. */
  readonly kept: ReadonlyArray<Checkpoint>
}

const checking = (asked: Asked) => {
  const check = new AuditCheck({
    keys: new Set(Option.toArray(asked.key)),
    isPart: Option.isSome(asked.from) || Option.isSome(asked.to),
  })
  const isOfMesh = ({ mesh }: { readonly mesh: string }) => Option.isNone(asked.mesh) || asked.mesh.value === mesh
  let kept: ReadonlyArray<Checkpoint> = asked.kept
  const believed: Array<string> = []
  let blocks = 0
  // Keys come before everything else.
  const takeKept = (): void => {
    // Who gives what was kept believes it: a history that another key has signed anew is held against it, too.
    if (Option.isNone(asked.key)) for (const { key } of kept) check.believe(key)
    for (const one of kept) if (isOfMesh(one)) check.take({ type: "checkpoint", ...one })
    kept = []
  }
  const takeOne = (record: AuditRecord): void => {
    if (record.type === "key") {
      if (Option.isSome(asked.key)) return
      believed.push(record.key)
      return check.believe(record.key)
    }
    if (record.type === "rotation") return check.take(record)
    takeKept()
    if (!isOfMesh(record)) return
    if (record.type === "block" && !AuditFlags.isWithin(asked, record.atMillis)) return
    if (record.type === "block") blocks += 1
    check.take(record)
  }
  return {
    believed: (): ReadonlyArray<string> => believed,
    take: (page: ReadonlyArray<AuditRecord>): Effect.Effect<void> => {
      const before = Math.floor(blocks / progressBlocks)
      for (const record of page) takeOne(record)
      const done = Math.floor(blocks / progressBlocks)
      return done > before ? aside(auditWords.blocksChecked(done * progressBlocks)) : Effect.void
    },
    end: () => {
      takeKept()
      return check.end()
    },
  }
}

const keptIn = Effect.fnUntraced(function* (file: string) {
  const kept: Array<Checkpoint> = []
  yield* pagesOfFile(file, (page) =>
    Effect.sync(() => {
      for (const { type: _, ...one } of page.filter((record) => record.type === "checkpoint")) kept.push(one)
    }),
  )
  return kept
})

export const verify = Command.make(
  "verify",
  {
    file: Argument.String("file").pipe(Argument.withDescription(auditWords.theExportToCheck), Argument.optional),
    key: Flag.String("key").pipe(
      Flag.withDescription(auditWords.theBrokersPublicAuditKey),
      Flag.filterMap(
        (text: string) => (/^[0-9a-f]{64}$/.test(text) ? Option.some(text) : Option.none()),
        (text) => auditWords.notAnAuditKey(text),
      ),
      Flag.optional,
    ),
    kept: Flag.String("kept").pipe(Flag.withDescription(auditWords.whatWasKept), Flag.optional),
    mesh: AuditFlags.mesh,
    ...AuditFlags.times,
  },
  Effect.fn(function* ({ file, kept, ...asked }) {
    const check = checking({ ...asked, kept: Option.isSome(kept) ? yield* keptIn(kept.value) : [] })
    if (Option.isSome(file)) {
      yield* pagesOfFile(file.value, check.take)
      for (const key of check.believed()) yield* aside(auditWords.believedKey(key))
    } else yield* ofTheStore(pagesOfStore(Option.getOrUndefined(asked.mesh), check.take))
    const reports = check.end()
    if (reports.size === 0) {
      if (Option.isSome(asked.mesh)) return yield* new Failed({ reason: auditWords.hasNoAudit(asked.mesh.value) })
      return yield* Console.log(auditWords.nothingToCheck)
    }
    for (const [mesh, report] of reports) yield* Console.log(wordsOf(mesh, report))
    const altered = [...reports].filter(([, { tampering }]) => tampering !== undefined).map(([mesh]) => mesh)
    if (altered.length > 0) return yield* new Failed({ reason: auditWords.wasAltered(altered.join(", ")) })
  }),
).pipe(
  Command.withDescription(auditWords.checkThatNothingOfTheAuditWasAltered),
  Command.withExamples([
    { command: "claudemesh audit verify", description: auditWords.ofTheBrokerThatItsVariablesName },
    {
      command: "claudemesh audit verify audit.jsonl --key KEY --kept checkpoints.jsonl",
      description: auditWords.anExportAgainstAKeyAndWhatWasKept,
    },
  ]),
)

const wordsOf = (mesh: string, { tampering, ...report }: ChainReport): string => {
  if (tampering !== undefined) {
    return `${whatWasDone(mesh, tampering)}${report.blocks > 0 ? auditWords.beforeItAllIsWhole(wholeTo(report, tampering)) : ""}`
  }
  const signed = report.signedTo > 0 ? auditWords.signedUpTo(report.signedTo) : auditWords.notSignedYet
  return `${auditWords.isWhole({ mesh, ...report })}${signed}`
}

/** A block whose hash was made anew is found out by the next one only. */
const wholeTo = ({ last }: Omit<ChainReport, "tampering">, { number }: Tampering): number => Math.min(last, number - 1)

const blocksOf = ({ last, number }: Tampering): string =>
  last > number ? auditWords.blocksAre(number, last) : auditWords.blockIs(number)

const whatWasDone = (mesh: string, tampering: Tampering): string => {
  const { number, what } = tampering
  switch (what) {
    case "changed":
      return auditWords.wasChanged(mesh, number)
    case "missing":
      return auditWords.isMissing(mesh, blocksOf(tampering))
    case "inserted":
      return auditWords.wasInserted(mesh, number)
    case "reordered":
      return auditWords.wasReordered(mesh, number)
    case "cut":
      return auditWords.wasCut(mesh, blocksOf(tampering))
    case "rewritten":
      return auditWords.wasRewritten(mesh, number)
    case "unsigned":
      return auditWords.isUnsigned(mesh, number)
  }
}
