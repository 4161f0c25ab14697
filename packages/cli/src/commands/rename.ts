/**
 * `rename`: what this machine calls a member, in the place of the name that they chose: two of one name are told apart by it. Nobody
 * else learns of it, and nothing that is signed changes. One's own name is in one's certificate.
 */
import { nameAmongWords } from "@claudemesh/client/roster/FindNamed"
import { believed } from "@claudemesh/client/roster/ResolveMember"
import { looksTheSame } from "@claudemesh/domain/trust/NameSkeleton"
import { Console, Effect, Option } from "effect"
import { Argument, Command, Flag } from "effect/unstable/cli"
import { Failed, failed, Misused } from "../Failed.ts"
import { command, quoted as shellWord } from "../Launch.ts"
import { clientLayer, memberMeant } from "../Meshes.ts"
import { bold, printJson, shortKey } from "../Output.ts"
import * as Flags from "./Flags.ts"
import { wrongName } from "./WrongName.ts"
import * as peopleWords from "../words/people.ts"
import * as does from "../words/commands.ts"

export const rename = Command.make(
  "rename",
  {
    who: Flags.who,
    name: Argument.String("name").pipe(
      Argument.withDescription(peopleWords.whatYouCallThemFromNowOn),
      Argument.filterMap(Flags.memberNameIn, wrongName),
      Argument.optional,
    ),
    undo: Flag.Boolean("undo").pipe(
      Flag.withDescription(peopleWords.callThemByTheirOwnNameAgain),
      Flag.withDefault(false),
    ),
    mesh: Flags.mesh,
    json: Flags.json,
  },
  Effect.fn(
    function* ({ json, mesh, name, undo, who: typed }) {
      if (Option.isSome(name) === undo) {
        return yield* new Misused({ reason: peopleWords.giveTheNewNameOrUndoTo })
      }
      const { client, found, membership, who } = yield* memberMeant(typed, mesh)
      const { pubkey } = yield* Effect.fromResult(believed(who, found))
      const { slug } = membership
      if (pubkey === membership.pubkey) {
        return yield* new Failed({
          reason: peopleWords.thatIsYouYourOwnNameIs(slug),
          code: "yourself",
          hint: peopleWords.toBeCalledOtherwiseAskFor(
            command,
            slug,
            command,
            shellWord(Option.getOrElse(name, () => "New-Name")),
          ),
        })
      }
      if (Option.isSome(name)) {
        const taken = (yield* client.directory).members.find(
          (one) => one.pubkey !== pubkey && looksTheSame(one.displayName, name.value),
        )
        if (taken !== undefined) {
          return yield* new Failed({
            reason: peopleWords.isCalledSoAlreadyOrLooksSo(nameAmongWords(taken.displayName), shortKey(taken.pubkey)),
            code: "name_taken",
            hint: peopleWords.chooseAnotherName,
          })
        }
      }
      const own = client.ownNameOf(pubkey)
      // Their own name is no other one: to be called so is to be called as before.
      const other = Option.filter(name, (chosen) => chosen !== own)
      yield* client.rename(pubkey, Option.getOrUndefined(other))
      const displayName = client.nameOf(pubkey)
      if (json) return yield* printJson({ mesh: slug, publicKey: pubkey, name: displayName, ownName: own })
      const key = `(${shortKey(pubkey)})`
      yield* Console.log(
        Option.isNone(other)
          ? peopleWords.isCalledByTheirOwnNameAgain(bold(nameAmongWords(own ?? "")), key)
          : peopleWords.isFromNowOnOnThisMachine(
              nameAmongWords(own ?? ""),
              key,
              bold(nameAmongWords(displayName ?? "")),
              command,
              pubkey,
            ),
      )
    },
    Effect.scoped,
    Effect.provide(clientLayer),
    Effect.mapError(failed),
  ),
).pipe(
  Command.withDescription(does.callAMemberOtherwiseOnThisMachine),
  Command.withExamples([
    { command: `claudemesh rename 3fa9c1d2 "Bob from sales"`, description: peopleWords.theOneWithThisKey },
    { command: `claudemesh rename "Bob from sales" --undo`, description: peopleWords.byTheirOwnNameAgain },
  ]),
)
