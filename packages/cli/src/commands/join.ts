/** `join`: into a mesh, by an invite link. Nothing is sent before the link was found to be the owner's word. */
import { findLink, isPasted } from "@claudemesh/client/invite/FindLink"
import { type InviteLink, verifyInviteLink } from "@claudemesh/client/invite/InviteLink"
import { joinMesh } from "@claudemesh/client/invite/JoinMesh"
import { fingerprint } from "@claudemesh/client/invite/SafetyNumber"
import { decodedText } from "@claudemesh/client/local/FileText"
import { isLoopback } from "@claudemesh/client/keys/BrokerUrl"
import { mayUseFirstClients } from "@claudemesh/client/keys/FirstClients"
import { type AlreadyJoined, ConfigFile } from "@claudemesh/client/keys/ConfigFile"
import type { Membership, PublicMembership } from "@claudemesh/client/keys/Membership"
import { linkTextBytesMax } from "@claudemesh/client/Limits"
import { SeenMessages } from "@claudemesh/client/inbox/SeenMessages"
import { KnownMembers } from "@claudemesh/client/trust/KnownMembers"
import { Slug } from "@claudemesh/domain/Ids"
import { Console, Effect, Option, Stdio, Stream } from "effect"
import { Argument, Command, Flag } from "effect/unstable/cli"
import { minuteOf } from "@claudemesh/domain/IsoTime"
import { Failed, failed, Misused } from "../Failed.ts"
import { command } from "../Launch.ts"
import { clientLayer, connectedTo } from "../Meshes.ts"
import { aside, bold, printable, printJson } from "../Output.ts"
import { canAsk, confirmed } from "./Ask.ts"
import * as Flags from "./Flags.ts"
import { nameFrom } from "./OwnName.ts"
import { nameNote, nextSteps } from "./Welcome.ts"
import * as joiningWords from "../words/joining.ts"
import * as does from "../words/commands.ts"

export const join = Command.make(
  "join",
  {
    link: Argument.String("link").pipe(
      Argument.withDescription(joiningWords.theInviteLinkInQuotesAlsoWith),
      Argument.variadic(),
    ),
    as: Flags.as,
    slug: Flag.String("slug").pipe(
      Flag.withDescription(joiningWords.whatToCallTheMeshHereDefault),
      Flag.withSchema(Slug),
      Flag.optional,
    ),
    allowFirstClients: Flag.Boolean("allow-first-clients").pipe(
      Flag.withDescription(joiningWords.beCertifiedForTheFirstClientsToo),
      Flag.withDefault(false),
    ),
    yes: Flag.Boolean("yes").pipe(
      Flag.withAlias("y"),
      Flag.withDescription(joiningWords.joinWithoutAskingOnATerminalToo),
      Flag.withDefault(false),
    ),
    json: Flags.json,
  },
  Effect.fn(
    function* ({ allowFirstClients, as, json, link, slug, yes }) {
      const file = yield* ConfigFile
      const found = yield* theLink(link)
      const { invite } = yield* verifyInviteLink(found)
      const taken = Option.getOrElse(slug, () => invite.slug)
      const here = (yield* file.read).find((mesh) => mesh.meshId === invite.meshId || mesh.slug === taken)
      // Nobody is asked for a name that would not be used.
      const asName = here !== undefined && Option.isNone(as) ? here.displayName : yield* nameFrom(as)
      const joined = yield* joinMesh({
        link: found,
        displayName: asName,
        allowV1: allowFirstClients,
        ...(Option.isSome(slug) && { slug: slug.value }),
        proofOf,
        ...(!yes && !json && (yield* canAsk) && { agree: (seen) => agreed(seen, asName) }),
      }).pipe(Effect.catchTag("AlreadyJoined", (error) => Effect.fail(inAlready(error))))
      const { brokerUrl, displayName, memberId, meshId, name, ownerPublicKey, pubkey } = joined
      if (json) {
        const role = joined.invite?.role
        return yield* printJson({
          meshId,
          mesh: joined.slug,
          brokerUrl,
          memberId,
          name: displayName,
          role,
          publicKey: pubkey,
          ownerPublicKey,
          allowFirstClients: mayUseFirstClients(joined),
        })
      }
      yield* Console.log(
        [
          joiningWords.joinedOnYouAre(
            bold(joined.slug),
            String(name) === String(joined.slug) ? "" : ` (${printable(name)})`,
            brokerUrl,
            bold(displayName),
          ),
          ...nameNote(as, displayName),
          ...firstClientsNote(allowFirstClients, joined),
          ...nextSteps(file.path),
        ].join("\n"),
      )
    },
    Effect.provide(clientLayer),
    Effect.mapError(failed),
  ),
).pipe(
  Command.withDescription(does.joinAMeshByAnInviteLink),
  Command.withExamples([
    {
      command: "claudemesh join 'https://mesh.example.com/join#…' --as bob",
      description: joiningWords.withALinkFromAChat,
    },
    { command: "claudemesh join - < link.txt", description: joiningWords.withALinkFromAFile },
    {
      command: "claudemesh join 'https://mesh.example.com/join#…' --allow-first-clients",
      description: joiningWords.forAMemberWhoseAgentsUseOne,
    },
  ]),
)

