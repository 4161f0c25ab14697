/** `verify`: a number to compare by voice with a member, and that it was compared. */
import { nameAmongWords } from "@claudemesh/client/roster/FindNamed"
import { safetyNumber } from "@claudemesh/client/invite/SafetyNumber"
import { believed } from "@claudemesh/client/roster/ResolveMember"
import { Console, Effect, Option } from "effect"
import { Command, Flag } from "effect/unstable/cli"
import { Failed, failed } from "../Failed.ts"
import { command, quoted as shellWord } from "../Launch.ts"
import { chosenMeshes, clientLayer, memberMeant } from "../Meshes.ts"
import { bold, printable, printJson, shortKey } from "../Output.ts"
import * as Flags from "./Flags.ts"
import * as peopleWords from "../words/people.ts"
import * as does from "../words/commands.ts"

export const verify = Command.make(
  "verify",
  {
    who: Flags.who,
    matches: Flag.Boolean("matches").pipe(
      Flag.withDescription(peopleWords.youHaveComparedTheNumberAndIt),
      Flag.withDefault(false),
    ),
    mesh: Flags.mesh,
    json: Flags.json,
  },
  Effect.fn(
    function* ({ json, matches, mesh, who: typed }) {
      const { client, found, membership, who } = yield* memberMeant(typed, mesh)
      const { displayName, pubkey, standing } = yield* Effect.fromResult(believed(who, found))
      if (pubkey === membership.pubkey) {
        return yield* new Failed({
          reason: peopleWords.thatIsYou,
          code: "yourself",
          hint: peopleWords.nameAnotherMemberTo,
        })
      }
      if (matches) yield* client.confirmByVoice(pubkey)
      const number = safetyNumber(membership.meshId, membership.pubkey, pubkey)
      const verified = matches || (standing._tag === "Certified" && standing.byVoiceAt !== undefined)
      if (json)
        return yield* printJson({ mesh: membership.slug, name: displayName, publicKey: pubkey, number, verified })
      const groups = number.split(" ")
      const lines = [0, 4, 8].map((from) => `  ${bold(groups.slice(from, from + 4).join(" "))}`)
      yield* Console.log(
        printable(
          verified
            ? peopleWords.youHaveComparedThisNumberWithAnd(nameAmongWords(displayName), shortKey(pubkey))
            : peopleWords.readThisNumberToWhoSeesIt(
                nameAmongWords(displayName),
                shortKey(pubkey),
                shellWord(membership.displayName),
              ),
        ),
      )
      yield* Console.log(lines.join("\n"))
      const isOnly = (yield* chosenMeshes(Option.none())).length === 1
      // By the key: by the name a broker could show another member next time, and that one's number nobody compared.
      const same = `${command} verify ${pubkey} --matches${isOnly ? "" : ` --mesh ${membership.slug}`}`
      if (!verified) yield* Console.log(peopleWords.ifItIsTheSameForBoth(same))
    },
    Effect.scoped,
    Effect.provide(clientLayer),
    Effect.mapError(failed),
  ),
).pipe(
  Command.withDescription(does.compareKeysWithAMemberByVoice),
  Command.withExamples([
    { command: "claudemesh verify bob", description: peopleWords.theNumberBobRunsTheSameWith },
    {
      command: "claudemesh verify 3fa9c1d2… --matches",
      description: peopleWords.onceYouBothSeeTheSameThe,
    },
  ]),
)
