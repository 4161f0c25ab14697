/** `list_peers`: who is there, what they say of themselves, and how to address them. */
import type { BrokerClient } from "@claudemesh/client/BrokerClient"
import { bare, beginning, findNamed, nearest, shortestBeginning } from "@claudemesh/client/roster/FindNamed"
import type { MemberView, PeerView } from "@claudemesh/client/roster/Roster"
import { whyNot } from "@claudemesh/client/trust/MemberStanding"
import type { Profile } from "@claudemesh/domain/trust/Plaintext"
import { Effect, Option, Schema } from "effect"
import { membershipOf } from "../../Received.ts"
import { listedSessionsMax, shortSessionsMax, summaryCharactersMax } from "../Limits.ts"
import { type Entry, listing, type MeshList, placeIn, wordsInFull } from "../Listing.ts"
import { failure, tool } from "../Tool.ts"
import { harmless, memberName, quoted } from "../WrapUntrusted.ts"
import * as toolWords from "../../words/tools.ts"
import * as sharedWords from "../../words/shared.ts"

const listWaitMillis = 5_000

export const listPeers = tool({
  name: "list_peers",
  title: toolWords.listPeopleOnTheMesh,
  description: toolWords.listThePeopleOnYourMeshesOn,
  readOnly: true,
  input: Schema.Struct({
    who: Schema.optionalKey(Schema.String.annotate({ description: toolWords.onlyThisNameOrKeyInFull })),
    mesh: Schema.optionalKey(Schema.String.annotate({ description: "Only this mesh." })),
    after: Schema.optionalKey(Schema.String.annotate({ description: toolWords.asTheEndOfAListSays })),
  }),
  run: ({ after, mesh, who }, { manager }) =>
    Effect.gen(function* () {
      const from = placeIn(after)
      if (after !== undefined && from === undefined) return failure(goneFrom)
      const slug = from?.mesh ?? mesh
      const clients = slug === undefined ? manager.all : [yield* manager.get(slug)]
      const meshes = yield* Effect.forEach(clients, (client) => listed(client, from?.place, who), {
        concurrency: "unbounded",
      })
      const lists = meshes.filter((list) => list !== undefined)
      if (lists.length < meshes.length) return failure(goneFrom)
      return listing(lists, { tool: "list_peers", one: "member", many: "members", shortened })
    }).pipe(Effect.catch((error) => Effect.succeed(failure(error.message)))),
})

const shortened = toolWords.shortenedAllOfOneListPeersWith

const goneFrom = toolWords.theListHasChangedAndAfterNames

/** Undefined where the list cannot go on from there. */
export const listed = (
  client: Pick<BrokerClient, "peers" | "roster"> & {
    readonly membership: Pick<BrokerClient["membership"], "pubkey" | "slug">
  },
  after: string | undefined,
  who?: string,
): Effect.Effect<MeshList | undefined> => {
  const { pubkey: own, slug: mesh } = client.membership
  const away = (reason: string): MeshList => ({ mesh, words: `not connected (${reason}).`, entries: [] })
  return Effect.all([client.roster, client.peers], { concurrency: 2 }).pipe(
    Effect.map(([members, peers]) => {
      const places = members
        .map((member) =>
          placed(
            member,
            peers.filter(({ pubkey }) => pubkey === member.pubkey),
          ),
        )
        .toSorted(inOrder)
      const last = after === undefined ? undefined : lastOf(places, after)
      if (after !== undefined && last === undefined) return undefined
      const asked = who === undefined ? places : meantBy(who, places)
      const rest = last === undefined ? asked : asked.filter((place) => inOrder(last, place) < 0)
      const keys = places.map(({ member }) => member.pubkey)
      const certified = places.filter(({ member }) => member.displayName !== undefined)
      const connected = certified.filter(({ isAway }) => !isAway).length
      const others = places.length - certified.length
      return {
        mesh,
        words: [
          `${certified.length} ${certified.length === 1 ? "member" : "members"}, ${connected} connected.`,
          ...(others === 0 ? [] : [toolWords.theBrokerListsMoreThatNobodyCertified(others)]),
          ...(who !== undefined && asked.length === 0
            ? [`Nobody is ${quoted(who, nameCharactersMax)}.${near(who, certified)}`]
            : []),
        ].join(" "),
        entries: rest.map((place): Entry => ({
          place: placeOf(place),
          text: (words) => shown(place, { own, keys, words }),
        })),
      }
    }),
    Effect.timeoutOption(listWaitMillis),
    Effect.map(Option.getOrElse(() => away(sharedWords.noAnswerInTime))),
    Effect.catch((error) => Effect.succeed(away(error.message))),
  )
}

interface Placed {
  readonly isAway: boolean
  readonly member: MemberView
  readonly sessions: ReadonlyArray<PeerView>
}

const placed = (member: MemberView, sessions: ReadonlyArray<PeerView>): Placed => ({
  isAway: sessions.length === 0,
  member,
  sessions,
})

