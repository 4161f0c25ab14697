/** A command that could not do what it was asked: one line for a person, and exit code 1. */
import type { Unreached } from "@claudemesh/client/connection/Unreached"
import { isLoopbackName } from "@claudemesh/client/keys/BrokerUrl"
import { withHint } from "@claudemesh/domain/WithHint"
import { platformWords } from "@claudemesh/domain/SystemWords"
import { CloseCode } from "@claudemesh/domain/wire/CloseCode"
import { PlatformError, Schema } from "effect"
import { command } from "./Launch.ts"
import * as failureWords from "./words/failures.ts"

export class Failed extends Schema.TaggedError<Failed>()("Failed", {
  /** What happened. */
  reason: Schema.String,
  /** Which failure it is, for scripts. */
  code: Schema.optionalKey(Schema.String),
  /** What to do about it. */
  hint: Schema.optionalKey(Schema.String),
}) {
  /** All of it, as a person reads it. */
  override get message() {
    return withHint({ what: this.reason, hint: this.hint })
  }
}

/** What was asked for makes no sense, whatever the state of the world: three lines, and exit code 2. */
export class Misused extends Failed {}

/** What a person can do about an error, by the code that a broker refused with, where its own words do not say so. */
const hintsByCode: Readonly<Record<string, string>> = {
  bad_signature: failureWords.theKeyIsNotThisMembersOr,
  unauthorized: failureWords.isThisTheRightBrokerAndIts,
  closed: failureWords.giveTheBrokersAdminTokenWithAdmin,
  unsupported: failureWords.askTheBrokersOperatorWhichVersionIt,
  capacity: failureWords.tryAgainLaterOrTellTheBrokers,
  unknown_target: failureWords.seeWhoIsThere(command),
}

/** Of a hello; a broker's admin token is another matter. */
const unknownMember = failureWords.isThisTheBrokerThatTheMesh

/** Where nothing else is said it listens on this port. */
const usualPort = "7900"

/** One that would be reached where it was dialled. */
const startOne = (url: string): string => {
  const { port } = new URL(url)
  const setting = port === usualPort ? "" : `BROKER_PORT=${port === "" ? "80" : port} `
  return failureWords.isTheBrokerRunningStartOneHere(setting, command)
}

/** And by why no connection came to be. A broker is to be started here only if it would be reached where it was dialled. */
const hintsByCause: Readonly<Record<Unreached["cause"], string>> = {
  refused: failureWords.areHostAndPortRightAndIs,
  unknown_host: failureWords.lookForASlipInTheAddress,
  no_dns: failureWords.isThisMachineConnectedToANetwork,
  no_route: failureWords.isThisMachineConnectedToThatNetwork,
  timed_out: failureWords.tryAgainToWaitLongerTimeout2m,
  cut: failureWords.tryAgainIfItStaysLikeThis,
  tls: failureWords.nothingWasSentTellTheBrokersOperator,
  not_up_yet: failureWords.tryAgainInAMomentToWait,
  http_status: failureWords.isThisTheAddressOfTheBroker,
  no_broker: failureWords.isThisTheAddressOfTheBroker,
  proxy: failureWords.lookAtHttpsProxyHttpProxyAnd,
  redirect: failureWords.dialTheBrokersOwnAddressAskIts,
  unknown: failureWords.tryAgainIfItStaysLikeThis2(command),
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
    return failureWords.yourKeyWasRevokedThereForgetThe(command)
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
  if (!(error instanceof PlatformError.PlatformError)) {
    return "what" in error && typeof error.what === "string" ? error.what : error.message
  }
  const { reason } = error
  const path = reason._tag === "BadArgument" ? undefined : reason.pathOrDescriptor
  return `${path ?? "a file"}: ${platformWords(error)}`
}

const hintOf = (error: object): string | undefined =>
  "hint" in error && typeof error.hint === "string" ? error.hint : undefined

/** What happened, and what to do. */
export const failed = (error: { readonly _tag: string; readonly message: string }): Failed => {
  if (error instanceof Failed) return error
  const hint = remedyOf(error) ?? hintOf(error)
  return new Failed({ reason: wordsOf(error), code: codeOf(error), ...(hint !== undefined && { hint }) })
}

/** The same failure with other words for what happened. */
export const instead = (failure: Failed, reason: string): Failed =>
  new Failed({
    reason,
    ...(failure.code !== undefined && { code: failure.code }),
    ...(failure.hint !== undefined && { hint: failure.hint }),
  })

/** Of several meshes at once. One alone keeps its code and what to do about it. */
export const together = (failures: ReadonlyArray<{ readonly mesh: string; readonly failure: Failed }>): Failed => {
  const [first, ...more] = failures
  if (first !== undefined && more.length === 0) return instead(first.failure, `${first.mesh}: ${first.failure.reason}`)
  const reason = failures.map(({ failure, mesh }) => `${mesh}: ${failure.message}`).join("; ")
  const code = more.every(({ failure }) => failure.code === first?.failure.code) ? first?.failure.code : undefined
  return new Failed({ reason, ...(code !== undefined && { code }) })
}
