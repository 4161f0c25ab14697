/** Flags that several commands share, said once. */
import { MemberName } from "@claudemesh/domain/trust/MemberName"
import { Argument, Flag } from "effect/unstable/cli"
import { Config, Schema } from "effect"
import { wrongName } from "./WrongName.ts"

export const json = Flag.Boolean("json").pipe(Flag.withDescription("Print JSON"), Flag.withDefault(false))

export const yes = Flag.Boolean("yes").pipe(
  Flag.withAlias("y"),
  Flag.withDescription("Do it without asking"),
  Flag.withDefault(false),
)

export const watch = Flag.Boolean("watch").pipe(
  Flag.withAlias("w"),
  Flag.withDescription("Stay: a table in place on a terminal, elsewhere a line for each change"),
  Flag.withDefault(false),
)

export const mesh = Flag.String("mesh").pipe(
  Flag.withAlias("m"),
  Flag.withDescription("Only this mesh, by its slug"),
  Flag.optional,
)

/** A member, as `BrokerClient.resolve` finds it. */
export const who = Argument.String("who").pipe(
  Argument.withDescription("A member's name as it is certified, or the key, or its first 8 characters or more"),
)

export const as = Flag.String("as").pipe(
  Flag.withDescription("Your name in the mesh (default: what git calls you, else it is asked for)"),
  // As some systems write letters with marks, and full-width letters: there is one spelling of a name.
  Flag.map((name) => name.normalize("NFKC").trim()),
  Flag.filterMap(Schema.decodeOption(MemberName), wrongName),
  Flag.optional,
)

export const defaultBroker = "ws://127.0.0.1:7900/ws"

export const broker = Flag.String("broker").pipe(
  Flag.withDescription(`URL of the broker (default ${defaultBroker}, or CLAUDEMESH_BROKER)`),
  Flag.withFallbackConfig(Config.String("CLAUDEMESH_BROKER")),
  Flag.withDefault(defaultBroker),
)
