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
import * as identityWords from "../words/identity.ts"
import * as does from "../words/commands.ts"

export const exportIdentity = Command.make(
  "export",
  {
    file: Argument.String("file").pipe(Argument.withDescription(identityWords.whereToWriteItAFileThat)),
    firstClients: Flag.Boolean("first-clients").pipe(
      Flag.withDescription(identityWords.writeTheConfigOfTheFirstClients),
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
    if (yield* fs.exists(path))
      return yield* new Failed({
        reason: identityWords.isThereAlready(path),
        code: "already_there",
        hint: identityWords.giveAnotherName,
      })
    const text = yield* firstClients
      ? configOfFirstClients(meshes)
      : Effect.flatMap(passphrase(true), (phrase) => exportIdentities(meshes, phrase))
    yield* fs.writeFileString(path, text, { flag: "wx", mode: 0o600 })
    const slugs = meshes.map(({ slug }) => slug)
    const warning = firstClients
      ? identityWords.whoeverHasTheFileCanActAs
      : identityWords.whoeverHasTheFileAndItsPassphrase
    yield* json
      ? printJson({ file: path, meshes: slugs })
      : Console.log(identityWords.wroteYourIdentityInTo(slugs.join(", "), path, warning))
  }, Effect.mapError(failed)),
).pipe(
  Command.withDescription(does.writeYourIdentityAndItsKeysTo),
  Command.withExamples([
    {
      command: "claudemesh export me.json",
      description: identityWords.allMeshesThePassphraseIsAskedFor,
    },
    { command: "claudemesh export me.json --mesh my-team", description: "One mesh" },
    {
      command: "claudemesh export config.json --mesh my-team --first-clients",
      description: identityWords.theConfigJsonOfAFirstClient,
    },
  ]),
)

const configOfFirstClients = (meshes: Memberships) => {
  const refused = meshes.filter((mesh) => !mayUseFirstClients(mesh)).map(({ slug }) => slug)
  return refused.length === 0
    ? Effect.succeed(firstClientsConfig(meshes))
    : Effect.fail(
        new Failed({
          reason: identityWords.yourCertificateInDoesNotAllowThe(refused.join(", ")),
          code: "first_clients_not_allowed",
          hint: identityWords.joinThereAsAnotherMember(command),
        }),
      )
}
