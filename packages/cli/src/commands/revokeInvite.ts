/** `revoke-invite`: an end to a link. Who has joined by it stays; nobody joins by it any more, whatever a broker says. */
import { listInvites } from "@claudemesh/client/http/BrokerHttp"
import { authorityIn } from "@claudemesh/client/invite/NewInvite"
import { resolveInvite } from "@claudemesh/client/roster/Invites"
import { Console, Effect } from "effect"
import { Argument, Command } from "effect/unstable/cli"
import { Failed, failed } from "../Failed.ts"
import { command } from "../Launch.ts"
import { clientLayer, connectedTo, theMesh } from "../Meshes.ts"
import { bold, printable, printJson, shortKey } from "../Output.ts"
import { bringWithheld, keptNames, revokeKey } from "../Revoking.ts"
import * as Flags from "./Flags.ts"
import * as joiningWords from "../words/joining.ts"
import * as does from "../words/commands.ts"

export const revokeInvite = Command.make(
  "revoke-invite",
  {
    invite: Argument.String("invite").pipe(Argument.withDescription(joiningWords.asClaudemeshInvitesListsItItsName)),
    mesh: Flags.mesh,
    json: Flags.json,
  },
  Effect.fn(
    function* ({ invite: asked, json, mesh }) {
      const membership = yield* theMesh(mesh)
      const { signer } = yield* authorityIn(membership)
      const client = yield* connectedTo(membership)
      const listed = yield* listInvites(yield* client.brokerUrl, membership.meshId, signer)
      const found = yield* Effect.fromResult(resolveInvite(asked, yield* client.judgeInvites(listed)))
      const isKey = typeof found === "string"
      const key = isKey ? found : found.invite.publicKey
      if (isKey) yield* isNoMember(yield* client.resolve(key))
      const what = isKey ? `The key ${key}` : `Invite ${bold(printable(found.invite.label))} (${shortKey(key)})`
      const data = { mesh: membership.slug, label: isKey ? null : found.invite.label, publicKey: key, genuine: !isKey }
      if (!isKey && found.revocation !== undefined) {
        yield* bringWithheld(client, signer)
        return yield* json
          ? printJson({ ...data, already: true, ...found.revocation })
          : Console.log(joiningWords.isRevokedAlreadySince(what, found.revocation.at))
      }
      const revocation = yield* revokeKey(client, key, signer)
      if (json) return yield* printJson({ ...data, already: false, ...revocation })
      const kept = keptNames(client, revocation)
      yield* Console.log(
        [
          isKey
            ? joiningWords.isRevokedInNeitherTheOwnerNor(what, membership.slug)
            : joiningWords.isRevokedNobodyJoinsByItAny(what, membership.slug),
          kept === "" ? joiningWords.noMemberHadJoinedWithIt : joiningWords.membersWhoJoinedWithItStay(printable(kept)),
        ].join(" "),
      )
    },
    Effect.scoped,
    Effect.provide(clientLayer),
    Effect.mapError(failed),
  ),
).pipe(
  Command.withDescription(does.endAnInviteLinkOfAMesh),
  Command.withExamples([
    { command: "claudemesh revoke-invite d7696ad8", description: joiningWords.asClaudemeshInvitesListsIt },
  ]),
)

const isNoMember = ({ displayName, pubkey }: { readonly displayName: string | undefined; readonly pubkey: string }) =>
  displayName === undefined
    ? Effect.void
    : Effect.fail(
        new Failed({
          reason: joiningWords.thisIsTheKeyOfTheMember(printable(displayName)),
          hint: joiningWords.toRemoveThemRevoke(command, pubkey),
        }),
      )
