/** `invites`: the links of a mesh, how often each was used, and which still let somebody in. */
import { listInvites } from "@claudemesh/client/http/BrokerHttp"
import { authorityIn } from "@claudemesh/client/invite/NewInvite"
import { Sodium } from "@claudemesh/client/keys/Sodium"
import type { InviteState } from "@claudemesh/domain/wire/HttpApi"
import { Console, Effect } from "effect"
import { Command } from "effect/unstable/cli"
import { failed } from "../Failed.ts"
import { command } from "../Launch.ts"
import { theMesh } from "../Meshes.ts"
import { printable, printJson, shortKey, table } from "../Output.ts"
import * as Flags from "./Flags.ts"

export const invites = Command.make(
  "invites",
  { mesh: Flags.mesh, json: Flags.json },
  Effect.fn(
    function* ({ json, mesh }) {
      const membership = yield* theMesh(mesh)
      const { signer } = yield* authorityIn(membership)
      const found = yield* listInvites(membership.brokerUrl, membership.meshId, signer)
      if (json) return yield* printJson(found.map(({ invite, state, used }) => ({ ...invite, used, state })))
      if (found.length === 0) return yield* Console.log(`No invites. Make one: ${command} invite`)
      yield* Console.log(
        table(
          ["INVITE", "NAME", "ROLE", "USED", "EXPIRES", "STATE", "BY"],
          found.map(({ invite, state, used }) => [
            shortKey(invite.publicKey),
            printable(invite.label),
            invite.role,
            `${used} of ${invite.uses}`,
            invite.expiresAt,
            states[state],
            invite.issuer === invite.ownerPublicKey ? "the owner" : shortKey(invite.issuer),
          ]),
        ),
      )
    },
    Effect.provide(Sodium.layer),
    Effect.mapError(failed),
  ),
).pipe(
  Command.withDescription("List the invite links of a mesh that you own or are an admin of"),
  Command.withExamples([{ command: "claudemesh invites --mesh my-team", description: "Of one of several meshes" }]),
)

const states: Readonly<Record<InviteState["state"], string>> = {
  open: "open",
  used_up: "used up",
  expired: "expired",
  revoked: "revoked",
}
