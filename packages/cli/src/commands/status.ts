/** `status`: for each joined mesh, whether its broker is reached, what waits, and one's own sessions there. */
import type { BrokerClient } from "@claudemesh/client/BrokerClient"
import { personStatus, sayPersonStatus } from "@claudemesh/client/local/PersonStatus"
import type { StateDb } from "@claudemesh/client/local/StateDb"
import { OutboxStore } from "@claudemesh/client/outbox/OutboxStore"
import { beginning } from "@claudemesh/client/roster/FindNamed"
import { isoFromMillis } from "@claudemesh/domain/IsoTime"
import { Clock, Console, Effect, Option } from "effect"
import { Argument, Command, Flag } from "effect/unstable/cli"
import { type Failed, failed, Misused, together } from "../Failed.ts"
import { command } from "../Launch.ts"
import { chosenMeshes, clientLayer, connect, reached } from "../Meshes.ts"
import { untilClock } from "../Ago.ts"
import { shortSession } from "../mcp/WrapUntrusted.ts"
import { messagesWait, sayNotices } from "../Notices.ts"
import { green, printable, printJson, table, yellow } from "../Output.ts"
import { live, type View } from "../watch/Live.ts"
import * as Flags from "./Flags.ts"
import { lifetimeFlag } from "./Lifetime.ts"
import * as readingWords from "../words/reading.ts"
import * as does from "../words/commands.ts"

export const status = Command.make(
  "status",
  {
    word: Argument.Literals("status", ["dnd", "idle"]).pipe(
      Argument.withDescription(readingWords.sayItForYourAgentsOnThis),
      Argument.optional,
    ),
    time: lifetimeFlag("for").pipe(Flag.withDescription(readingWords.howLongDndLasts30m2h1d), Flag.optional),
    mesh: Flags.mesh,
    watch: Flags.watch,
    json: Flags.json,
  },
  Effect.fn(
    function* ({ json, mesh, time, watch, word }) {
      if (Option.isSome(word)) {
        if (watch || Option.isSome(mesh)) {
          return yield* new Misused({ reason: readingWords.aStatusIsSaidInAllMeshes })
        }
        return yield* sayStatus(word.value, Option.getOrUndefined(time), json)
      }
      if (Option.isSome(time)) return yield* new Misused({ reason: readingWords.forGoesWithDndClaudemeshStatusDnd })
      const manager = yield* connect(yield* chosenMeshes(mesh), "command", { presence: watch })
      if (watch) return yield* live(manager, view, json)
      const results = yield* Effect.forEach(manager.all, statusOf, { concurrency: "unbounded" })
      const rows = results.map(({ row }) => row)
      yield* json
        ? printJson(rows)
        : Console.log([table(head, rows.map(cellsOf)), ...(yield* beneath(rows))].join("\n"))
      yield* sayNotices(manager.all)
      const away = results.flatMap(({ failure, row }) => (failure === undefined ? [] : [{ mesh: row.mesh, failure }]))
      if (away.length > 0) return yield* together(away)
    },
    Effect.catchTag("ReaderGone", () => Effect.void),
    Effect.mapError(failed),
    Effect.scoped,
    Effect.provide(clientLayer),
  ),
).pipe(
  Command.withDescription(does.showWhetherYourMeshesAreReachedAnd),
  Command.withExamples([
    { command: "claudemesh status --json", description: readingWords.forAScriptExitCode1If },
    { command: "claudemesh status --watch", description: readingWords.stayAndShowWhatChanges },
    {
      command: "claudemesh status dnd --for 30m",
      description: readingWords.nothingIsHandedToYourAgentsHere,
    },
  ]),
)

/** It is taken by agents that run, and by those that are started until it ends. */
const sayStatus = Effect.fnUntraced(function* (word: "dnd" | "idle", forMillis: number | undefined, json: boolean) {
  if (word === "idle" && forMillis !== undefined)
    return yield* new Misused({ reason: readingWords.forGoesWithDndAlone })
  yield* chosenMeshes(Option.none())
  const untilMillis = forMillis === undefined ? undefined : (yield* Clock.currentTimeMillis) + forMillis
  yield* sayPersonStatus(word, untilMillis)
  const until = untilMillis === undefined ? null : isoFromMillis(untilMillis)
  if (json) return yield* printJson({ status: word, until })
  if (word === "idle") return yield* Console.log(readingWords.yourAgentsOnThisMachineMayBe)
  yield* Console.log(readingWords.nothingWakesThemOrIsHandedTo(yield* dndWords(until), command))
})

const dndWords = (until: string | null) =>
  Effect.map(Clock.currentTimeMillis, (nowMillis) =>
    readingWords.yourAgentsOnThisMachineAreNot(
      until === null ? readingWords.untilYouSayOtherwise : `until ${untilClock(until, nowMillis)}`,
    ),
  )

/** What was said at a terminal for all agents of this machine, whether one runs or not. */
const saidDnd = Effect.gen(function* () {
  const said = Option.getOrUndefined(yield* Effect.option(personStatus))
  const nowMillis = yield* Clock.currentTimeMillis
  if (said?.status !== "dnd" || (said.untilMillis !== null && said.untilMillis <= nowMillis)) return null
  return { until: said.untilMillis === null ? null : isoFromMillis(said.untilMillis) }
})

