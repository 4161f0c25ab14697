/** `list`: the joined meshes, from the config file alone. */
import { Console, Effect } from "effect"
import { Command } from "effect/unstable/cli"
import { command } from "../Launch.ts"
import { joinedMeshes } from "../Meshes.ts"
import { printable, printJson, shortKey, table } from "../Output.ts"
import * as Flags from "./Flags.ts"
import * as peopleWords from "../words/people.ts"
import * as does from "../words/commands.ts"

export const list = Command.make(
  "list",
  { json: Flags.json },
  Effect.fn(function* ({ json }) {
    const meshes = yield* joinedMeshes
    if (json) {
      return yield* printJson(
        meshes.map(({ brokerUrl, displayName, joinedAt, memberId, meshId, name, pubkey, slug }) => ({
          mesh: slug,
          meshName: name,
          meshId,
          memberId,
          name: displayName,
          publicKey: pubkey,
          brokerUrl,
          joinedAt,
        })),
      )
    }
    if (meshes.length === 0) {
      return yield* Console.log(peopleWords.noMeshIsJoinedMakeOneCreate(command, command))
    }
    yield* Console.log(
      table(
        ["MESH", "YOU", "KEY", "BROKER"],
        meshes.map((mesh) => [mesh.slug, printable(mesh.displayName), shortKey(mesh.pubkey), mesh.brokerUrl]),
      ),
    )
  }),
).pipe(
  Command.withDescription(does.listTheMeshesYouHaveJoined),
  Command.withExamples([{ command: "claudemesh list --json", description: "For a script" }]),
)
