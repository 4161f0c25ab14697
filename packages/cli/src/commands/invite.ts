/** `invite`: a link by which others join. The link is all that goes to stdout, so that it can be piped; it is a secret. */
import { KnownMembers, nothingKnown } from "@claudemesh/client/trust/KnownMembers"
import { addInvite } from "@claudemesh/client/http/BrokerHttp"
import { authorityIn, newInvite } from "@claudemesh/client/invite/NewInvite"
import { isLoopback } from "@claudemesh/client/keys/BrokerUrl"
import { type Invite, inviteUsesMax } from "@claudemesh/domain/trust/Invite"
import { DisplayName, type MeshId } from "@claudemesh/domain/Ids"
import { Console, Effect, Option, Schema } from "effect"
import { Command, Flag } from "effect/unstable/cli"
import { minuteOf } from "@claudemesh/domain/IsoTime"
import { failed } from "../Failed.ts"
import { clientLayer, connectedTo, theMesh } from "../Meshes.ts"
import { aside, printJson } from "../Output.ts"
import { scannable } from "../Scannable.ts"
import * as Flags from "./Flags.ts"
import { lifetimeFlag } from "./Lifetime.ts"
import { ownerFingerprint } from "./OwnerFingerprint.ts"
import * as joiningWords from "../words/joining.ts"
import * as does from "../words/commands.ts"

export const invite = Command.make(
  "invite",
  {
    mesh: Flags.mesh,
    role: Flag.Literals("role", ["member", "admin"]).pipe(
      Flag.withDescription(joiningWords.whatTheyBecomeAnAdminMayInvite),
      Flag.withDefault("member"),
    ),
    uses: Flag.Int("uses").pipe(
      Flag.withDescription(joiningWords.howManyMayJoinByTheLink(inviteUsesMax)),
      Flag.withSchema(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: inviteUsesMax }))),
      Flag.withDefault(1),
    ),
    expires: lifetimeFlag("expires").pipe(
      Flag.withDescription(joiningWords.howLongTheLinkIsGood30m),
      Flag.withDefault(7 * 86_400_000),
    ),
    name: Flag.String("name").pipe(
      Flag.withDescription(joiningWords.whatYouCallTheInviteInClaudemesh),
      Flag.withSchema(DisplayName),
      Flag.optional,
    ),
    qr: Flag.Boolean("qr").pipe(Flag.withDescription(joiningWords.drawTheLinkAsACodeFor), Flag.withDefault(false)),
    json: Flags.json,
  },
  Effect.fn(
    function* ({ expires, json, mesh, name, qr, role, uses }) {
      const asWritten = yield* theMesh(mesh)
      yield* authorityIn(asWritten)
      // The link leads where the mesh is: if it has moved, the broker that was left says so.
      const membership = { ...asWritten, brokerUrl: yield* (yield* connectedTo(asWritten)).brokerUrl }
      const label = Option.getOrElse(name, () => DisplayName.make(`for ${uses} ${role}${uses === 1 ? "" : "s"}`))
      const made = yield* newInvite(membership, { role, uses, validMillis: expires, label })
      yield* addInvite(membership.brokerUrl, made.invite, made.signer)
      yield* written(membership.meshId, made.invite)
      const { expiresAt, publicKey } = made.invite
      if (json) {
        return yield* printJson({ mesh: membership.slug, link: made.link, invite: publicKey, role, uses, expiresAt })
      }
      const owner = ownerFingerprint(membership)
      yield* aside(
        [
          joiningWords.whoeverHasThisLinkJoinsAsUntil(
            membership.slug,
            role,
            uses === 1 ? "once" : `${uses} times`,
            minuteOf(expiresAt),
          ),
          ...(isLoopback(membership.brokerUrl)
            ? [
                joiningWords.theBrokerIsAtSoTheLink(new URL(membership.brokerUrl).host),
                ...(qr ? [joiningWords.noCodeIsDrawnOfItNo] : []),
              ]
            : [joiningWords.sendItOverAChannelYouTrust, ...(qr ? scannable(made.link) : [])]),
          ...(owner === undefined ? [] : [joiningWords.whoeverJoinsIsShownThisNumberAnd(owner)]),
        ].join("\n"),
      )
      yield* Console.log(made.link)
    },
    Effect.scoped,
    Effect.provide(clientLayer),
    Effect.mapError(failed),
  ),
).pipe(
  Command.withDescription(does.makeALinkByWhichOthersJoin),
  Command.withExamples([
    { command: "claudemesh invite", description: joiningWords.forOnePersonGoodForAWeek },
    {
      command: "claudemesh invite --uses 20 --expires 12h --name standup",
      description: joiningWords.forAWholeTeamToday,
    },
    { command: "claudemesh invite --qr", description: joiningWords.forACameraToo },
    { command: "claudemesh invite --role admin", description: joiningWords.forSomebodyWhoMayInviteAndRevoke },
  ]),
)

/** So that its label finds it here though a broker hides it. The link is good all the same. */
const written = Effect.fnUntraced(function* (meshId: MeshId, invite: Invite) {
  const { add } = yield* KnownMembers
  yield* Effect.catch(add(meshId, { ...nothingKnown, invites: [invite] }), (error) =>
    aside(joiningWords.theInviteIsMadeAndThisMachine(error.message)),
  )
})
