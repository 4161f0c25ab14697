/** `revoke-invite`: an end to a link. Who has joined by it stays; nobody joins by it any more, whatever a broker says. */
import { listInvites } from "@claudemesh/client/http/BrokerHttp"
import { authorityIn } from "@claudemesh/client/invite/NewInvite"
import type { InviteState } from "@claudemesh/domain/wire/HttpApi"
import { Console, Effect } from "effect"
import { Argument, Command } from "effect/unstable/cli"
import { failed } from "../Failed.ts"
import { clientLayer, connectedTo, theMesh, theOneCalled } from "../Meshes.ts"
import { bold, printable, printJson, shortKey } from "../Output.ts"
import { keptNames, revokeKey } from "../Revoking.ts"
import * as Flags from "./Flags.ts"

export const revokeInvite = Command.make(
  "revoke-invite",
  {
    invite: Argument.String("invite").pipe(
      Argument.withDescription(
        "As `claudemesh invites` lists it: its name, or the first 8 characters or more of its key",
      ),
    ),
    mesh: Flags.mesh,
    json: Flags.json,
  },
  Effect.fn(
    function* ({ invite: asked, json, mesh }) {
      const membership = yield* theMesh(mesh)
      const { signer } = yield* authorityIn(membership)
      const { invite } = yield* theInvite(asked, yield* listInvites(membership.brokerUrl, membership.meshId, signer))
      const client = yield* connectedTo(membership)
      const revocation = yield* revokeKey(client, invite.publicKey, signer)
      if (json) return yield* printJson({ mesh: membership.slug, ...revocation })
      const kept = keptNames(client, revocation)
      yield* Console.log(
        `Nobody joins ${membership.slug} by ${bold(printable(invite.label))} (${shortKey(invite.publicKey)}) any more. ${kept === "" ? "Nobody who is a member had." : `They had, and stay: ${printable(kept)}.`}`,
      )
    },
    Effect.scoped,
    Effect.provide(clientLayer),
    Effect.mapError(failed),
  ),
).pipe(
  Command.withDescription("End an invite link of a mesh; who has joined by it stays"),
  Command.withExamples([
    { command: "claudemesh revoke-invite d7696ad8", description: "As `claudemesh invites` lists it" },
  ]),
)

const theInvite = (asked: string, all: ReadonlyArray<InviteState>) =>
  theOneCalled(asked, all, ({ invite }) => ({ key: invite.publicKey, name: invite.label }), {
    none: `there is no invite ${asked}`,
    several: `${asked} may be any of several; write its key`,
  })
