/** What is wrong with the input of a call, in words for who called: which argument, and what it has to be. */
import { Schema, SchemaIssue } from "effect"

const issuesOf = SchemaIssue.makeFormatterStandardSchemaV1()

/** An error of a schema, or one of `Meant.ts`, which is in words already. */
export const wrongInput = (error: { readonly message: string }): string => {
  if (!Schema.isSchemaError(error)) return error.message
  const wrong = issuesOf(error.issue).issues.map(({ message, path = [] }) => wordsOf(path, message))
  return `Nothing was done: ${wrong.join("; ")}.`
}

type Issue = ReturnType<typeof issuesOf>["issues"][number]

const wordsOf = (path: NonNullable<Issue["path"]>, message: string): string => {
  const names = path.map((step) => String(typeof step === "object" ? step.key : step))
  const what = names.length === 0 ? "the input" : JSON.stringify(names.join("."))
  if (message === missing) return `${what} is missing`
  if (!message.startsWith(expected)) return `${what} does not fit (${message})`
  const wanted = message.slice(expected.length)
  return `${what} has to be ${plain[wanted] ?? listed(wanted)}`
}

const missing = "Missing key"
const expected = "Expected "

/** A kind of value, as its reader calls it. */
const plain: Readonly<Record<string, string>> = {
  string: "a text",
  number: "a number",
  "an integer": "a whole number",
  boolean: "true or false",
  array: "a list",
  object: "an object",
}

const listed = (wanted: string): string => {
  const all = wanted.split(" | ")
  return all.length === 1 ? wanted : `${all.slice(0, -1).join(", ")} or ${all.at(-1) ?? ""}`
}
