/** `invites`: the links of a mesh, how often each was used, and which still let somebody in. */
import { listInvites } from "@claudemesh/client/http/BrokerHttp"
import { authorityIn } from "@claudemesh/client/invite/NewInvite"
import type { InviteView } from "@claudemesh/client/roster/Invites"
import { doubtWords } from "@claudemesh/client/trust/MemberStanding"
import type { InviteState } from "@claudemesh/domain/wire/HttpApi"
import { Console, Effect } from "effect"
import { Command } from "effect/unstable/cli"
import { minuteOf } from "@claudemesh/domain/IsoTime"
import { failed } from "../Failed.ts"
import { command } from "../Launch.ts"
import { clientLayer, connectedTo, theMesh } from "../Meshes.ts"
import { aside, printable, printJson, shortKey, table } from "../Output.ts"
import * as Flags from "./Flags.ts"
import * as joiningWords from "../words/joining.ts"
import * as does from "../words/commands.ts"

export const invites = Command.make(
  "invites",
  { mesh: Flags.mesh, json: Flags.json },
  Effect.fn(
    function* ({ json, mesh }) {
      const membership = yield* theMesh(mesh)
      const { signer } = yield* authorityIn(membership)
      const client = yield* connectedTo(membership)
      const all = yield* client.judgeInvites(yield* listInvites(yield* client.brokerUrl, membership.meshId, signer))
      const genuine = all.filter(({ doubt }) => doubt === undefined)
      yield* warn(all.filter(({ doubt }) => doubt !== undefined))
      if (json) return yield* printJson(all.map(asJson))
      if (genuine.length === 0) return yield* Console.log(joiningWords.noInvitesMakeOneInvite(command))
      yield* Console.log(
        table(
          ["INVITE", "NAME", "ROLE", "USED", "EXPIRES", "STATE", "BY"],
          genuine.map((view) => {
            const { expiresAt, issuer, label, ownerPublicKey, publicKey, role, uses } = view.invite
            return [
              shortKey(publicKey),
              printable(label),
              role,
              `${view.listed?.used ?? "?"} of ${uses}`,
              minuteOf(expiresAt),
              stateOf(view),
              issuer === ownerPublicKey ? "the owner" : `${client.nameOf(issuer) ?? ""} (${shortKey(issuer)})`.trim(),
            ]
          }),
        ),
      )
    },
    Effect.scoped,
    Effect.provide(clientLayer),
    Effect.mapError(failed),
  ),
).pipe(
  Command.withDescription(does.listTheInviteLinksOfAMesh),
  Command.withExamples([
    { command: "claudemesh invites --mesh my-team", description: joiningWords.ofOneOfSeveralMeshes },
  ]),
)

const states: Readonly<Record<InviteState["state"], string>> = {
  open: "open",
  used_up: "used up",
  expired: "expired",
  revoked: "revoked",
}

/** What was revoked is so, whatever the broker says of it. */
const stateOf = ({ listed, revocation }: InviteView): string => {
  if (revocation !== undefined) return "revoked"
  return listed === undefined ? joiningWords.notListedByTheBroker : states[listed.state]
}

/** Nobody vouches for anything in an invite that is not genuine: its key alone is of use. */
const asJson = ({ doubt, invite, listed, revocation }: InviteView) => ({
  ...invite,
  label: doubt === undefined ? invite.label : null,
  genuine: doubt === undefined,
  ...(doubt !== undefined && { why: doubtWords[doubt] }),
  used: listed?.used ?? null,
  state: revocation === undefined ? (listed?.state ?? null) : "revoked",
})

const warningsMax = 5

const warn = (forged: ReadonlyArray<InviteView>) =>
  Effect.forEach(
    [
      ...forged
        .slice(0, warningsMax)
        .map(({ doubt = "bad_invite_signature", invite }) =>
          joiningWords.theBrokerListsAnInviteWithThe(invite.publicKey, doubtWords[doubt], command, invite.publicKey),
        ),
      ...(forged.length > warningsMax ? [joiningWords.moreSuchInvitesAreLeftOut(forged.length - warningsMax)] : []),
    ],
    (text) => aside(`claudemesh: ${text}`),
    { discard: true },
  )
