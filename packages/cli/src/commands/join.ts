/** `join`: into a mesh, by an invite link. Nothing is sent before the link was found to be the owner's word. */
import { joinMesh } from "@claudemesh/client/invite/JoinMesh"
import { mayUseFirstClients } from "@claudemesh/client/keys/FirstClients"
import { ConfigFile } from "@claudemesh/client/keys/ConfigFile"
import type { Membership, PublicMembership } from "@claudemesh/client/keys/Membership"
import { SeenMessages } from "@claudemesh/client/inbox/SeenMessages"
import { KnownMembers } from "@claudemesh/client/trust/KnownMembers"
import { Slug } from "@claudemesh/domain/Ids"
import { Console, Effect, Option, Stdio, Stream } from "effect"
import { Argument, Command, Flag } from "effect/unstable/cli"
import { Failed, failed } from "../Failed.ts"
import { command } from "../Launch.ts"
import { clientLayer, connectedTo } from "../Meshes.ts"
import { bold, printable, printJson } from "../Output.ts"
import * as Flags from "./Flags.ts"
import { nameNote, nextSteps, ownName } from "./Welcome.ts"

export const join = Command.make(
  "join",
  {
    link: Argument.String("link").pipe(
      Argument.withDescription(
        "The invite link, in quotes; - reads it from stdin, where no list of processes shows it",
      ),
    ),
    as: Flags.as,
    slug: Flag.String("slug").pipe(
      Flag.withDescription("What to call the mesh here (default: as its owner does)"),
      Flag.withSchema(Slug),
      Flag.optional,
    ),
    allowFirstClients: Flag.Boolean("allow-first-clients").pipe(
      Flag.withDescription(
        "Be certified for the first clients, too. The cost: what they send and are sent is not bound to its time and its target, so the broker can repeat it, and move it between you and the other side",
      ),
      Flag.withDefault(false),
    ),
    json: Flags.json,
  },
  Effect.fn(
    function* ({ allowFirstClients, as, json, link, slug }) {
      const file = yield* ConfigFile
      const joined = yield* joinMesh({
        link: (link === "-" ? yield* wholeStdin : link).replaceAll(/\s+/g, ""),
        displayName: Option.getOrElse(as, ownName),
        allowV1: allowFirstClients,
        ...(Option.isSome(slug) && { slug: slug.value }),
        proofOf,
      }).pipe(
        Effect.catchIf(
          (error) => error._tag === "AlreadyJoined" && error.taken === "slug",
          (error) => Effect.fail(new Failed({ reason: `${error.message}; call this one otherwise with --slug` })),
        ),
      )
      const { brokerUrl, displayName, memberId, meshId, name, ownerPublicKey, pubkey } = joined
      if (json) {
        const role = joined.invite?.role
        return yield* printJson({
          meshId,
          slug: joined.slug,
          brokerUrl,
          memberId,
          displayName,
          role,
          publicKey: pubkey,
          ownerPublicKey,
          allowFirstClients: mayUseFirstClients(joined),
        })
      }
      yield* Console.log(
        [
          `Joined ${bold(joined.slug)} (${printable(name)}) on ${brokerUrl}. You are ${bold(displayName)}.`,
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
  Command.withDescription("Join a mesh by an invite link"),
  Command.withExamples([
    { command: "claudemesh join 'https://mesh.example.com/join#…' --as bob", description: "With a link from a chat" },
    { command: "claudemesh join - < link.txt", description: "With a link from a file" },
    {
      command: "claudemesh join 'https://mesh.example.com/join#…' --allow-first-clients",
      description: "For a member whose agents use one of the first clients",
    },
  ]),
)

const wholeStdin = Effect.flatMap(Stdio.Stdio, ({ stdin }) => Stream.mkString(Stream.decodeText(stdin)))

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
    ? [
        `You may use the first clients here. What they send and are sent is not bound to its time and its target: the broker can repeat it, and move it. Write their config with: ${command} export config.json --mesh ${slug} --first-clients`,
      ]
    : [`You may not use the first clients: this key was certified without them before.`]
}
