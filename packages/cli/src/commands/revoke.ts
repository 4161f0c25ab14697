/** `revoke`: a member out of the mesh, for good and for everybody. */
import { authorityIn } from "@claudemesh/client/invite/NewInvite"
import { Console, Effect } from "effect"
import { Command } from "effect/unstable/cli"
import { Failed, failed } from "../Failed.ts"
import { command } from "../Launch.ts"
import { clientLayer, connectedTo, memberCalled, theMesh } from "../Meshes.ts"
import { bold, printable, printJson, shortKey } from "../Output.ts"
import { keptNames, revokeKey } from "../Revoking.ts"
import * as Flags from "./Flags.ts"

export const revoke = Command.make(
  "revoke",
  {
    who: Flags.who,
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
        return yield* new Failed({ reason: `that is you; to leave the mesh: ${command} leave ${membership.slug}` })
      }
      const revocation = yield* revokeKey(client, member.pubkey, signer)
      const { displayName, memberId, pubkey } = member
      if (json)
        return yield* printJson({ mesh: membership.slug, memberId, displayName, publicKey: pubkey, ...revocation })
      const kept = keptNames(client, revocation)
      yield* Console.log(
        [
          `${bold(printable(displayName))} (${shortKey(pubkey)}) is out of ${membership.slug}: their sessions are ended, and nobody encrypts to them any more.`,
          ...(kept === "" ? [] : [`These came by their invites, and stay: ${printable(kept)}.`]),
        ].join("\n"),
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
