/**
 * What an agent writes behind "to", as a target. Names are for people and may be shared; keys are who it is. A
 * name that fits nobody, or more than one, is answered with who there is, and never guessed. Only members who are
 * proved are found: their names are those of their certificates, their sessions' names those of their signed profiles.
 */
import { DisplayName, PublicKey, SessionId } from "@claudemesh/domain/Ids"
import { parseTarget, Target } from "@claudemesh/domain/routing/Target"
import type { Peer } from "@claudemesh/domain/wire/BrokerFrame"
import { Option, Result, Schema } from "effect"
import { type MemberStanding, whyNot } from "../trust/MemberStanding.ts"
import type { MemberView } from "./Roster.ts"

export interface Directory {
  /** Also those who are not proved, so that it can be said why they are not found. */
  readonly members: ReadonlyArray<MemberView>
  readonly peers: ReadonlyArray<Pick<Peer, "pubkey" | "sessionId">>
  /** From its proved profile. */
  readonly sessionName: (peer: Pick<Peer, "pubkey" | "sessionId">) => DisplayName | undefined
  /** Of anybody ever proved, whom the broker shows or does not. */
  readonly isMemberName: (name: DisplayName) => boolean
}

export const Candidate = Schema.Struct({
  name: DisplayName,
  key: PublicKey,
  sessions: Schema.Array(SessionId),
})
export type Candidate = typeof Candidate.Type

const listed = (candidates: ReadonlyArray<Candidate>): string =>
  candidates.map(({ key, name }) => `${name} (${key.slice(0, 8)})`).join(", ")

/** What begins as a group and is none was meant as one, most likely. */
const groupHint = (to: string): string =>
  to.startsWith("#") || to.startsWith("tag:")
    ? "; a group is '#channel' or tag:label, in lower-case letters, digits, . _ or -"
    : ""

export class UnknownTarget extends Schema.TaggedError<UnknownTarget>()("UnknownTarget", {
  target: Schema.String,
  candidates: Schema.Array(Candidate),
}) {
  override get message() {
    return `nobody here is ${JSON.stringify(this.target)}; there are: ${listed(this.candidates)}${groupHint(this.target)}`
  }
}

export class AmbiguousTarget extends Schema.TaggedError<AmbiguousTarget>()("AmbiguousTarget", {
  target: Schema.String,
  candidates: Schema.Array(Candidate),
}) {
  override get message() {
    return `${JSON.stringify(this.target)} may be any of: ${listed(this.candidates)}; write the key`
  }
}

/** It fits a member who is not proved to be one, or is one no more: nothing is sealed to it. */
export class UntrustedTarget extends Schema.TaggedError<UntrustedTarget>()("UntrustedTarget", {
  target: Schema.String,
  key: PublicKey,
  displayName: DisplayName,
  standing: Schema.Literals(["Revoked", "Unverified", "KeyChanged"]),
  why: Schema.String,
  candidates: Schema.Array(Candidate),
}) {
  override get message() {
    return `nothing is sent to ${JSON.stringify(this.target)}, ${this.displayName} (${this.key.slice(0, 8)}): ${this.why}`
  }
}

export type ResolveError = UnknownTarget | AmbiguousTarget | UntrustedTarget

export const resolveTarget = (to: string, directory: Directory): Result.Result<Target, ResolveError> => {
  const spec = parseTarget(to)
  if (Option.isSome(spec)) return knownTarget(to, spec.value, directory)
  const whole = resolveMember(to, directory)
  if (whole === undefined) return sessionOf(to, directory) ?? sessionNamed(to, directory) ?? byPrefix(to, directory)
  return Result.map(whole, ({ pubkey }) => Target.make({ _tag: "Member", key: pubkey }))
}

const knownTarget = (to: string, target: Target, directory: Directory): Result.Result<Target, ResolveError> => {
  if (target._tag !== "Member" && target._tag !== "Session") return Result.succeed(target)
  const member = directory.members.find(({ pubkey }) => pubkey === target.key)
  if (member === undefined) return Result.fail(unknown(to, directory))
  return Result.map(believed(to, member), () => target)
}

export const untrusted = (
  to: string,
  { displayName, pubkey }: Pick<MemberView, "displayName" | "pubkey">,
  standing: Exclude<MemberStanding, { readonly _tag: "Verified" }>,
): UntrustedTarget =>
  new UntrustedTarget({
    target: to,
    key: pubkey,
    displayName,
    standing: standing._tag,
    why: whyNot(standing),
    candidates: [],
  })

