/** `join`: into a mesh, by an invite link. Nothing is sent before the link was found to be the owner's word. */
import { joinMesh } from "@claudemesh/client/invite/JoinMesh"
import { ConfigFile } from "@claudemesh/client/keys/ConfigFile"
import { Sodium } from "@claudemesh/client/keys/Sodium"
import { Slug } from "@claudemesh/domain/Ids"
import { Console, Effect, Option, Stdio, Stream } from "effect"
import { Argument, Command, Flag } from "effect/unstable/cli"
import { Failed, failed } from "../Failed.ts"
import { bold, printable, printJson } from "../Output.ts"
import * as Flags from "./Flags.ts"
import { nextSteps, ownName } from "./Welcome.ts"

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
    json: Flags.json,
  },
  Effect.fn(
    function* ({ as, json, link, slug }) {
      const file = yield* ConfigFile
      const joined = yield* joinMesh({
        link: (link === "-" ? yield* wholeStdin : link).replaceAll(/\s+/g, ""),
        displayName: Option.getOrElse(as, ownName),
        ...(Option.isSome(slug) && { slug: slug.value }),
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
        })
      }
      yield* Console.log(
        [
          `Joined ${bold(joined.slug)} (${printable(name)}) on ${brokerUrl}. You are ${bold(displayName)}.`,
          ...nextSteps(file.path),
        ].join("\n"),
      )
    },
    Effect.provide(Sodium.layer),
    Effect.mapError(failed),
  ),
).pipe(
  Command.withDescription("Join a mesh by an invite link"),
  Command.withExamples([
    { command: "claudemesh join 'https://mesh.example.com/join#…' --as bob", description: "With a link from a chat" },
    { command: "claudemesh join - < link.txt", description: "With a link from a file" },
  ]),
)

const wholeStdin = Effect.flatMap(Stdio.Stdio, ({ stdin }) => Stream.mkString(Stream.decodeText(stdin)))
