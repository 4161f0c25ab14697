/** `privacy`: what a session tells the members of a mesh about where it runs, and an end to that. */
import { startedIn } from "../Launch.ts"
import { ConfigFile } from "@claudemesh/client/keys/ConfigFile"
import type { Membership } from "@claudemesh/client/keys/Membership"
import { Console, Effect, Option, Result, Struct } from "effect"
import { Argument, Command } from "effect/unstable/cli"
import { failed } from "../Failed.ts"
import { toldOf, toldWords } from "../mcp/Workplace.ts"
import { chosenMeshes } from "../Meshes.ts"
import { printable, printJson, table } from "../Output.ts"
import * as Flags from "./Flags.ts"
import * as peopleWords from "../words/people.ts"
import * as does from "../words/commands.ts"

export const privacy = Command.make(
  "privacy",
  {
    word: Argument.Literals("what", ["all", "nothing"]).pipe(
      Argument.withDescription(peopleWords.allFolderHostAndBranchNothingNone),
      Argument.optional,
    ),
    mesh: Flags.mesh,
    json: Flags.json,
  },
  Effect.fn(function* ({ json, mesh, word }) {
    const chosen = yield* chosenMeshes(mesh)
    const ids = new Set(chosen.map(({ meshId }) => meshId))
    const changed = (membership: Membership): Membership =>
      Option.isSome(word) && word.value === "nothing"
        ? { ...membership, tells: "nothing" }
        : Struct.omit(membership, ["tells"])
    const meshes = Option.isNone(word)
      ? chosen
      : (yield* (yield* ConfigFile).update((all) =>
          Result.succeed(all.map((one) => (ids.has(one.meshId) ? changed(one) : one))),
        )).filter(({ meshId }) => ids.has(meshId))
    const rows = yield* Effect.forEach(meshes, (membership) =>
      Effect.map(toldOf(membership, startedIn), ({ branch = null, cwd = null, host = null }) => ({
        mesh: membership.slug,
        cwd,
        host,
        branch,
      })),
    )
    if (json) return yield* printJson(rows)
    yield* Console.log(
      table(
        ["MESH", peopleWords.aSessionHereTellsMembers],
        rows.map(({ mesh, ...told }) => [mesh, printable(toldWords(told))]),
      ),
    )
  }, Effect.mapError(failed)),
).pipe(
  Command.withDescription(does.showOrChangeWhatYourSessionsTell),
  Command.withExamples([
    {
      command: "claudemesh privacy",
      description: peopleWords.whatASessionInThisFolderTells,
    },
    { command: "claudemesh privacy nothing --mesh my-team", description: peopleWords.noFolderHostAndBranchForOne },
    {
      command: "CLAUDEMESH_PROFILE=none claudemesh mcp",
      description: peopleWords.forAllMeshesAlsoThoseThatYou,
    },
  ]),
)
