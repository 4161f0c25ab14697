/** `peers`: who is in each mesh, and which of their sessions are connected. */
import type { BrokerClient } from "@claudemesh/client/BrokerClient"
import { whyNot } from "@claudemesh/client/trust/MemberStanding"
import { Console, Effect } from "effect"
import { Command } from "effect/unstable/cli"
import { askAll, chosenMeshes, clientLayer, connect } from "../Meshes.ts"
import { printable, printJson, shortKey, table, yellow } from "../Output.ts"
import { type Membership, membershipOf } from "../Received.ts"
import * as Flags from "./Flags.ts"

export const peers = Command.make(
  "peers",
  { mesh: Flags.mesh, json: Flags.json },
  Effect.fn(
    function* ({ json, mesh }) {
      const { all } = yield* connect(yield* chosenMeshes(mesh), "command")
      const { answers, away } = yield* askAll(all, (client) =>
        Effect.map(Effect.all([client.roster, client.peers], { concurrency: 2 }), ([members, sessions]) => ({
          slug: client.membership.slug,
          members,
          sessions,
        })),
      )
      if (away !== undefined && answers.length === 0) return yield* away
      const rows = answers.flatMap(({ members, sessions, slug }) =>
        members.map((member) => ({
          mesh: slug,
          memberId: member.memberId,
          displayName: member.displayName ?? null,
          ...(member.displayName === undefined && { brokerSays: member.brokerSays }),
          publicKey: member.pubkey,
          ...(!member.isListed && { listed: false }),
          role: member.role ?? null,
          member: membershipOf(member.standing),
          ...(member.standing._tag !== "Certified" && { why: whyNot(member.standing) }),
          sessions: sessions
            .filter((session) => session.pubkey === member.pubkey)
            .map(({ attached, profile, sessionId, status }) => ({
              sessionId,
              attached,
              status,
              summary: profile?.summary ?? null,
            })),
        })),
      )
      yield* warn(all)
      yield* warnOfKeys(rows)
      const shown = json ? printJson(rows) : Console.log(asTable(rows))
      yield* away === undefined ? shown : Effect.andThen(shown, away)
    },
    Effect.scoped,
    Effect.provide(clientLayer),
  ),
).pipe(
  Command.withDescription("Show who is in your meshes, and who is connected"),
  Command.withExamples([{ command: "claudemesh peers --mesh my-team", description: "Only one mesh" }]),
)

/** What a broker did that an honest one does not: said whatever else is asked for. */
const warn = (clients: ReadonlyArray<BrokerClient>) =>
  Effect.forEach(
    clients,
    (client) =>
      Effect.flatMap(client.alarms, (alarms) =>
        Effect.forEach(alarms, (alarm) =>
          Console.error(yellow(printable(`claudemesh: ${client.membership.slug}: ${alarm}`))),
        ),
      ),
    { discard: true },
  )

const warningsMax = 5

/** A person looks for names: what the broker calls a key of its own is said apart from them. */
const warnOfKeys = (rows: ReadonlyArray<Row>) => {
  const texts = rows.flatMap(
    ({ brokerSays, displayName, listed = true, mesh, publicKey, why = "it is not certified" }) => {
      const key = shortKey(publicKey)
      if (brokerSays !== undefined)
        return [`${mesh}: the broker lists the key ${key} as ${JSON.stringify(brokerSays)}; ${why}`]
      if (listed) return []
      return [
        `${mesh}: the broker does not list ${displayName} (${key}), who is certified: it hides them, or has lost them`,
      ]
    },
  )
  return Effect.forEach(
    [
      ...texts.slice(0, warningsMax),
      ...(texts.length > warningsMax
        ? [`${texts.length - warningsMax} more keys are not as they should be: see --json`]
        : []),
    ],
    (text) => Console.error(yellow(printable(`claudemesh: ${text}`))),
    { discard: true },
  )
}

interface Row {
  readonly mesh: string
  /** Of a key that is not certified there is none. */
  readonly displayName: string | null
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
    readonly summary: string | null
  }>
}

/** A broker can list any number of keys. */
const uncertifiedMax = 20

const asTable = (all: ReadonlyArray<Row>): string => {
  const uncertified = all.filter(({ displayName }) => displayName === null)
  const leftOut = new Set(uncertified.slice(uncertifiedMax))
  const rows = all.filter((row) => !leftOut.has(row))
  return table(
    ["MESH", "NAME", "KEY", "MEMBER", "STATUS", "SESSION", "SUMMARY"],
    rows.flatMap(({ displayName, listed = true, member, mesh, publicKey, role, sessions }) =>
      (sessions.length > 0 ? sessions : [{ attached: false, status: "away", sessionId: "-", summary: null }]).map(
        (session) => [
          mesh,
          printable(displayName ?? "-"),
          shortKey(publicKey),
          member === "certified" || member === "verified"
            ? `${role}${member === "verified" ? ", verified" : ""}`
            : member,
          session.attached ? session.status : listed ? "away" : "not listed",
          session.sessionId,
          printable(session.summary ?? "").replaceAll("\n", " "),
        ],
      ),
    ),
  )
}