/** From the line, from stdin, or pasted at the terminal. */
const theLink = Effect.fnUntraced(function* (words: ReadonlyArray<string>) {
  const line = words.join(" ")
  const isTyped = line === "" && (yield* canAsk)
  const text = isTyped ? yield* pastedLink : line === "" || line === "-" ? yield* wholeStdin : line
  if (text.trim() === "") return yield* new Misused({ reason: joiningWords.theLinkIsMissing })
  const { count, link } = findLink(text)
  return count < 2
    ? link
    : yield* new Failed({
        reason: joiningWords.theTextHasDifferentInviteLinksIn(count),
        code: "several_links",
        hint: joiningWords.giveOneOfThem,
      })
})

/** A mail may have cut it into lines: they are read until the link is whole. */
const pastedLink = Effect.gen(function* () {
  yield* aside(joiningWords.pasteTheInviteLink)
  const { stdin } = yield* Stdio.Stdio
  return yield* stdin.pipe(
    Stream.decodeText,
    Stream.scan(
      () => "",
      (text, more) => text + more,
    ),
    Stream.takeUntil(isPasted),
    Stream.runLast,
    Effect.map(Option.getOrElse(() => "")),
  )
})

const wholeStdin = Effect.flatMap(Stdio.Stdio, ({ stdin }) =>
  Effect.map(Stream.runCollect(Stream.limitBytes(stdin, linkTextBytesMax, () => Stream.empty)), (chunks) =>
    decodedText(Buffer.concat([...chunks])),
  ),
)

/** The mesh as its owner signed it: whoever compares the fingerprint knows that it is that owner's. */
const agreed = Effect.fnUntraced(function* ({ brokerUrl, invite }: InviteLink, displayName: string) {
  const { expiresAt, meshId, meshName, ownerPublicKey, role, slug } = invite
  const name = String(meshName)
  yield* aside(
    printable(
      [
        `Mesh    ${slug}${name === String(slug) ? "" : ` (${name})`}`,
        `Owner   ${fingerprint(meshId, ownerPublicKey)}`,
        joiningWords.compareThisNumberWithWhoeverInvited(command),
        `Broker  ${brokerUrl}${isLoopback(brokerUrl) ? " (on this machine)" : ""}`,
        joiningWords.roleWithALinkThatIsGood(role, minuteOf(expiresAt)),
        `You     ${displayName}`,
      ].join("\n"),
    ),
  )
  if (!(yield* confirmed("Join this mesh?"))) {
    return yield* new Failed({ reason: joiningWords.youHaveNotJoinedNothingWasSent, code: "not_agreed" })
  }
})

const inAlready = ({ message, slug, taken }: AlreadyJoined): Failed => {
  if (taken === "slug") {
    const hint = joiningWords.callThisOneOtherwiseWithSlug
    return new Failed({ reason: `${message}.`, code: "already_joined", hint })
  }
  const hint = joiningWords.seeWhoIsThereWithPeersMesh(command, slug)
  return new Failed({ reason: `${message}. Nothing was sent.`, code: "already_joined", hint })
}

/** What the broker holds for a key that a first client made. It remembers nothing here: nobody has been believed yet. */
const proofOf = (membership: Membership) =>
  Effect.gen(function* () {
    const client = yield* connectedTo(membership)
    if ((yield* client.standingOf(membership.pubkey))._tag !== "Certified") return undefined
    const { invites, members } = yield* (yield* KnownMembers).read(membership.meshId)
    const certificate = members.map((pin) => pin.certificate).find(({ publicKey }) => publicKey === membership.pubkey)
    const invite = invites.find(({ publicKey }) => publicKey === certificate?.invite)
    return certificate === undefined || invite === undefined ? undefined : { certificate, invite }
  }).pipe(
    Effect.scoped,
    Effect.catchTag("ClientStopped", () => Effect.undefined),
    Effect.provide([KnownMembers.memory, SeenMessages.memory]),
  )

const firstClientsNote = (asked: boolean, joined: PublicMembership): ReadonlyArray<string> => {
  const { slug } = joined
  if (!asked) return []
  return mayUseFirstClients(joined)
    ? [joiningWords.youMayUseTheFirstClientsHere(command, slug)]
    : [joiningWords.youMayNotUseTheFirstClients]
}
