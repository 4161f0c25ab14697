/** `whoami`: who one is in each mesh, from the config file alone: name, key, fingerprint, role and broker. */
import { nameAmongWords } from "@claudemesh/client/roster/FindNamed"
import { fingerprint } from "@claudemesh/client/invite/SafetyNumber"
import type { Membership } from "@claudemesh/client/keys/Membership"
import { Console, Effect } from "effect"
import { Command } from "effect/unstable/cli"
import { failed } from "../Failed.ts"
import { command, startedIn } from "../Launch.ts"
import { toldOf, toldWords } from "../mcp/Workplace.ts"
import { chosenMeshes } from "../Meshes.ts"
import { bold, printable, printJson } from "../Output.ts"
import * as Flags from "./Flags.ts"
import { ownerFingerprint } from "./OwnerFingerprint.ts"
import * as does from "../words/commands.ts"
import * as peopleWords from "../words/people.ts"

export const whoami = Command.make(
  "whoami",
  { mesh: Flags.mesh, json: Flags.json },
  Effect.fn(function* ({ json, mesh }) {
    const meshes = yield* chosenMeshes(mesh)
    const told = yield* Effect.forEach(meshes, (membership) =>
      Effect.map(toldOf(membership, startedIn), (tells) => ({ membership, tells })),
    )
    if (json) {
      return yield* printJson(
        told.map(({ membership, tells: { branch = null, cwd = null, host = null } }) => ({
          ...asData(membership),
          tells: { cwd, host, branch },
        })),
      )
    }
    yield* Console.log(told.map(({ membership, tells }) => asText(membership, toldWords(tells))).join("\n\n"))
  }, Effect.mapError(failed)),
).pipe(
  Command.withDescription(does.showWhoYouAreInEachMesh),
  Command.withExamples([
    { command: "claudemesh whoami", description: peopleWords.whatOthersSeeAndTheDigitsThat },
    { command: "claudemesh whoami --json", description: "For a script" },
  ]),
)

const roleOf = ({ invite, ownerSecretKey }: Membership): string => {
  if (ownerSecretKey !== undefined) return "owner"
  return invite?.role ?? "member"
}

const asData = (membership: Membership) => ({
  mesh: membership.slug,
  meshId: membership.meshId,
  memberId: membership.memberId,
  name: membership.displayName,
  publicKey: membership.pubkey,
  fingerprint: fingerprint(membership.meshId, membership.pubkey),
  ownerFingerprint: ownerFingerprint(membership) ?? null,
  role: roleOf(membership),
  brokerUrl: membership.brokerUrl,
  joinedAt: membership.joinedAt,
})

const asText = (membership: Membership, tells: string): string => {
  const { brokerUrl, fingerprint, mesh, name, ownerFingerprint, publicKey, role } = asData(membership)
  return [
    `${bold(mesh)}: you are ${bold(nameAmongWords(name))}, ${role}`,
    `  key          ${publicKey}`,
    `  fingerprint  ${fingerprint}`,
    ...(ownerFingerprint === null ? [] : [peopleWords.ownerTheMeshsJoinShowsItTo(ownerFingerprint)]),
    `  broker       ${brokerUrl}`,
    peopleWords.tellsASessionHereToTheMembers(printable(tells), command),
  ].join("\n")
}
