/**
 * `rename`: what this machine calls a member, in the place of the name that they chose: two of one name are told apart by it. Nobody
 * else learns of it, and nothing that is signed changes. One's own name is in one's certificate.
 */
import { believed } from "@claudemesh/client/roster/ResolveMember"
import { MemberName } from "@claudemesh/domain/trust/MemberName"
import { looksTheSame } from "@claudemesh/domain/trust/NameSkeleton"
import { Console, Effect, Option } from "effect"
import { Argument, Command, Flag } from "effect/unstable/cli"
import { Failed, failed, Misused } from "../Failed.ts"
import { command, quoted as shellWord } from "../Launch.ts"
import { memberName } from "../mcp/WrapUntrusted.ts"
import { clientLayer, connectedToWhose } from "../Meshes.ts"
import { bold, printJson, shortKey } from "../Output.ts"
import * as Flags from "./Flags.ts"

export const rename = Command.make(
  "rename",
  {
    who: Flags.who,
    name: Argument.String("name").pipe(
      Argument.withDescription("What you call them from now on, on this machine"),
      Argument.withSchema(MemberName),
      Argument.optional,
    ),
    undo: Flag.Boolean("undo").pipe(Flag.withDescription("Call them by their own name again"), Flag.withDefault(false)),
    mesh: Flags.mesh,
    json: Flags.json,
  },
  Effect.fn(
    function* ({ json, mesh, name, undo, who: typed }) {
      if (Option.isSome(name) === undo) {
        return yield* new Misused({ reason: "Give the new name, or --undo to call them by their own name again." })
      }
      const { client, membership, who } = yield* connectedToWhose(typed, mesh)
      const found = yield* client.resolve(who)
      const { pubkey } = yield* Effect.fromResult(believed(who, found))
      const { slug } = membership
      if (pubkey === membership.pubkey) {
        return yield* new Failed({
          reason: `That is you. Your own name is in your certificate, which was signed when you joined ${slug}. To be called otherwise ask for a new invite, then: ${command} leave ${slug}; ${command} join '<link>' --as ${shellWord(Option.getOrElse(name, () => "New-Name"))}`,
        })
      }
      if (Option.isSome(name)) {
        const taken = (yield* client.roster).find(
          (one) => one.pubkey !== pubkey && one.displayName !== undefined && looksTheSame(one.displayName, name.value),
        )
        if (taken?.displayName !== undefined) {
          return yield* new Failed({
            reason: `${memberName(taken.displayName)} (${shortKey(taken.pubkey)}) is called so already, or looks so. Choose another name.`,
          })
        }
      }
      const own = client.ownNameOf(pubkey)
      // Their own name is no other one: to be called so is to be called as before.
      const other = Option.filter(name, (chosen) => chosen !== own)
      yield* client.rename(pubkey, Option.getOrUndefined(other))
      const displayName = client.nameOf(pubkey)
      if (json) return yield* printJson({ mesh: slug, publicKey: pubkey, displayName, ownName: own })
      const key = `(${shortKey(pubkey)})`
      yield* Console.log(
        Option.isNone(other)
          ? `${bold(memberName(own ?? ""))} ${key} is called by their own name again on this machine.`
          : `${memberName(own ?? "")} ${key} is ${bold(memberName(displayName ?? ""))} from now on, on this machine. They are not told. To undo it: ${command} rename ${pubkey} --undo`,
      )
    },
    Effect.scoped,
    Effect.provide(clientLayer),
    Effect.mapError(failed),
  ),
).pipe(
  Command.withDescription("Call a member otherwise on this machine, such as one of two with one name"),
  Command.withExamples([
    { command: `claudemesh rename 3fa9c1d2 "Bob from sales"`, description: "The one with this key" },
    { command: `claudemesh rename "Bob from sales" --undo`, description: "By their own name again" },
  ]),
)
