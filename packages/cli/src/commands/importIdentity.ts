/** `import`: an exported identity, into the meshes of this machine. */
import { importIdentities } from "@claudemesh/client/keys/IdentityExport"
import { ConfigFile } from "@claudemesh/client/keys/ConfigFile"
import { Console, Effect, FileSystem, Result } from "effect"
import { Argument, Command } from "effect/unstable/cli"
import { failed } from "../Failed.ts"
import { printJson } from "../Output.ts"
import * as Flags from "./Flags.ts"
import { passphrase } from "./Passphrase.ts"
import { nextSteps } from "./Welcome.ts"

export const importIdentity = Command.make(
  "import",
  { file: Argument.String("file").pipe(Argument.withDescription("What `claudemesh export` wrote")), json: Flags.json },
  Effect.fn(function* ({ file, json }) {
    const text = yield* (yield* FileSystem.FileSystem).readFileString(file)
    const config = yield* ConfigFile
    const identities = yield* importIdentities(text, yield* passphrase(false))
    yield* config.update((meshes) => Result.succeed([...meshes, ...identities]))
    const slugs = identities.map(({ slug }) => slug)
    yield* json
      ? printJson({ meshes: slugs })
      : Console.log([`You are in ${slugs.join(", ")} on this machine, too.`, ...nextSteps(config.path)].join("\n"))
  }, Effect.mapError(failed)),
).pipe(
  Command.withDescription("Take over an identity that was exported on another machine"),
  Command.withExamples([{ command: "claudemesh import me.json", description: "The passphrase is asked for" }]),
)
