/**
 * `audit head`: what this machine keeps of the brokers' audits, for a member and not for an operator: the last head of each mesh, to be compared
 * with another member's, or given to who checks an export.
 */
import type { BrokerClient } from "@claudemesh/client/BrokerClient"
import { findingWords, type Kept, KeptHeads } from "@claudemesh/client/trust/KeptHeads"
import { recordText } from "@claudemesh/domain/audit/AuditRecord"
import { isoFromMillis } from "@claudemesh/domain/IsoTime"
import { Console, Effect } from "effect"
import { Command, Flag } from "effect/unstable/cli"
import { failed } from "../Failed.ts"
import { chosenMeshes, clientLayer, connect, unlessAway } from "../Meshes.ts"
import { aside, printable, printJson } from "../Output.ts"
import * as auditWords from "../words/audit.ts"
import * as Flags from "./Flags.ts"

export const head = Command.make(
  "head",
  {
    records: Flag.Boolean("records").pipe(
      Flag.withDescription(auditWords.asCheckpointsForVerify),
      Flag.withDefault(false),
    ),
    mesh: Flags.mesh,
    json: Flags.json,
  },
  Effect.fn(
    function* ({ json, mesh, records }) {
      const manager = yield* connect(yield* chosenMeshes(mesh), "command")
      yield* Effect.forEach(manager.all, asked, { concurrency: "unbounded" })
      const kept = yield* KeptHeads
      const all = yield* Effect.forEach(manager.all, ({ brokerUrl, membership: { meshId, slug } }) =>
        Effect.flatMap(brokerUrl, (broker) =>
          Effect.map(kept.read(meshId, broker), (one) => ({ meshId, slug, ...one })),
        ),
      )
      if (records)
        return yield* Effect.forEach(all.flatMap(checkpointsOf), (one) => Console.log(one), { discard: true })
      if (json) return yield* printJson(all.map(asData))
      yield* Console.log(all.map(asText).join("\n"))
    },
    Effect.scoped,
    Effect.provide(clientLayer),
    Effect.mapError(failed),
  ),
).pipe(
  Command.withDescription(auditWords.showTheHeadThatThisMachineKeeps),
  Command.withExamples([
    { command: "claudemesh audit head", description: auditWords.toCompareWithAnotherMember },
    { command: "claudemesh audit head --records > kept.jsonl", description: auditWords.forVerifyAsKept },
  ]),
)

/** A broker that is away: what is kept is shown all the same. One that refuses this member has the same record. */
const asked = (client: BrokerClient) =>
  unlessAway(client).pipe(
    Effect.catch((error) => Effect.succeed(error)),
    Effect.flatMap((away) =>
      away === undefined
        ? Effect.void
        : aside(printable(`claudemesh: ${client.membership.slug}: ${auditWords.theBrokerIsAway(failed(away).reason)}`)),
    ),
  )

interface OfMesh extends Kept {
  readonly slug: string
  readonly meshId: string
}

/** What did not go on is the evidence: it was kept before. */
const checkpointsOf = ({ findings, head }: OfMesh): ReadonlyArray<string> =>
  [...findings.map(({ kept }) => kept), head].flatMap((one) =>
    one === undefined ? [] : [recordText({ type: "checkpoint", ...one })],
  )

const asData = ({ findings, head, meshId, slug }: OfMesh) => ({
  mesh: slug,
  meshId,
  block: head?.number ?? null,
  hash: head?.hash ?? null,
  events: head?.total ?? null,
  at: head === undefined ? null : isoFromMillis(head.atMillis),
  key: head?.key ?? null,
  signature: head?.signature ?? null,
  warnings: findings.map(findingWords),
})

const asText = ({ findings, head, slug }: OfMesh): string =>
  [
    head === undefined
      ? auditWords.noHeadIsKept(slug)
      : auditWords.keptHead({
          mesh: slug,
          block: head.number,
          hash: head.hash,
          at: isoFromMillis(head.atMillis),
          key: head.key.slice(0, 16),
        }),
    ...findings.map((one) => auditWords.foundThen(isoFromMillis(one.foundMillis), findingWords(one))),
  ].join("\n")