/** What the table has no column for. */
const beneath = Effect.fnUntraced(function* (rows: ReadonlyArray<Row>) {
  const unsent = rows.reduce((sum, row) => sum + row.unsent, 0)
  const dnd = rows[0]?.dnd ?? null
  const elsewhere = rows.flatMap(({ elsewhere, mesh }) => elsewhere.map((one) => ({ ...one, mesh })))
  return [
    ...elsewhere.map(({ mesh, messages, sessionId }) =>
      readingWords.ofTheseInYourSessionAlone(mesh, messagesWait(messages), shortSession(sessionId)),
    ),
    ...(unsent === 0
      ? []
      : [readingWords.toBeSentOutbox(unsent === 1 ? "1 message waits" : `${unsent} messages wait`, command)]),
    ...(dnd === null ? [] : [readingWords.toEndItStatusIdle(yield* dndWords(dnd.until), command)]),
  ]
})

interface Row {
  readonly mesh: string
  readonly name: string
  readonly connected: boolean
  readonly problem: string | null
  /** Unread, in whichever session of mine. */
  readonly waiting: number | null
  /** Of those, what only one session can show: it was sent to that one alone, or is being read there. */
  readonly elsewhere: ReadonlyArray<{ readonly sessionId: string; readonly messages: number }>
  /** On this machine, still to be sent. */
  readonly unsent: number
  /** What was said for all agents of this machine; null where they may be disturbed. */
  readonly dnd: { readonly until: string | null } | null
  readonly sessions: ReadonlyArray<{
    readonly sessionId: string
    /** False: cut off, and expected back. */
    readonly attached: boolean
    readonly status: string
  }>
}

const rowOf = Effect.fnUntraced(function* (client: BrokerClient) {
  const [{ elsewhere, remaining }, peers, own] = yield* Effect.all([client.pull(), client.peers, ownRow(client)], {
    concurrency: "unbounded",
  })
  return {
    ...own,
    connected: true,
    problem: null,
    waiting: elsewhere.reduce((sum, { messages }) => sum + messages, remaining),
    elsewhere,
    sessions: peers
      .filter((peer) => peer.pubkey === client.membership.pubkey)
      .map(({ attached, sessionId, status }) => ({ sessionId, attached, status })),
  } satisfies Row
})

/** What this machine knows without the broker. */
const ownRow = Effect.fnUntraced(function* ({ membership: { displayName, meshId, slug } }: BrokerClient) {
  const waiting = yield* Effect.orElseSucceed((yield* OutboxStore).list, () => [])
  return {
    mesh: slug,
    name: displayName,
    unsent: waiting.filter((entry) => entry.meshId === meshId).length,
    dnd: yield* saidDnd,
  }
})

const awayRow = (client: BrokerClient, problem: string) =>
  Effect.map(ownRow(client), (own): Row => ({
    ...own,
    connected: false,
    problem,
    waiting: null,
    elsewhere: [],
    sessions: [],
  }))

const statusOf = (client: BrokerClient) =>
  reached(client).pipe(
    // What is counted as unsent is what stays so.
    Effect.andThen(client.flush),
    Effect.andThen(rowOf(client)),
    Effect.map((row) => ({ row, failure: Option.getOrUndefined(Option.none<Failed>()) })),
    Effect.catch((error) => Effect.map(awayRow(client, error.message), (row) => ({ row, failure: failed(error) }))),
  )

const head = ["MESH", "BROKER", "WAITING", "YOUR SESSIONS"]

const sessionsIn = ({ sessions }: Row): string => {
  const ids = sessions.map(({ sessionId }) => sessionId)
  const words = sessions.map(
    ({ attached, sessionId, status }) => `${attached ? status : "away"} ${printable(beginning(sessionId, ids))}`,
  )
  return words.join(", ") || "-"
}

const cellsOf = (row: Row): ReadonlyArray<string> => [
  row.mesh,
  row.connected ? green("connected") : yellow(row.problem ?? "not connected"),
  String(row.waiting ?? "-"),
  sessionsIn(row),
]

/** The broker in one word: beneath the table it is said what is wrong. */
const shortCells = (row: Row): ReadonlyArray<string> => {
  const [mesh = "", , ...rest] = cellsOf(row)
  return [mesh, row.connected ? "connected" : "away", ...rest]
}

const view: View<Row, OutboxStore | StateDb> = {
  keyOf: ({ mesh }) => mesh,
  shownOf: (row) => JSON.stringify(shortCells(row)),
  rowsOf: (client) => Effect.map(rowOf(client), (row) => [row]),
  warningsOf: (client) => client.alarms,
  awayRowsOf: (client, problem) => Effect.map(awayRow(client, problem), (row) => [row]),
  pictureOf: (rows) => ({ head, rows: rows.map(shortCells) }),
  lineOf: ({ row }) => {
    const [mesh = "", broker = "", waiting = "", sessions = ""] = shortCells(row)
    return `${mesh}  ${broker}  ${waiting} waiting  ${sessions}`
  },
  dataOf: (row) => ({ ...row }),
}
