/** `invite`: a link by which others join. The link is all that goes to stdout, so that it can be piped; it is a secret. */
import { KnownMembers, nothingKnown } from "@claudemesh/client/trust/KnownMembers"
import { addInvite } from "@claudemesh/client/http/BrokerHttp"
import { newInvite } from "@claudemesh/client/invite/NewInvite"
import { isLoopback } from "@claudemesh/client/keys/BrokerUrl"
import { Sodium } from "@claudemesh/client/keys/Sodium"
import { type Invite, inviteUsesMax } from "@claudemesh/domain/trust/Invite"
import { DisplayName, type MeshId } from "@claudemesh/domain/Ids"
import { Console, Effect, Option, Schema } from "effect"
import { Command, Flag } from "effect/unstable/cli"
import { minuteOf } from "../Ago.ts"
import { failed } from "../Failed.ts"
import { theMesh } from "../Meshes.ts"
import { aside, printJson } from "../Output.ts"
import { scannable } from "../Scannable.ts"
import * as Flags from "./Flags.ts"
import { lifetimeFlag } from "./Lifetime.ts"
import { ownerFingerprint } from "./OwnerFingerprint.ts"

export const invite = Command.make(
  "invite",
  {
    mesh: Flags.mesh,
    role: Flag.Literals("role", ["member", "admin"]).pipe(
      Flag.withDescription("What they become: an admin may invite and revoke; only the mesh's owner makes admins"),
      Flag.withDefault("member"),
    ),
    uses: Flag.Int("uses").pipe(
      Flag.withDescription(`How many may join by the link (default 1, at most ${inviteUsesMax})`),
      Flag.withSchema(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: inviteUsesMax }))),
      Flag.withDefault(1),
    ),
    expires: lifetimeFlag("expires").pipe(
      Flag.withDescription("How long the link is good: 30m, 12h, 7d (default 7d)"),
      Flag.withDefault(7 * 86_400_000),
    ),
    name: Flag.String("name").pipe(
      Flag.withDescription("What you call the invite in `claudemesh invites` (default: for whom it is)"),
      Flag.withSchema(DisplayName),
      Flag.optional,
    ),
    qr: Flag.Boolean("qr").pipe(
      Flag.withDescription("Draw the link as a code for a camera, too, on a terminal"),
      Flag.withDefault(false),
    ),
    json: Flags.json,
  },
  Effect.fn(
    function* ({ expires, json, mesh, name, qr, role, uses }) {
      const membership = yield* theMesh(mesh)
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
          `Whoever has this link joins ${membership.slug} as ${role}, ${uses === 1 ? "once" : `${uses} times`}, until ${minuteOf(expiresAt)}:`,
          ...(isLoopback(membership.brokerUrl)
            ? [
                `the broker is at ${new URL(membership.brokerUrl).host}, so the link works on this machine only. For others, use a broker that they can reach.`,
                ...(qr ? ["No code is drawn of it: no other machine could use it."] : []),
              ]
            : [
                `send it over a channel you trust. They run:  claudemesh join '<link>'`,
                ...(qr ? scannable(made.link) : []),
              ]),
          ...(owner === undefined ? [] : [`whoever joins is shown this number, and compares it with you:  ${owner}`]),
        ].join("\n"),
      )
      yield* Console.log(made.link)
    },
    Effect.provide(Sodium.layer),
    Effect.mapError(failed),
  ),
).pipe(
  Command.withDescription("Make a link by which others join a mesh of yours"),
  Command.withExamples([
    { command: "claudemesh invite", description: "For one person, good for a week" },
    { command: "claudemesh invite --uses 20 --expires 12h --name standup", description: "For a whole team, today" },
    { command: "claudemesh invite --qr", description: "For a camera, too" },
    { command: "claudemesh invite --role admin", description: "For somebody who may invite and revoke" },
  ]),
)

/** So that its label finds it here though a broker hides it. The link is good all the same. */
const written = Effect.fnUntraced(function* (meshId: MeshId, invite: Invite) {
  const { add } = yield* KnownMembers
  yield* Effect.catch(add(meshId, { ...nothingKnown, invites: [invite] }), (error) =>
    aside(`claudemesh: the invite is made, and this machine cannot remember it: ${error.message}`),
  )
})
