/** `peers`: who is in each mesh, and which of their sessions are connected. */
import type { BrokerClient } from "@claudemesh/client/BrokerClient"
import { whatToDo, whyNot } from "@claudemesh/client/trust/MemberStanding"
import { beginning, nameAmongWords } from "@claudemesh/client/roster/FindNamed"
import { foldedName } from "@claudemesh/domain/trust/NameSkeleton"
import type { MemberView } from "@claudemesh/client/roster/Roster"
import { Clock, Console, Effect } from "effect"
import { Command } from "effect/unstable/cli"
import { untilClock } from "../Ago.ts"
import { failed } from "../Failed.ts"
import { askAll, chosenMeshes, clientLayer, connect } from "../Meshes.ts"
import { sayNotices } from "../Notices.ts"
import { printable, printJson, shortKey, table, yellow } from "../Output.ts"
import { type Membership, membershipOf } from "../Received.ts"
import { live, type View } from "../watch/Live.ts"
import * as Flags from "./Flags.ts"
import * as does from "../words/commands.ts"
import * as peopleWords from "../words/people.ts"

export const peers = Command.make(
  "peers",
  { mesh: Flags.mesh, watch: Flags.watch, json: Flags.json },
  Effect.fn(
    function* ({ json, mesh, watch }) {
      const manager = yield* connect(yield* chosenMeshes(mesh), "command", { presence: watch })
      if (watch) return yield* live(manager, view(yield* Clock.Clock), json)
      const nowMillis = yield* Clock.currentTimeMillis
      const { answers, away } = yield* askAll(manager.all, rowsIn)
      if (away !== undefined && answers.length === 0) return yield* away
      const rows = answers.flat()
      yield* sayNotices(manager.all)
      yield* warnOfKeys(rows)
      const shown = json ? printJson(rows) : Console.log(asTable(rows, nowMillis))
      yield* away === undefined ? shown : Effect.andThen(shown, away)
    },
    Effect.catchTag("ReaderGone", () => Effect.void),
    Effect.mapError(failed),
    Effect.scoped,
    Effect.provide(clientLayer),
  ),
).pipe(
  Command.withDescription(does.showWhoIsInYourMeshesAnd),
  Command.withExamples([
    { command: "claudemesh peers --mesh my-team", description: "Only one mesh" },
    { command: "claudemesh peers --watch", description: peopleWords.stayAndShowWhoComesGoesAnd },
  ]),
)

/** By name, so that the eye finds one; keys that nobody certified come last. */
const inOrder = (one: MemberView, other: MemberView): number =>
  Number(one.displayName === undefined) - Number(other.displayName === undefined) ||
  foldedName(one.displayName ?? "").localeCompare(foldedName(other.displayName ?? ""), "en") ||
  (one.pubkey < other.pubkey ? -1 : 1)

const rowsIn = (client: BrokerClient) =>
  Effect.map(Effect.all([client.roster, client.peers], { concurrency: 2 }), ([members, sessions]): ReadonlyArray<Row> =>
    members.toSorted(inOrder).map((member) => ({
      mesh: client.membership.slug,
      memberId: member.memberId,
      name: member.displayName ?? null,
      ...(member.displayName === undefined && { brokerSays: member.brokerSays }),
      publicKey: member.pubkey,
      ...(!member.isListed && { listed: false }),
      role: member.role ?? null,
      member: membershipOf(member.standing),
      ...(member.standing._tag !== "Certified" && { why: whyNot(member.standing) }),
      sessions: sessions
        .filter((session) => session.pubkey === member.pubkey)
        .map(({ attached, dndUntil, profile, sessionId, status }) => ({
          sessionId,
          attached,
          status,
          ...(dndUntil !== undefined && { dndUntil }),
          summary: profile?.summary ?? null,
        })),
    })),
  )

const warnAll = (texts: ReadonlyArray<string>) =>
  Effect.forEach(texts, (text) => Console.error(yellow(printable(`claudemesh: ${text}`))), { discard: true })

const warningsMax = 5

const warnOfKeys = (rows: ReadonlyArray<Row>) => {
  const texts = rows.flatMap((row) => keyWarnings(row).map((text) => `${row.mesh}: ${text}`))
  const more = texts.length - warningsMax
  return warnAll([...texts.slice(0, warningsMax), ...(more > 0 ? [peopleWords.moreKeysAreNotAsTheyShould(more)] : [])])
}

