/** Flags that several commands share, said once. */
import { MemberName, spelledName } from "@claudemesh/domain/trust/MemberName"
import { Argument, Flag } from "effect/unstable/cli"
import { Config, Schema } from "effect"
import { wrongName } from "./WrongName.ts"
import * as flagWords from "../words/flags.ts"

export const json = Flag.Boolean("json").pipe(Flag.withDescription("Print JSON"), Flag.withDefault(false))

export const yes = Flag.Boolean("yes").pipe(
  Flag.withAlias("y"),
  Flag.withDescription(flagWords.doItWithoutAsking),
  Flag.withDefault(false),
)

export const watch = Flag.Boolean("watch").pipe(
  Flag.withAlias("w"),
  Flag.withDescription(flagWords.stayATableInPlaceOnA),
  Flag.withDefault(false),
)

export const mesh = Flag.String("mesh").pipe(
  Flag.withAlias("m"),
  Flag.withDescription(flagWords.onlyThisMeshByItsSlug),
  Flag.optional,
)

/** A member, as `BrokerClient.resolve` finds it. */
export const who = Argument.String("who").pipe(Argument.withDescription(flagWords.aMembersNameAsItIsCertified))

const decodeName = Schema.decodeOption(MemberName)

export const memberNameIn = (typed: string) => decodeName(spelledName(typed))

export const as = Flag.String("as").pipe(
  Flag.withDescription(flagWords.yourNameInTheMeshDefaultWhat),
  Flag.filterMap(memberNameIn, wrongName),
  Flag.optional,
)

export const defaultBroker = "ws://127.0.0.1:7900/ws"

export const broker = Flag.String("broker").pipe(
  Flag.withDescription(flagWords.urlOfTheBrokerDefaultOrClaudemesh(defaultBroker)),
  Flag.withFallbackConfig(Config.String("CLAUDEMESH_BROKER")),
  Flag.withDefault(defaultBroker),
)
