/**
 * The log of a command, for the person at its terminal: a plain line each, and only what they have to know. The MCP server
 * and the broker are read by programs, and log for them.
 */
import { Layer, Logger, References } from "effect"
import { printable } from "../Output.ts"

const shown = (value: unknown): string => {
  if (typeof value !== "object" || value === null) return String(value)
  if (value instanceof Error) return value.message
  return Object.entries(value)
    .filter(([, part]) => part !== undefined)
    .map(([name, part]) => `${name}: ${shown(part)}`)
    .join(", ")
}

const plain = Logger.make(({ message }): string => {
  const [text, ...more] = Array.isArray(message) ? message : [message]
  const details = more.map(shown).filter((part) => part !== "")
  return printable(`claudemesh: ${shown(text)}${details.length === 0 ? "" : ` (${details.join("; ")})`}`)
})

const stderr = Logger.make((options) => void process.stderr.write(`${plain.log(options)}\n`))

export const forPeople = Layer.mergeAll(Logger.layer([stderr]), Layer.succeed(References.MinimumLogLevel, "Warn"))

export const forPrograms = Layer.mergeAll(
  Logger.layer([Logger.withConsoleError(Logger.formatLogFmt)]),
  Layer.succeed(References.LogToStderr, true),
)
