/** `export`: who one is in a mesh, with its secret keys, in a file that a passphrase opens. */
import { resolve } from "node:path"
import { exportIdentities } from "@claudemesh/client/keys/IdentityExport"
import { Console, Effect, FileSystem } from "effect"
import { Argument, Command } from "effect/unstable/cli"
import { Failed, failed } from "../Failed.ts"
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
    mesh: Flags.mesh,
    json: Flags.json,
  },
  Effect.fn(function* ({ file, json, mesh }) {
    const fs = yield* FileSystem.FileSystem
    const meshes = yield* chosenMeshes(mesh)
    const path = resolve(file)
    // Asked before the passphrase is typed; what counts is that the file is opened as a new one.
    if (yield* fs.exists(path)) return yield* new Failed({ reason: `${path} is there already; give another name` })
    const text = yield* exportIdentities(meshes, yield* passphrase(true))
    yield* fs.writeFileString(path, text, { flag: "wx", mode: 0o600 })
    const slugs = meshes.map(({ slug }) => slug)
    yield* json
      ? printJson({ file: path, meshes: slugs })
      : Console.log(
          `Wrote your identity in ${slugs.join(", ")} to ${path}. Whoever has the file and its passphrase is you there.`,
        )
  }, Effect.mapError(failed)),
).pipe(
  Command.withDescription("Write your identity and its keys to a file, encrypted with a passphrase"),
  Command.withExamples([
    {
      command: "claudemesh export me.json",
      description: "All meshes; the passphrase is asked for, or taken from CLAUDEMESH_PASSPHRASE",
    },
    { command: "claudemesh export me.json --mesh my-team", description: "One mesh" },
  ]),
)