const believed = (to: string, member: MemberView): Result.Result<MemberView, UntrustedTarget> =>
  member.standing._tag === "Verified" ? Result.succeed(member) : Result.fail(untrusted(to, member, member.standing))

const isVerified = ({ standing }: MemberView): boolean => standing._tag === "Verified"

/** Of those that fit, those who are proved: an invented one makes no name ambiguous. */
const only = (
  to: string,
  found: ReadonlyArray<MemberView>,
  directory: Directory,
): Result.Result<MemberView, AmbiguousTarget | UntrustedTarget> | undefined => {
  const proved = found.filter(isVerified)
  const [first, ...others] = proved.length > 0 ? proved : found.slice(0, 1)
  if (first === undefined) return undefined
  return others.length === 0
    ? believed(to, first)
    : Result.fail(new AmbiguousTarget({ target: to, candidates: proved.map(candidate(directory)) }))
}

/** By display name, as written, else in any case. Undefined when nobody has it. */
const resolveMember = (to: string, directory: Directory) => {
  const inAnyCase = directory.members.filter(({ displayName }) => sameName(to, displayName))
  const exact = inAnyCase.filter(({ displayName }) => displayName === to)
  return only(to, exact.some(isVerified) ? exact : inAnyCase, directory)
}

/** `<name, key or its beginning>/<session>`. A session id has no slash, a name may. */
const sessionOf = (to: string, directory: Directory): Result.Result<Target, ResolveError> | undefined => {
  const slash = to.lastIndexOf("/")
  const session = to.slice(slash + 1)
  if (slash === -1 || !isSessionId(session)) return undefined
  const who = to.slice(0, slash)
  const member = resolveMember(who, directory) ?? memberByPrefix(who, directory)
  if (member === undefined) return undefined
  return Result.map(member, ({ pubkey }) => Target.make({ _tag: "Session", key: pubkey, session }))
}

/** A session may have a name of its own, but no member's: not even of one whom the broker does not show. */
const sessionNamed = (to: string, directory: Directory): Result.Result<Target, ResolveError> | undefined => {
  const verified = new Set(directory.members.filter(isVerified).map(({ pubkey }) => pubkey))
  const named = directory.peers.flatMap((peer) => {
    const name = verified.has(peer.pubkey) ? directory.sessionName(peer) : undefined
    return name === undefined || !sameName(to, name) || directory.isMemberName(name) ? [] : [{ ...peer, name }]
  })
  const exact = named.filter(({ name }) => name === to)
  const found = exact.length > 0 ? exact : named
  const [first, ...others] = found
  if (first === undefined) return undefined
  if (others.length === 0) {
    return Result.succeed(Target.make({ _tag: "Session", key: first.pubkey, session: first.sessionId }))
  }
  const candidates = found.map(({ name, pubkey, sessionId }) => ({ name, key: pubkey, sessions: [sessionId] }))
  return Result.fail(new AmbiguousTarget({ target: to, candidates }))
}

const byPrefix = (to: string, directory: Directory): Result.Result<Target, ResolveError> => {
  const member = memberByPrefix(to, directory)
  if (member === undefined) return Result.fail(unknown(to, directory))
  return Result.map(member, ({ pubkey }) => Target.make({ _tag: "Member", key: pubkey }))
}

const memberByPrefix = (to: string, directory: Directory) => {
  if (!/^[0-9a-f]{8,64}$/.test(to)) return undefined
  return only(
    to,
    directory.members.filter(({ pubkey }) => pubkey.startsWith(to)),
    directory,
  )
}

const isSessionId = Schema.is(SessionId)

const sameName = (to: string, name: string): boolean => name.toLowerCase() === to.toLowerCase()

const candidate =
  (directory: Directory) =>
  ({ displayName, pubkey }: MemberView): Candidate => ({
    name: displayName,
    key: pubkey,
    sessions: directory.peers.filter((peer) => peer.pubkey === pubkey).map(({ sessionId }) => sessionId),
  })

export const unknown = (to: string, directory: Directory) =>
  new UnknownTarget({ target: to, candidates: directory.members.filter(isVerified).map(candidate(directory)) })
