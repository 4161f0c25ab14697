/**
 * The input of a call as it was meant. Models write `null` or an empty text for what they leave out, and a number between
 * quotation marks; that is understood. An argument that the tool does not have is refused by its name, because a model
 * that is not told believes that it was obeyed.
 */
import { Result, Schema } from "effect"
import * as agentWords from "../words/agent.ts"

const Properties = Schema.Struct({
  properties: Schema.optionalKey(
    Schema.Record(Schema.String, Schema.Struct({ type: Schema.optionalKey(Schema.Unknown) })),
  ),
  required: Schema.optionalKey(Schema.Array(Schema.String)),
})
const asProperties = Schema.decodeUnknownOption(Properties)
const isRecord = Schema.is(Schema.Record(Schema.String, Schema.Unknown))

const isLeftOut = (value: unknown): boolean =>
  value === null || value === undefined || (typeof value === "string" && value.trim() === "")

const digits = /^\s*[+-]?\d{1,15}\s*$/

/** What is wrong, for whoever called. */
interface NotMeant {
  readonly message: string
}

export const meant = (name: string, input: unknown, schema: unknown): Result.Result<unknown, NotMeant> => {
  if (input === null || input === undefined) return Result.succeed({})
  const known = asProperties(schema)
  if (!isRecord(input) || known._tag === "None") return Result.succeed(input)
  const { properties = {}, required = [] } = known.value
  const unknown = Object.keys(input).filter((key) => !Object.hasOwn(properties, key))
  if (unknown.length > 0) {
    const names = Object.keys(properties)
    const there = names.length === 0 ? `${name} takes none` : `there are: ${names.join(", ")}`
    const which = unknown.map((key) => JSON.stringify(key.slice(0, 64))).join(", ")
    return Result.fail({ message: agentWords.nothingWasDoneThereIsNoArgument(which, there) })
  }
  return Result.succeed(
    Object.fromEntries(
      Object.entries(input).flatMap(([key, value]) => {
        if (!required.includes(key) && isLeftOut(value)) return []
        const isNumber = properties[key]?.type === "integer" || properties[key]?.type === "number"
        return [[key, isNumber && typeof value === "string" && digits.test(value) ? Number(value) : value]]
      }),
    ),
  )
}
