/** `set_status`: in every mesh, and which of them took it. */
import { Status } from "@claudemesh/domain/routing/Status"
import { Effect, Schema } from "effect"
import { dndSecondsMax } from "../Limits.ts"
import { eachMesh, failure, tool } from "../Tool.ts"
import * as toolWords from "../../words/tools.ts"

export const setStatus = tool({
  name: "set_status",
  title: toolWords.setYourStatusOnTheMesh,
  description: toolWords.sayWhetherPeopleOnTheMeshMay,
  readOnly: false,
  idempotent: true,
  input: Schema.Struct({
    status: Status,
    for: Schema.optionalKey(Schema.String.annotate({ description: toolWords.withDndHowLongAs30mOr })),
  }),
  run: ({ for: time, status }, { manager }) => {
    const seconds = time === undefined ? undefined : secondsOf(time)
    if (seconds !== undefined && status !== "dnd") return Effect.succeed(failure(toolWords.nothingWasSetForGoesWithDnd))
    if (seconds !== undefined && !(seconds >= 1 && seconds <= dndSecondsMax))
      return Effect.succeed(failure(toolWords.nothingWasSetForIsATime(dndSecondsMax / 86_400)))
    const options = seconds === undefined ? {} : { forSeconds: seconds }
    return Effect.map(manager.setStatusEverywhere(status, options), (outcomes) =>
      eachMesh(
        outcomes.map((outcome) => ({
          mesh: outcome.slug,
          problem: outcome._tag === "Failed" ? toolWords.itIsSetWhenTheConnectionIs(outcome.reason) : undefined,
        })),
        time === undefined ? status : `${status} for ${time.trim()}`,
      ),
    )
  },
})

const units: Readonly<Record<string, number>> = { s: 1, m: 60, min: 60, h: 3_600, d: 86_400 }

/** Not a number where it is no time. */
const secondsOf = (time: string): number => {
  const [, count, unit = ""] = /^\s*(\d{1,6})\s*([a-z]+)\s*$/i.exec(time) ?? []
  return Number(count) * (units[unit.toLowerCase()] ?? Number.NaN)
}
