/** `export`: who one is in a mesh, with its secret keys, in a file that a passphrase opens. */
import { resolve } from "node:path"
import type { Memberships } from "@claudemesh/client/keys/ConfigFile"
import { firstClientsConfig, mayUseFirstClients } from "@claudemesh/client/keys/FirstClients"
import { exportIdentities } from "@claudemesh/client/keys/IdentityExport"
import { Console, Effect, FileSystem } from "effect"
import { Argument, Command, Flag } from "effect/unstable/cli"
import { Failed, failed } from "../Failed.ts"
import { command } from "../Launch.ts"
import { chosenMeshes } from "../Meshes.ts"
import { printJson } from "../Output.ts"
import * as Flags from "./Flags.ts"
import { passphrase } from "./Passphrase.ts"

export const exportIdentity = Command.make(
  "export",
  {
    file: Argument.String("file").pipe(
      Argument.withDescription("Where to write it; a file that is there is left alone"),
    ),
    firstClients: Flag.Boolean("first-clients").pipe(
      Flag.withDescription(
        "Write the config of the first clients instead, which no passphrase protects, if you are certified for them",
      ),
      Flag.withDefault(false),
    ),
    mesh: Flags.mesh,
    json: Flags.json,
  },
  Effect.fn(function* ({ file, firstClients, json, mesh }) {
    const fs = yield* FileSystem.FileSystem
    const meshes = yield* chosenMeshes(mesh)
    const path = resolve(file)
    // Asked before the passphrase is typed; what counts is that the file is opened as a new one.
    if (yield* fs.exists(path)) return yield* new Failed({ reason: `${path} is there already; give another name` })
    const text = yield* firstClients
      ? configOfFirstClients(meshes)
      : Effect.flatMap(passphrase(true), (phrase) => exportIdentities(meshes, phrase))
    yield* fs.writeFileString(path, text, { flag: "wx", mode: 0o600 })
    const slugs = meshes.map(({ slug }) => slug)
    const warning = firstClients
      ? "Whoever has the file can act as you there. Keep it to yourself, and put it where the first client looks for its config.json."
      : "Whoever has the file and its passphrase can act as you there."
    yield* json
      ? printJson({ file: path, meshes: slugs })
      : Console.log(`Wrote your identity in ${slugs.join(", ")} to ${path}. ${warning}`)
  }, Effect.mapError(failed)),
).pipe(
  Command.withDescription("Write your identity and its keys to a file, encrypted with a passphrase"),
  Command.withExamples([
    {
      command: "claudemesh export me.json",
      description: "All meshes; the passphrase is asked for, or taken from CLAUDEMESH_PASSPHRASE",
    },
    { command: "claudemesh export me.json --mesh my-team", description: "One mesh" },
    {
      command: "claudemesh export config.json --mesh my-team --first-clients",
      description: "The config.json of a first client, for a mesh that was joined with --allow-first-clients",
    },
  ]),
)

const configOfFirstClients = (meshes: Memberships) => {
  const refused = meshes.filter((mesh) => !mayUseFirstClients(mesh)).map(({ slug }) => slug)
  return refused.length === 0
    ? Effect.succeed(firstClientsConfig(meshes))
    : Effect.fail(
        new Failed({
          reason: `your certificate in ${refused.join(", ")} does not allow the first clients, and nothing was written; join there as another member, for them: CLAUDEMESH_HOME=<another folder> ${command} join '<link>' --allow-first-clients`,
        }),
      )
}