/** Keys that the broker lists without being members' come last: no number of them stands before a member. */
const inOrder = (a: Placed, b: Placed): number =>
  Number(a.member.displayName === undefined) - Number(b.member.displayName === undefined) ||
  Number(a.isAway) - Number(b.isAway) ||
  compare(a.member.displayName?.toLowerCase() ?? "", b.member.displayName?.toLowerCase() ?? "") ||
  compare(a.member.pubkey, b.member.pubkey)

const compare = (a: string, b: string): number => (a === b ? 0 : a < b ? -1 : 1)

const placeOf = ({ isAway, member }: Placed): string => `${isAway ? "away" : "connected"}/${member.pubkey}`

/** Where it stood when it was listed, also when its member has come or gone since: nobody else is left out then. */
const lastOf = (places: ReadonlyArray<Placed>, place: string): Placed | undefined => {
  const [state, key] = place.split("/")
  const now = places.find(({ member }) => member.pubkey === key)
  return now === undefined ? undefined : { ...now, isAway: state === "away" }
}

const nameOf = ({ member }: Placed): string => member.displayName ?? ""

/** By the one rule for all names; a key that nobody certified by its key alone. */
const meantBy = (who: string, places: ReadonlyArray<Placed>): ReadonlyArray<Placed> => {
  const meant = findNamed(who, places, (place) => ({
    key: place.member.pubkey,
    name: nameOf(place),
    isEnded: false,
  }))
  if (meant.length > 0) return meant
  const session = bare(who)
  return session.length < shortestBeginning
    ? []
    : places.filter(({ sessions }) => sessions.some(({ sessionId }) => sessionId.startsWith(session)))
}

const near = (who: string, places: ReadonlyArray<Placed>): string => {
  const names = nearest(who, places, nameOf).map(
    (place) => `${memberName(nameOf(place))} (${place.member.pubkey.slice(0, 8)})`,
  )
  return names.length === 0 ? "" : ` Did you mean ${names.join(" or ")}?`
}

interface Style {
  readonly own: string
  /** Of all members: keys are shown as far as they differ. */
  readonly keys: ReadonlyArray<string>
  readonly words: number
}

const shown = (place: Placed, style: Style): string => {
  const { member, sessions } = place
  const { displayName, isListed, pubkey, standing } = member
  const called =
    displayName === undefined
      ? toolWords.noNameTheBrokerCallsIt(quoted(member.brokerSays, nameCharactersMax))
      : memberName(displayName)
  const name = `${called}${pubkey === style.own ? " (you)" : ""}, key ${beginning(pubkey, style.keys)}`
  const doubt =
    standing._tag === "Certified"
      ? // Who is not verified is certified: nobody else is counted as a member.
        standing.byVoiceAt === undefined
        ? ""
        : ", verified"
      : toolWords.nothingIsSentToItSince(membershipOf(standing), harmless(whyNot(standing)))
  const away = isListed ? "away" : toolWords.notListedByTheBrokerWhichHides
  if (sessions.length === 0) return `- ${name}${doubt}: ${away}`
  const ids = sessions.map(({ sessionId }) => sessionId)
  const isFull = style.words >= wordsInFull
  const named = sessions.slice(0, isFull ? listedSessionsMax : shortSessionsMax)
  const more = sessions.length - named.length
  const others = more > 0 ? [`${isFull ? "    and " : "+"}${more} more`] : []
  if (!isFull) {
    const lines = [...named.map((session) => shortLine(session, ids, style.words)), ...others]
    return `- ${name}${doubt}: ${lines.join("; ")}`
  }
  const count = `${sessions.length} ${sessions.length === 1 ? "session" : "sessions"}`
  return [`- ${name}${doubt}: ${count}`, ...named.map((session) => fullLine(session, ids)), ...others].join("\n")
}

const stateOf = ({ attached, status }: PeerView): string => (attached ? status : toolWords.cutOffExpectedBack)

const until = ({ attached, dndUntil }: PeerView): string => (attached && dndUntil ? ` until ${dndUntil}` : "")

const shortLine = (session: PeerView, ids: ReadonlyArray<string>, words: number): string => {
  const summary = words === 0 ? "" : (session.profile?.summary ?? "")
  const said = summary === "" ? "" : ` ${quoted(summary, words)}`
  return `${stateOf(session)} ${beginning(session.sessionId, ids)}${said}`
}

const fullLine = (session: PeerView, ids: ReadonlyArray<string>): string => {
  const { profile, sessionId } = session
  const words = [
    `${stateOf(session)}${until(session)}`,
    `session ${beginning(sessionId, ids)}`,
    ...(profile?.name === undefined ? [] : [`called ${quoted(profile.name, nameCharactersMax)}`]),
    ...workplace(profile),
  ].join(", ")
  const summary = profile?.summary ?? ""
  return `    ${words}${summary === "" ? "" : `: ${quoted(summary, summaryCharactersMax)}`}`
}

const nameCharactersMax = 64
const placeCharactersMax = 200

/** Where a session runs, as it says itself. */
const workplace = (profile: Profile | undefined): ReadonlyArray<string> => {
  const { branch, cwd, host } = profile ?? {}
  const words = [cwd, branch && `on ${branch}`, host && `at ${host}`].filter((word) => word !== undefined)
  return words.length === 0 ? [] : [`in ${quoted(words.join(" "), placeCharactersMax)}`]
}
