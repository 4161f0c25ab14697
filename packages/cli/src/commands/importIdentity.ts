/** `import`: an exported identity, into the meshes of this machine. */
import { importIdentities } from "@claudemesh/client/keys/IdentityExport"
import { ConfigFile, type Memberships } from "@claudemesh/client/keys/ConfigFile"
import type { Membership } from "@claudemesh/client/keys/Membership"
import { Console, Effect, FileSystem, Result } from "effect"
import { Argument, Command } from "effect/unstable/cli"
import { Failed, failed } from "../Failed.ts"
import { printJson } from "../Output.ts"
import * as Flags from "./Flags.ts"
import { passphrase } from "./Passphrase.ts"
import { nextSteps } from "./Welcome.ts"
import * as identityWords from "../words/identity.ts"
import * as does from "../words/commands.ts"

export const importIdentity = Command.make(
  "import",
  {
    file: Argument.String("file").pipe(Argument.withDescription(identityWords.whatClaudemeshExportWrote)),
    json: Flags.json,
  },
  Effect.fn(function* ({ file, json }) {
    const text = yield* (yield* FileSystem.FileSystem).readFileString(file)
    const config = yield* ConfigFile
    const identities = yield* importIdentities(text, yield* passphrase(false))
    // What is here already, by the same key, is no reason to leave out the rest of a backup.
    const isHere = (meshes: Memberships) => (identity: Membership) =>
      meshes.some(({ meshId, pubkey }) => meshId === identity.meshId && pubkey === identity.pubkey)
    const before = yield* config.read
    const taken = identities.filter((identity) => !isHere(before)(identity))
    if (taken.length === 0) {
      return yield* new Failed({ reason: identityWords.nothingToTakeOverYouAreIn(slugsOf(identities)) })
    }
    yield* config
      .update((meshes) => Result.succeed([...meshes, ...taken]))
      .pipe(
        Effect.catchTag("AlreadyJoined", (error) =>
          Effect.fail(
            new Failed({
              reason: identityWords.nothingWasTakenOver(error.message),
              code: "already_joined",
              hint: identityWords.leaveThatOneFirst,
            }),
          ),
        ),
      )
    if (json) return yield* printJson({ meshes: taken.map(({ slug }) => slug) })
    const others = identities.filter(isHere(before))
    yield* Console.log(
      [
        identityWords.youAreInOnThisMachineToo(slugsOf(taken)),
        ...(others.length === 0 ? [] : [identityWords.youWereInHereAlready(slugsOf(others))]),
        ...nextSteps(config.path),
      ].join("\n"),
    )
  }, Effect.mapError(failed)),
).pipe(
  Command.withDescription(does.takeOverAnIdentityThatWasExported),
  Command.withExamples([
    {
      command: "claudemesh import me.json",
      description: identityWords.thePassphraseIsAskedForOrTaken,
    },
  ]),
)

const slugsOf = (meshes: Memberships): string => meshes.map(({ slug }) => slug).join(", ")
