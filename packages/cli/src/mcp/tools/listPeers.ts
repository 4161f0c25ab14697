/** `list_peers`: who is there, what they say of themselves, and how to address them. */
import type { BrokerClient } from "@claudemesh/client/BrokerClient"
import type { Profile } from "@claudemesh/domain/trust/Plaintext"
import { whyNot } from "@claudemesh/client/trust/MemberStanding"
import { Effect, Option, Schema } from "effect"
import { shortKey } from "../../Output.ts"
import { type Membership, membershipOf } from "../../Received.ts"
import { harmless } from "../WrapUntrusted.ts"
import { failure, tool } from "../Tool.ts"

const listWaitMillis = 5_000

export const listPeers = tool({
  name: "list_peers",
  title: "List people on the mesh",
  description:
    "List the people and agents on your claudemesh meshes, on this and other machines: their names, whether a session of theirs " +
    "is connected, its status, and what it works on. Not the sessions of this program on your own machine.",
  readOnly: true,
  input: Schema.Struct({
    mesh: Schema.optionalKey(Schema.String.annotate({ description: "Only this mesh, by its slug." })),
  }),
  run: ({ mesh }, manager) =>
    Effect.gen(function* () {
      const clients = mesh === undefined ? manager.all : [yield* manager.get(mesh)]
      const meshes = yield* Effect.forEach(clients, listed, { concurrency: "unbounded" })
      return {
        text: meshes.map(shown).join("\n\n") || "No mesh is joined. A person joins one with the claudemesh command.",
        structured: { meshes },
      }
    }).pipe(Effect.catch((error) => Effect.succeed(failure(error.message, { slugs: error.slugs })))),
})

const listed = (client: BrokerClient) => {
  const { displayName, pubkey, slug } = client.membership
  return Effect.all([client.roster, client.peers], { concurrency: 2 }).pipe(
    Effect.flatMap(([members, peers]) => Effect.map(client.alarms, (alarms) => ({ members, peers, alarms }))),
    Effect.map(({ alarms, members, peers }) => ({
      mesh: slug,
      connected: true,
      reason: "",
      alarms,
      you: { name: displayName, key: pubkey },
      members: members.map((member) => ({
        name: member.displayName,
        key: member.pubkey,
        you: member.pubkey === pubkey,
        member: membershipOf(member.standing),
        why: member.standing._tag === "Verified" ? null : whyNot(member.standing),
        sessions: peers
          .filter((peer) => peer.pubkey === member.pubkey)
          .map((peer) => ({
            session: peer.sessionId,
            name: peer.profile?.name ?? peer.displayName,
            attached: peer.attached,
            status: peer.status,
            summary: peer.profile?.summary || null,
            place: placeOf(peer.profile),
          })),
      })),
    })),
    Effect.timeoutOption(listWaitMillis),
    Effect.map(Option.getOrElse(() => away(client, "no answer in time"))),
    Effect.catch((error) => Effect.succeed(away(client, error.message))),
  )
}

/** Where a session runs, as it says itself. */
const placeOf = (profile: Profile | undefined): string | null => {
  const { branch, cwd, host } = profile ?? {}
  const words = [cwd, branch && `on ${branch}`, host && `at ${host}`].filter((word) => word !== undefined)
  return words.length === 0 ? null : words.join(" ")
}

interface ListedMesh {
  readonly mesh: string
  readonly connected: boolean
  readonly reason: string
  /** What the broker did that an honest one does not. */
  readonly alarms: ReadonlyArray<string>
  readonly you: { readonly name: string; readonly key: string }
  readonly members: ReadonlyArray<{
    readonly name: string
    readonly key: string
    readonly you: boolean
    readonly member: Membership
    /** Why nothing is sent to it. */
    readonly why: string | null
    readonly sessions: ReadonlyArray<{
      readonly session: string
      readonly name: string
      /** False: cut off a moment ago, and expected back. */
      readonly attached: boolean
      readonly status: string
      readonly summary: string | null
      readonly place: string | null
    }>
  }>
}

const away = ({ membership }: BrokerClient, reason: string): ListedMesh => ({
  mesh: membership.slug,
  connected: false,
  reason,
  alarms: [],
  you: { name: membership.displayName, key: membership.pubkey },
  members: [],
})

/** A summary stays on its own line: it cannot pass for the list's next one. */
const oneLine = (text: string): string => text.replaceAll(/\s+/g, " ")

const shown = ({ alarms, connected, members, mesh, reason }: ListedMesh): string => {
  if (!connected) return `Mesh ${mesh}: not connected (${reason}).`
  const lines = members.flatMap(({ key, name, sessions, why, you }) => [
    `- ${harmless(name)}${you ? " (you)" : ""}, key ${shortKey(key)}${why === null ? "" : `, NOT to be trusted as this member, nothing is sent to it: ${harmless(why)}`}: ${sessions.length === 0 ? "away" : `${sessions.length} session(s)`}`,
    ...sessions.map(
      ({ attached, place, session, status, summary }) =>
        `    ${attached ? status : "cut off, expected back"}, session ${session}${place === null ? "" : `, in ${harmless(place)}`}${summary === null ? "" : `: ${oneLine(harmless(summary))}`}`,
    ),
  ])
  const warnings = alarms.map((alarm) => `! Tell your user: ${harmless(alarm)}`)
  return [`Mesh ${mesh}:`, ...warnings, ...lines].join("\n")
}
