/** `revoke`: a member out of the mesh, for good and for everybody. */
import { authorityIn } from "@claudemesh/client/invite/NewInvite"
import type { Resolved } from "@claudemesh/client/roster/ResolveMember"
import { whyNot } from "@claudemesh/client/trust/MemberStanding"
import { Console, Effect } from "effect"
import { Command } from "effect/unstable/cli"
import { Failed, failed } from "../Failed.ts"
import { command } from "../Launch.ts"
import { memberName } from "../mcp/WrapUntrusted.ts"
import { clientLayer, connectedToWhose } from "../Meshes.ts"
import { bold, printable, printJson, shortKey } from "../Output.ts"
import { bringWithheld, keptNames, revokeKey } from "../Revoking.ts"
import { agreed } from "./Agreed.ts"
import * as Flags from "./Flags.ts"

export const revoke = Command.make(
  "revoke",
  {
    who: Flags.who,
    yes: Flags.yes,
    mesh: Flags.mesh,
    json: Flags.json,
  },
  Effect.fn(
    function* ({ json, mesh, who: typed, yes }) {
      const { client, membership, who } = yield* connectedToWhose(typed, mesh)
      const { slug } = membership
      const { signer } = yield* authorityIn(membership)
      const member = yield* client.resolve(who)
      const { displayName, pubkey, standing } = member
      if (pubkey === membership.pubkey) {
        return yield* new Failed({ reason: `That is you. To leave the mesh: ${command} leave ${slug}` })
      }
      const data = {
        mesh: slug,
        memberId: "memberId" in member ? member.memberId : null,
        displayName: displayName ?? null,
        publicKey: pubkey,
        certified: displayName !== undefined,
      }
      if (standing._tag === "Revoked") {
        yield* bringWithheld(client, signer)
        return yield* json
          ? printJson({ ...data, already: true, at: standing.at, by: standing.by })
          : Console.log(`${shown(member)} is out of ${slug} already: ${whyNot(standing)}.`)
      }
      yield* agreed(yes, `Revoke ${shown(member)} in ${slug}?`, [
        displayName === undefined
          ? "The key is not certified, so this machine does not know whose it is. It cannot become a member any more."
          : "Their sessions end at once, and nobody encrypts to them any more.",
        "It is for good and for everybody: to come back they need a new invite, and get a new key.",
        "What they were sent before stays with them. Members who joined by their invites stay.",
      ])
      const revocation = yield* revokeKey(client, pubkey, signer)
      if (json) return yield* printJson({ ...data, already: false, ...revocation })
      const kept = keptNames(client, revocation)
      yield* Console.log(
        [
          displayName === undefined
            ? `${shown(member)} is revoked in ${slug}. It is not certified, so this machine does not know whose it is: it cannot become a member any more.`
            : `${shown(member)} is out of ${slug}: their sessions are ended, and nobody encrypts to them any more.`,
          ...(kept === "" ? [] : [`Members who joined by their invites stay: ${printable(kept)}.`]),
        ].join("\n"),
      )
    },
    Effect.scoped,
    Effect.provide(clientLayer),
    Effect.mapError(failed),
  ),
).pipe(
  Command.withDescription("Remove a member from a mesh for good; only its owner and its admins can"),
  Command.withExamples([
    { command: "claudemesh revoke bob", description: "By the name in his certificate; it asks first" },
    { command: "claudemesh revoke bob --yes", description: "Without asking" },
    {
      command: "claudemesh revoke 3fa9c1d2 --mesh my-team",
      description: "By the beginning of the key, where names are alike",
    },
  ]),
)

const shown = ({ displayName, pubkey }: Pick<Resolved, "displayName" | "pubkey">): string =>
  displayName === undefined ? `The key ${pubkey}` : `${bold(memberName(displayName))} (${shortKey(pubkey)})`
