/** A command that could not do what it was asked: one line for a person, and exit code 1. */
import { CloseCode } from "@claudemesh/domain/wire/CloseCode"
import { PlatformError, Schema } from "effect"
import { command } from "./Launch.ts"

export class Failed extends Schema.TaggedError<Failed>()("Failed", { reason: Schema.String }) {
  override get message() {
    return this.reason
  }
}

/** What was asked for makes no sense, whatever the state of the world: one line, and exit code 2. */
export class Misused extends Failed {}

/** What a person can do about an error, where its own words do not say so. */
const remedies: Readonly<Record<string, string>> = {
  NotConnected: `is the broker running? Start one here with: ${command} broker`,
  BrokerUnreachable: `is the broker running? Start one here with: ${command} broker`,
}

/** The same by the code that a broker refused with. */
const remediesByCode: Readonly<Record<string, string>> = {
  bad_signature: "the key is not this member's, or the broker does not list the dialled URL in its BROKER_PUBLIC_URL",
  unauthorized: "is this the right broker, and its admin token right? Give it with --admin-token",
  closed: "give the broker's admin token with --admin-token, once its operator has set one",
}

const codeOf = (error: object): string => {
  if ("code" in error && typeof error.code === "string") return error.code
  return "error" in error && typeof error.error === "string" ? error.error : ""
}

const wasPutOut = (error: { readonly _tag: string }): boolean =>
  error._tag === "ClientStopped" && "code" in error && error.code === CloseCode.revoked.code

/** This machine cannot do its part, and the error says what to do about it: no broker could help. */
const isOwnFault = (error: { readonly _tag: string }): boolean =>
  error._tag === "NotConnected" && codeOf(error) === "unusable"

export const remedyOf = (error: { readonly _tag: string }): string | undefined => {
  if (isOwnFault(error)) return undefined
  return wasPutOut(error)
    ? `your key was revoked there. Forget the mesh here with: ${command} leave <mesh>; to come back you need a new invite`
    : (remediesByCode[codeOf(error)] ?? remedies[error._tag])
}

/** What the system says about a file, in words. */
const fileProblems: Readonly<Record<string, string>> = {
  NotFound: "there is no such file or folder",
  PermissionDenied: "permission denied",
  BadResource: "it is not a regular file",
  AlreadyExists: "it is there already",
}

const wordsOf = (error: { readonly message: string }): string => {
  if (!(error instanceof PlatformError.PlatformError) || error.reason._tag === "BadArgument") return error.message
  const { _tag, pathOrDescriptor } = error.reason
  const problem = fileProblems[_tag]
  return problem === undefined || pathOrDescriptor === undefined ? error.message : `${pathOrDescriptor}: ${problem}`
}

export const failed = (error: { readonly _tag: string; readonly message: string }): Failed => {
  if (error instanceof Failed) return error
  const remedy = remedyOf(error)
  return new Failed({ reason: remedy === undefined ? wordsOf(error) : `${wordsOf(error)}; ${remedy}` })
}
