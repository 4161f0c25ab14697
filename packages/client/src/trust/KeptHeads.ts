/**
 * The last head of each mesh's audit that this machine was told by each of its brokers, and what did not go on from it: a mesh that its owner has
 * moved begins another chain at the new one. It is in `state.db`, for all processes of the user
 * together. What is found is written down once, with both heads, so that it can be shown later; then the new head is kept, and the mesh goes on.
 */
import { type AuditRecord, parseRecord, recordText } from "@claudemesh/domain/audit/AuditRecord"
import type { Checkpoint } from "@claudemesh/domain/audit/Checkpoint"
import { type HeadProblem, judgeHead } from "@claudemesh/domain/audit/HeadCheck"
import type { KeyRotation } from "@claudemesh/domain/audit/KeyRotation"
import type { MeshId } from "@claudemesh/domain/Ids"
import { isoFromMillis } from "@claudemesh/domain/IsoTime"
import { Context, Effect, Layer } from "effect"
import { type Database, StateDb, type StateDbError } from "../local/StateDb.ts"
import { auditFindingsMax } from "../Limits.ts"

export interface HeadFinding {
  readonly problem: HeadProblem
  /** Undefined where nothing was kept yet. */
  readonly kept: Checkpoint | undefined
  readonly told: Checkpoint
  readonly foundMillis: number
}

export interface Kept {
  readonly head: Checkpoint | undefined
  readonly findings: ReadonlyArray<HeadFinding>
}

export class KeptHeads extends Context.Service<
  KeptHeads,
  {
    /** What is wrong with it, where that is new. `isForAgent`: whoever asks tells its agent. */
    readonly learn: (
      broker: string,
      head: Checkpoint,
      rotations: ReadonlyArray<KeyRotation>,
      nowMillis: number,
      isForAgent: boolean,
    ) => Effect.Effect<HeadFinding | undefined, StateDbError>
    /** The head that this broker told last, and what was found of the mesh, at whichever it was. */
    readonly read: (meshId: MeshId, broker: string) => Effect.Effect<Kept, StateDbError>
    /** What no agent was told yet, such as what a command had found. From then on it counts as told. */
    readonly takeUntold: (meshId: MeshId) => Effect.Effect<ReadonlyArray<HeadFinding>, StateDbError>
  }
>()("@claudemesh/client/trust/KeptHeads") {
  static readonly layer = Layer.effect(
    KeptHeads,
    Effect.map(StateDb, ({ read, transaction }) =>
      KeptHeads.of({
        learn: (broker, head, rotations, nowMillis, isForAgent) =>
          Effect.flatMap(
            read((db) => judgeHead(headIn(db, head.mesh, broker), head, rotations)),
            (first) =>
              // Nearly always: nothing is written, and no other process waits.
              first === "known"
                ? Effect.undefined
                : transaction((db) => learnIn(db, broker, head, rotations, nowMillis, isForAgent)),
          ),
        read: (meshId, broker) =>
          read((db) => ({ head: headIn(db, meshId, broker), findings: findingsIn(db, meshId) })),
        takeUntold: (meshId) =>
          transaction((db) => {
            const untold = findingsIn(db, meshId, "AND agent_told = 0")
            if (untold.length > 0) db.query("UPDATE audit_finding SET agent_told = 1 WHERE mesh_id = ?").run(meshId)
            return untold
          }),
      }),
    ),
  )
}

const learnIn = (
  db: Database,
  broker: string,
  told: Checkpoint,
  rotations: ReadonlyArray<KeyRotation>,
  nowMillis: number,
  isForAgent: boolean,
): HeadFinding | undefined => {
  const kept = headIn(db, told.mesh, broker)
  const judgement = judgeHead(kept, told, rotations)
  if (judgement === "known") return undefined
  if (judgement !== "unsigned")
    db.query("INSERT OR REPLACE INTO audit_head (mesh_id, broker, head) VALUES (?, ?, ?)").run(
      told.mesh,
      broker,
      textOf(told),
    )
  if (judgement === "newer") return undefined
  const { changes } = db
    .query(
      `INSERT OR IGNORE INTO audit_finding (mesh_id, problem, kept, told, found_millis, agent_told) SELECT ?, ?, ?, ?, ?, ?
        WHERE (SELECT count(*) FROM audit_finding WHERE mesh_id = ?) < ?`,
    )
    .run(told.mesh, judgement, textOf(kept), textOf(told), nowMillis, isForAgent ? 1 : 0, told.mesh, auditFindingsMax)
  return changes === 0 ? undefined : { problem: judgement, kept, told, foundMillis: nowMillis }
}

const textOf = (head: Checkpoint | undefined): string =>
  head === undefined ? "" : recordText({ type: "checkpoint", ...head })

const checkpointIn = (text: string | undefined): Checkpoint | undefined => {
  const record: AuditRecord | undefined = parseRecord(text ?? "")
  if (record?.type !== "checkpoint") return undefined
  const { type: _, ...checkpoint } = record
  return checkpoint
}

const headIn = (db: Database, mesh: string, broker: string): Checkpoint | undefined =>
  checkpointIn(
    db
      .query<{ head: string }, [string, string]>("SELECT head FROM audit_head WHERE mesh_id = ? AND broker = ?")
      .get(mesh, broker)?.head,
  )

interface Row {
  readonly problem: HeadProblem
  readonly kept: string
  readonly told: string
  readonly found_millis: number
}

const findingsIn = (db: Database, mesh: string, where = ""): ReadonlyArray<HeadFinding> =>
  db
    .query<Row, [string]>(
      `SELECT problem, kept, told, found_millis FROM audit_finding WHERE mesh_id = ? ${where} ORDER BY seq`,
    )
    .all(mesh)
    .flatMap(({ found_millis, kept, problem, told }) => {
      const head = checkpointIn(told)
      return head === undefined ? [] : [{ problem, kept: checkpointIn(kept), told: head, foundMillis: found_millis }]
    })

const said = ({ atMillis, number }: Checkpoint): string => `block ${number} on ${isoFromMillis(atMillis)}`

/** For a person and for an agent alike. */
export const findingWords = ({ kept, problem, told }: HeadFinding): string => {
  switch (problem) {
    case "cut":
      return `the broker's record was cut back: it had signed ${kept === undefined ? "more" : said(kept)}, and now says that block ${told.number} is the last. What was recorded behind that is gone; a backup restored by its operator looks the same`
    case "rewritten":
      return `the broker's record was rewritten: it had signed ${kept === undefined ? "another one" : said(kept)}, and now has another block ${told.number}. A backup restored by its operator, with new messages since, looks the same`
    case "unsigned":
      return `the broker's word on its record is not signed by the audit key that it names: whatever stands between this machine and the broker has changed it, or the broker is wrong`
    case "other_key":
      return `the broker signs its record with another audit key (${told.key.slice(0, 16)}) than this machine knows (${kept?.key.slice(0, 16) ?? "none"}), and the known key has not handed over to it. A broker that lost its store and began anew looks the same`
  }
}
