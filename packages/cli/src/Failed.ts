/** A command that could not do what it was asked: one line for a person, and exit code 1. */
import type { Unreached } from "@claudemesh/client/connection/Unreached"
import { isLoopbackName } from "@claudemesh/client/keys/BrokerUrl"
import { platformWords } from "@claudemesh/domain/SystemWords"
import { CloseCode } from "@claudemesh/domain/wire/CloseCode"
import { PlatformError, Schema } from "effect"
import { command } from "./Launch.ts"

export class Failed extends Schema.TaggedError<Failed>()("Failed", {
  /** All of it, as a person reads it. */
  reason: Schema.String,
  /** Which failure it is, for scripts. */
  code: Schema.optionalKey(Schema.String),
  /** What to do about it: the end of the reason. */
  hint: Schema.optionalKey(Schema.String),
}) {
  override get message() {
    return this.reason
  }
  /** The reason without the hint. */
  get words(): string {
    const { hint, reason } = this
    return hint !== undefined && reason.endsWith(hint) ? reason.slice(0, -hint.length).trimEnd() : reason
  }
}

/** What was asked for makes no sense, whatever the state of the world: three lines, and exit code 2. */
export class Misused extends Failed {}

/** What a person can do about an error, by the code that a broker refused with, where its own words do not say so. */
const hintsByCode: Readonly<Record<string, string>> = {
  bad_signature:
    "The key is not this member's, or the broker does not list the dialled URL in its BROKER_PUBLIC_URL. Ask its operator.",
  unauthorized: "Is this the right broker, and its admin token right? Give it with --admin-token",
  closed: "Give the broker's admin token with --admin-token, once its operator has set one.",
  unsupported: "Ask the broker's operator which version it has, or install a newer claudemesh.",
  capacity: "Try again later, or tell the broker's operator.",
}

/** Of a hello; a broker's admin token is another matter. */
const unknownMember =
  "Is this the broker that the mesh was made on? If it is, it has lost or never had your key: ask the mesh's owner for a new invite."

/** Where nothing else is said it listens on this port. */
const usualPort = "7900"

/** One that would be reached where it was dialled. */
const startOne = (url: string): string => {
  const { port } = new URL(url)
  const setting = port === usualPort ? "" : `BROKER_PORT=${port === "" ? "80" : port} `
  return `Is the broker running? Start one here with: ${setting}${command} broker`
}

/** And by why no connection came to be. A broker is to be started here only if it would be reached where it was dialled. */
const hintsByCause: Readonly<Record<Unreached["cause"], string>> = {
  refused: "Are host and port right, and is the broker running there? Ask its operator.",
  unknown_host: "Look for a slip in the address.",
  no_dns: "Is this machine connected to a network?",
  no_route: "Is this machine connected to that network, or to its VPN?",
  timed_out: "Try again. To wait longer: --timeout 2m",
  cut: "Try again. If it stays like this, ask the broker's operator.",
  tls: "Nothing was sent. Tell the broker's operator.",
  not_up_yet: "Try again in a moment. To wait for it: --timeout 2m",
  http_status: "Is this the address of the broker? Ask its operator.",
  no_broker: "Is this the address of the broker? Ask its operator.",
  proxy: "Look at HTTPS_PROXY, HTTP_PROXY and NO_PROXY. Brokers of this machine are never dialled through a proxy.",
  redirect: "Dial the broker's own address. Ask its operator.",
  unknown: "Try again. If it stays like this, run: " + `${command} doctor`,
}

const isHere = (url: string): boolean => URL.canParse(url) && isLoopbackName(new URL(url).hostname)

/** Why no connection came to be, where that is what went wrong. */
export const unreachedOf = (error: object): Unreached | undefined =>
  "unreached" in error && isUnreached(error.unreached) ? error.unreached : undefined

const isUnreached = (value: unknown): value is Unreached =>
  typeof value === "object" && value !== null && "cause" in value && "url" in value

const refusalOf = (error: object): string => {
  if ("code" in error && typeof error.code === "string") return error.code
  return "error" in error && typeof error.error === "string" ? error.error : ""
}

const wasRevoked = (error: { readonly _tag: string }): boolean =>
  error._tag === "ClientStopped" && "code" in error && error.code === CloseCode.revoked.code

export const remedyOf = (error: { readonly _tag: string }): string | undefined => {
  if (wasRevoked(error)) {
    return `Your key was revoked there. Forget the mesh here with: ${command} leave <mesh>; to come back you need a new invite.`
  }
  const unreached = unreachedOf(error)
  if (unreached?.cause === "refused" && isHere(unreached.url)) return startOne(unreached.url)
  if (error._tag === "NotConnected" && refusalOf(error) === "unauthorized") return unknownMember
  return unreached === undefined ? hintsByCode[refusalOf(error)] : hintsByCause[unreached.cause]
}

/** For scripts: one word for each cause, the same in all commands. */
export const codeOf = (error: { readonly _tag: string }): string => {
  if (wasRevoked(error)) return "revoked"
  const refusal = refusalOf(error)
  return unreachedOf(error)?.cause ?? (refusal === "" ? snakeCase(error._tag) : refusal)
}

const snakeCase = (tag: string): string => tag.replaceAll(/(?<=[a-z0-9])[A-Z]/g, (letter) => `_${letter}`).toLowerCase()

const wordsOf = (error: { readonly message: string }): string => {
  if (!(error instanceof PlatformError.PlatformError)) return error.message
  const { reason } = error
  const path = reason._tag === "BadArgument" ? undefined : reason.pathOrDescriptor
  return `${path ?? "a file"}: ${platformWords(error)}`
}

/** What happened, and behind it what to do. */
export const failed = (error: { readonly _tag: string; readonly message: string }): Failed => {
  if (error instanceof Failed) return error
  const [words, hint, code] = [wordsOf(error), remedyOf(error), codeOf(error)]
  return hint === undefined
    ? new Failed({ reason: words, code })
    : new Failed({ reason: `${words.replace(/[.;]$/, "")}. ${hint}`, code, hint })
}

/** Of several meshes at once. One alone keeps its code and what to do about it. */
export const together = (failures: ReadonlyArray<{ readonly mesh: string; readonly failure: Failed }>): Failed => {
  const reason = failures.map(({ failure, mesh }) => `${mesh}: ${failure.reason}`).join("; ")
  const [first, ...more] = failures.map(({ failure }) => failure)
  const code = more.every((one) => one.code === first?.code) ? first?.code : undefined
  const hint = more.length === 0 ? first?.hint : undefined
  return new Failed({ reason, ...(code !== undefined && { code }), ...(hint !== undefined && { hint }) })
}
