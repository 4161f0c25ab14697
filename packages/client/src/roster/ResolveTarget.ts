/**
 * What an agent writes behind "to", as a target. Names are for people and may be shared; keys are who it is. A
 * name that fits nobody, or more than one, is answered with who there is, and never guessed.
 */
import { DisplayName, PublicKey, SessionId } from "@claudemesh/domain/Ids"
import { parseTarget, Target } from "@claudemesh/domain/routing/Target"
import type { Member } from "@claudemesh/domain/wire/BrokerFrame"
import { Option, Result, Schema } from "effect"
import type { Roster } from "./Roster.ts"

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

export type ResolveError = UnknownTarget | AmbiguousTarget

export const resolveTarget = (to: string, roster: Roster): Result.Result<Target, ResolveError> => {
  const spec = parseTarget(to)
  if (Option.isSome(spec)) return knownTarget(to, spec.value, roster)
  const whole = resolveMember(to, roster)
  if (whole === undefined) return sessionOf(to, roster) ?? sessionNamed(to, roster) ?? byPrefix(to, roster)
  return Result.map(whole, ({ pubkey }) => Target.make({ _tag: "Member", key: pubkey }))
}

const knownTarget = (to: string, target: Target, roster: Roster): Result.Result<Target, ResolveError> => {
  if (target._tag !== "Member" && target._tag !== "Session") return Result.succeed(target)
  return roster.members.some(({ pubkey }) => pubkey === target.key)
    ? Result.succeed(target)
    : Result.fail(unknown(to, roster))
}

/** By display name, as written, else in any case. Undefined when nobody has it. */
const resolveMember = (to: string, roster: Roster): Result.Result<Member, ResolveError> | undefined => {
  const exact = roster.members.filter(({ displayName }) => displayName === to)
  return only(to, exact.length > 0 ? exact : roster.members.filter(sameName(to)), roster)
}

/** `<name, key or its beginning>/<session>`. A session id has no slash, a name may. */
const sessionOf = (to: string, roster: Roster): Result.Result<Target, ResolveError> | undefined => {
  const slash = to.lastIndexOf("/")
  const session = to.slice(slash + 1)
  if (slash === -1 || !isSessionId(session)) return undefined
  const who = to.slice(0, slash)
  const member = resolveMember(who, roster) ?? memberByPrefix(who, roster)
  if (member === undefined) return undefined
  return Result.map(member, ({ pubkey }) => Target.make({ _tag: "Session", key: pubkey, session }))
}

/** A session may have a name of its own. */
const sessionNamed = (to: string, roster: Roster): Result.Result<Target, ResolveError> | undefined => {
  const exact = roster.peers.filter(({ displayName }) => displayName === to)
  const found = exact.length > 0 ? exact : roster.peers.filter(sameName(to))
  const [first, ...others] = found
  if (first === undefined) return undefined
  if (others.length === 0) {
    return Result.succeed(Target.make({ _tag: "Session", key: first.pubkey, session: first.sessionId }))
  }
  const candidates = found.map(({ displayName, pubkey, sessionId }) => ({
    name: displayName,
    key: pubkey,
    sessions: [sessionId],
  }))
  return Result.fail(new AmbiguousTarget({ target: to, candidates }))
}

const byPrefix = (to: string, roster: Roster): Result.Result<Target, ResolveError> => {
  const member = memberByPrefix(to, roster)
  if (member === undefined) return Result.fail(unknown(to, roster))
  return Result.map(member, ({ pubkey }) => Target.make({ _tag: "Member", key: pubkey }))
}

const memberByPrefix = (to: string, roster: Roster): Result.Result<Member, ResolveError> | undefined => {
  if (!/^[0-9a-f]{8,64}$/.test(to)) return undefined
  const found = roster.members.filter(({ pubkey }) => pubkey.startsWith(to))
  return only(to, found, roster)
}

const only = (
  to: string,
  found: ReadonlyArray<Member>,
  roster: Roster,
): Result.Result<Member, AmbiguousTarget> | undefined => {
  const [first, ...others] = found
  if (first === undefined) return undefined
  return others.length === 0
    ? Result.succeed(first)
    : Result.fail(new AmbiguousTarget({ target: to, candidates: found.map(candidate(roster)) }))
}

const isSessionId = Schema.is(SessionId)

const sameName =
  (to: string) =>
  ({ displayName }: { readonly displayName: DisplayName }): boolean =>
    displayName.toLowerCase() === to.toLowerCase()

const candidate =
  (roster: Roster) =>
  ({ displayName, pubkey }: Member): Candidate => ({
    name: displayName,
    key: pubkey,
    sessions: roster.peers.filter((peer) => peer.pubkey === pubkey).map(({ sessionId }) => sessionId),
  })

const unknown = (to: string, roster: Roster) =>
  new UnknownTarget({ target: to, candidates: roster.members.map(candidate(roster)) })