/** A person looks for names: what the broker calls a key of its own is said apart from them. */
const keyWarnings = ({
  brokerSays,
  listed = true,
  member,
  name,
  publicKey,
  why = peopleWords.itIsNotCertified,
}: Omit<Row, "sessions">): ReadonlyArray<string> => {
  const key = shortKey(publicKey)
  if (brokerSays !== undefined) {
    const todo = whatToDo(member === "revoked" ? "Revoked" : "Uncertified")
    return [peopleWords.theBrokerListsTheKeyAs(key, JSON.stringify(brokerSays), why, todo)]
  }
  if (listed) return []
  return [peopleWords.theBrokerDoesNotListWhoIs(String(name), key)]
}

interface Row {
  readonly mesh: string
  readonly memberId: string
  /** Of a key that is not certified there is none. */
  readonly name: string | null
  readonly brokerSays?: string
  /** False: the broker hides it, or has lost it. */
  readonly listed?: boolean
  readonly publicKey: string
  readonly role: string | null
  readonly member: Membership
  readonly why?: string
  readonly sessions: ReadonlyArray<{
    readonly sessionId: string
    /** False: cut off, and expected back. */
    readonly attached: boolean
    readonly status: string
    readonly dndUntil?: string
    readonly summary: string | null
  }>
}

/** A broker can list any number of keys. */
const uncertifiedMax = 20

/** One line of the table: a session, or a member without one. */
interface Line extends Omit<Row, "sessions"> {
  readonly session: (Row["sessions"][number] & { readonly short: string }) | undefined
}

const linesOf = (all: ReadonlyArray<Row>): ReadonlyArray<Line> => {
  const uncertified = all.filter(({ name }) => name === null)
  const leftOut = new Set(uncertified.slice(uncertifiedMax))
  return all
    .filter((row) => !leftOut.has(row))
    .flatMap(({ sessions, ...row }): ReadonlyArray<Line> => {
      // One that was cut off may come back, and nobody is there until it does.
      const live = sessions.filter(({ attached }) => attached)
      return live.length === 0
        ? [{ ...row, session: undefined }]
        : live.map((session) => ({ ...row, session: { ...session, short: shortIn(sessions)(session) } }))
    })
}

const shortIn = (sessions: Row["sessions"]) => {
  const ids = sessions.map(({ sessionId }) => sessionId)
  return ({ sessionId }: Row["sessions"][number]) => beginning(sessionId, ids)
}

const head = ["MESH", "NAME", "KEY", "MEMBER", "STATUS", "SESSION", "SUMMARY"]

const statusWords = ({ dndUntil, status }: Row["sessions"][number], nowMillis: number): string =>
  dndUntil === undefined ? status : `${status} until ${untilClock(dndUntil, nowMillis)}`

const cellsOf = ({ listed = true, member, mesh, name, publicKey, role, session }: Line, nowMillis: number) => [
  mesh,
  name === null ? "-" : nameAmongWords(name),
  shortKey(publicKey),
  member === "certified" || member === "verified" ? `${role}${member === "verified" ? ", verified" : ""}` : member,
  session?.attached === true ? statusWords(session, nowMillis) : listed ? "away" : "not listed",
  session === undefined ? "-" : session.short,
  printable(session?.summary ?? "").replaceAll("\n", " "),
]

const asTable = (all: ReadonlyArray<Row>, nowMillis: number): string =>
  table(
    head,
    linesOf(all).map((line) => cellsOf(line, nowMillis)),
  )

const view = (clock: Clock.Clock): View<Line> => ({
  keyOf: ({ mesh, publicKey, session }) => `${mesh} ${publicKey} ${session?.sessionId ?? ""}`,
  shownOf: ({ member, session }) =>
    JSON.stringify([member, session && [session.status, session.dndUntil], session?.summary]),
  rowsOf: (client) => Effect.map(rowsIn(client), linesOf),
  warningsOf: (client, lines) => Effect.map(client.alarms, (alarms) => [...alarms, ...lines.flatMap(keyWarnings)]),
  pictureOf: (lines) => ({ head, rows: lines.map((line) => cellsOf(line, clock.currentTimeMillisUnsafe())) }),
  lineOf: ({ event, row }) => {
    // Who is away is in the list that it begins with; later only sessions come and go.
    if (row.session === undefined && event !== "here") return undefined
    const cells = cellsOf(row, clock.currentTimeMillisUnsafe())
    const [mesh = "", name = "", key = "", , status = "", session = "", summary = ""] = cells
    const where = row.session === undefined ? "" : `  ${session}`
    return `${event.padEnd(7)}  ${mesh}  ${name} (${key})${where}  ${event === "left" ? "" : status}  ${summary}`.trimEnd()
  },
  dataOf: ({ session, ...member }) => ({ ...member, ...session }),
})
