/** `set_status`: in every mesh, and which of them took it. */
import { Status } from "@claudemesh/domain/routing/Status"
import { Effect, Schema } from "effect"
import { dndSecondsMax } from "../Limits.ts"
import { eachMesh, failure, tool } from "../Tool.ts"

export const setStatus = tool({
  name: "set_status",
  title: "Set your status on the mesh",
  description:
    "Say whether people on the mesh may disturb you. working: urgent messages only; ends by itself. dnd: none, unless " +
    "you look, until you end it, or for a time.",
  readOnly: false,
  idempotent: true,
  input: Schema.Struct({
    status: Status,
    for: Schema.optionalKey(Schema.String.annotate({ description: "With dnd: how long, as 30m or 2h." })),
  }),
  run: ({ for: time, status }, { manager }) => {
    const seconds = time === undefined ? undefined : secondsOf(time)
    if (seconds !== undefined && status !== "dnd")
      return Effect.succeed(failure(`Nothing was set: "for" goes with dnd.`))
    if (seconds !== undefined && !(seconds >= 1 && seconds <= dndSecondsMax))
      return Effect.succeed(
        failure(`Nothing was set: "for" is a time such as 30m, 2h or 1d, at most ${dndSecondsMax / 86_400}d.`),
      )
    const options = seconds === undefined ? {} : { forSeconds: seconds }
    return Effect.map(manager.setStatusEverywhere(status, options), (outcomes) =>
      eachMesh(
        outcomes.map((outcome) => ({
          mesh: outcome.slug,
          problem: outcome._tag === "Failed" ? `${outcome.reason}; it is set when the connection is back` : undefined,
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
