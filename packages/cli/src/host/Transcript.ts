/**
 * What Claude Code's transcript of a session says of it: whether a turn is under way. It is a file of JSON lines that the host appends to,
 * in a form that it promises to nobody; so only the last lines are read, and what is not understood says nothing. Pure: nothing of the
 * content goes anywhere but into one of three words.
 */
import { Option, Schema } from "effect"

/** `unknown`: nothing in these lines says it. */
export type Activity = "working" | "idle" | "unknown"

/** The end of a file, or all of it. What is cut off at either end is passed over. */
export const activityOf = (tail: string): Activity => {
  const lines = tail.split("\n")
  for (let index = lines.length - 1; index >= 0; index--) {
    const said = activityIn(lines[index] ?? "")
    if (said !== "unknown") return said
  }
  return "unknown"
}

const Content = Schema.Union([
  Schema.String,
  Schema.Array(Schema.Struct({ type: Schema.String, text: Schema.optionalKey(Schema.String) })),
])

const Entry = Schema.fromJsonString(
  Schema.Struct({
    type: Schema.String,
    subtype: Schema.optionalKey(Schema.String),
    /** Of a subagent: its turns are not the session's. */
    isSidechain: Schema.optionalKey(Schema.Boolean),
    /** Written by the host, and not by who types. */
    isMeta: Schema.optionalKey(Schema.Boolean),
    message: Schema.optionalKey(
      Schema.Struct({
        content: Schema.optionalKey(Content),
        stop_reason: Schema.optionalKey(Schema.NullOr(Schema.String)),
      }),
    ),
  }),
)
type Entry = typeof Entry.Type
const decode = Schema.decodeUnknownOption(Entry)

const activityIn = (line: string): Activity => {
  // Most lines are of other kinds, and may be long.
  if (!line.startsWith("{") || !line.includes('"type"')) return "unknown"
  const entry = Option.getOrUndefined(decode(line))
  if (entry === undefined || entry.isSidechain === true) return "unknown"
  switch (entry.type) {
    case "assistant":
      return afterAnswer(entry)
    case "user":
      return entry.isMeta === true ? "unknown" : afterInput(entry)
    case "system":
      return bySubtype[entry.subtype ?? ""] ?? "unknown"
    default:
      return "unknown"
  }
}

const bySubtype: Readonly<Record<string, Activity>> = {
  turn_duration: "idle",
  stop_hook_summary: "idle",
  local_command: "idle",
  // It is tried again.
  api_error: "working",
}

/** A part of an answer has no reason yet, and one that calls a tool or pauses goes on. */
const goesOn: ReadonlySet<string> = new Set(["tool_use", "pause_turn"])

const afterAnswer = ({ message }: Entry): Activity => {
  const reason = message?.stop_reason ?? undefined
  return reason === undefined || goesOn.has(reason) ? "working" : "idle"
}

/** What a person stopped, and what a command of the host's own has printed, is followed by nothing. */
const ends = /^(\[Request interrupted by user|<local-command-std(out|err)>)/

const afterInput = ({ message }: Entry): Activity => {
  const content = message?.content
  if (content === undefined) return "unknown"
  const texts = typeof content === "string" ? [content] : content.map(({ text }) => text ?? "")
  return texts.some((text) => ends.test(text)) ? "idle" : "working"
}
