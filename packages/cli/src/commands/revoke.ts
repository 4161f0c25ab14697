/** `revoke`: a member out of the mesh, for good and for everybody. */
import { authorityIn } from "@claudemesh/client/invite/NewInvite"
import { Console, Effect } from "effect"
import { Argument, Command } from "effect/unstable/cli"
import { Failed, failed } from "../Failed.ts"
import { clientLayer, connectedTo, memberCalled, theMesh } from "../Meshes.ts"
import { bold, printable, printJson } from "../Output.ts"
import { keptNames, revokeKey } from "../Revoking.ts"
import * as Flags from "./Flags.ts"

export const revoke = Command.make(
  "revoke",
  {
    who: Argument.String("who").pipe(Argument.withDescription("A member's name, or its key or the beginning of it")),
    mesh: Flags.mesh,
    json: Flags.json,
  },
  Effect.fn(
    function* ({ json, mesh, who }) {
      const membership = yield* theMesh(mesh)
      const { signer } = yield* authorityIn(membership)
      const client = yield* connectedTo(membership)
      const member = yield* memberCalled(client, who)
      if (member.pubkey === membership.pubkey) {
        return yield* new Failed({ reason: "that is you; to leave the mesh: npx claudemesh leave" })
      }
      const revocation = yield* revokeKey(client, member.pubkey, signer)
      const { displayName, memberId, pubkey } = member
      if (json)
        return yield* printJson({ mesh: membership.slug, memberId, displayName, publicKey: pubkey, ...revocation })
      const kept = keptNames(client, revocation)
      yield* Console.log(
        printable(
          [
            `${bold(displayName)} (${pubkey.slice(0, 8)}) is out of ${membership.slug}: its sockets are closed, and nobody encrypts to it any more.`,
            ...(kept === "" ? [] : [`They came by its invites and stay: ${kept}.`]),
          ].join("\n"),
        ),
      )
    },
    Effect.scoped,
    Effect.provide(clientLayer),
    Effect.mapError(failed),
  ),
).pipe(
  Command.withDescription("Put a member out of a mesh for good; only its owner and its admins can"),
  Command.withExamples([
    { command: "claudemesh revoke bob", description: "By name" },
    {
      command: "claudemesh revoke 3fa9c1d2 --mesh my-team",
      description: "By the beginning of the key, where names are alike",
    },
  ]),
)
