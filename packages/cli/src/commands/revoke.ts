/** `revoke`: a member out of the mesh, for good and for everybody. */
import { nameAmongWords } from "@claudemesh/client/roster/FindNamed"
import { authorityIn } from "@claudemesh/client/invite/NewInvite"
import type { Resolved } from "@claudemesh/client/roster/ResolveMember"
import { whyNot } from "@claudemesh/client/trust/MemberStanding"
import { Console, Effect } from "effect"
import { Command } from "effect/unstable/cli"
import { Failed, failed } from "../Failed.ts"
import { command } from "../Launch.ts"
import { clientLayer, connectedToWhose } from "../Meshes.ts"
import { bold, printable, printJson, shortKey } from "../Output.ts"
import { bringWithheld, keptNames, revokeKey } from "../Revoking.ts"
import { agreed } from "./Agreed.ts"
import * as Flags from "./Flags.ts"
import * as peopleWords from "../words/people.ts"
import * as does from "../words/commands.ts"

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
        return yield* new Failed({
          reason: peopleWords.thatIsYou,
          code: "yourself",
          hint: peopleWords.toLeaveTheMesh(command, slug),
        })
      }
      const data = {
        mesh: slug,
        memberId: "memberId" in member ? member.memberId : null,
        name: displayName ?? null,
        publicKey: pubkey,
        certified: displayName !== undefined,
      }
      if (standing._tag === "Revoked") {
        yield* bringWithheld(client, signer)
        return yield* json
          ? printJson({ ...data, already: true, at: standing.at, by: standing.by })
          : Console.log(peopleWords.isOutOfAlready(shown(member), slug, whyNot(standing)))
      }
      yield* agreed(yes, `Revoke ${shown(member)} in ${slug}?`, [
        displayName === undefined
          ? peopleWords.theKeyIsNotCertifiedSoThis
          : peopleWords.theirSessionsEndAtOnceAndNobody,
        peopleWords.itIsForGoodAndForEverybody,
        peopleWords.whatTheyWereSentBeforeStaysWith,
      ])
      const revocation = yield* revokeKey(client, pubkey, signer)
      if (json) return yield* printJson({ ...data, already: false, ...revocation })
      const kept = keptNames(client, revocation)
      yield* Console.log(
        [
          displayName === undefined
            ? peopleWords.isRevokedInItIsNotCertified(shown(member), slug)
            : peopleWords.isOutOfTheirSessionsAreEnded(shown(member), slug),
          ...(kept === "" ? [] : [peopleWords.membersWhoJoinedByTheirInvitesStay(printable(kept))]),
        ].join("\n"),
      )
    },
    Effect.scoped,
    Effect.provide(clientLayer),
    Effect.mapError(failed),
  ),
).pipe(
  Command.withDescription(does.removeAMemberFromAMeshFor),
  Command.withExamples([
    { command: "claudemesh revoke bob", description: peopleWords.byTheNameInHisCertificateIt },
    { command: "claudemesh revoke bob --yes", description: "Without asking" },
    {
      command: "claudemesh revoke 3fa9c1d2 --mesh my-team",
      description: peopleWords.byTheBeginningOfTheKeyWhere,
    },
  ]),
)

const shown = ({ displayName, pubkey }: Pick<Resolved, "displayName" | "pubkey">): string =>
  displayName === undefined ? `The key ${pubkey}` : `${bold(nameAmongWords(displayName))} (${shortKey(pubkey)})`
