/** What an agent writes behind "to", as a target: a group, a member (`ResolveMember.ts`), or one of a member's sessions. */
import { SessionId } from "@claudemesh/domain/Ids"
import { parseTarget, Target } from "@claudemesh/domain/routing/Target"
import { Option, Result, Schema } from "effect"
import { isSameName, looksLikeKey, shortestBeginning } from "./FindNamed.ts"
import { AmbiguousTarget, type Directory, type ResolveError, resolveCertified, unknown } from "./ResolveMember.ts"
import type { CertifiedView } from "./Roster.ts"

export const resolveTarget = (to: string, directory: Directory): Result.Result<Target, ResolveError> => {
  const spec = parseTarget(to)
  if (Option.isSome(spec)) return knownTarget(to, spec.value, directory)
  const member = resolveCertified(to, directory)
  if (Result.isSuccess(member)) return Result.map(member, ({ pubkey }) => Target.make({ _tag: "Member", key: pubkey }))
  if (member.failure._tag === "AmbiguousTarget") return Result.fail(member.failure)
  return sessionOf(to, directory) ?? sessionNamed(to, directory) ?? Result.fail(member.failure)
}

/** The whole key is there already. One that nobody has heard of is nobody's here. */
const knownTarget = (to: string, target: Target, directory: Directory): Result.Result<Target, ResolveError> => {
  if (target._tag !== "Member" && target._tag !== "Session") return Result.succeed(target)
  const isHeardOf = ({ pubkey }: { readonly pubkey: string }) => pubkey === target.key
  if (![...directory.members, ...directory.strangers].some(isHeardOf)) return Result.fail(unknown(to, directory))
  return Result.flatMap(resolveCertified(target.key, directory), (member) =>
    target._tag === "Session" ? sessionOfMember(to, member, target.session, directory) : Result.succeed(target),
  )
}

const isSessionId = Schema.is(SessionId)

/** `<name, key or its beginning>/<session or its beginning>`. */
const sessionOf = (to: string, directory: Directory): Result.Result<Target, ResolveError> | undefined => {
  const slash = to.lastIndexOf("/")
  const session = to.slice(slash + 1)
  if (slash === -1 || !isSessionId(session)) return undefined
  const member = resolveCertified(to.slice(0, slash), directory)
  if (Result.isFailure(member) && member.failure._tag === "UnknownTarget") return undefined
  return Result.flatMap(member, (found) => sessionOfMember(to, found, session, directory))
}

/** An id that no live session has, or begins with, is taken as it is: the broker knows those that are away. */
const sessionOfMember = (
  to: string,
  { displayName, pubkey }: CertifiedView,
  asked: SessionId,
  { peers }: Directory,
): Result.Result<Target, ResolveError> => {
  const ids = peers.filter((peer) => peer.pubkey === pubkey).map(({ sessionId }) => sessionId)
  const begin = ids.filter((id) => asked.length >= shortestBeginning && id.startsWith(asked))
  const [session = asked, ...others] = ids.includes(asked) ? [asked] : begin
  if (others.length === 0) return Result.succeed(Target.make({ _tag: "Session", key: pubkey, session }))
  return Result.fail(
    new AmbiguousTarget({ target: to, candidates: [{ name: displayName, key: pubkey, sessions: begin }] }),
  )
}

/**
 * A session may have a name of its own, but no member's: not even of one whom the broker does not show. Nor is it found
 * where a key's beginning is meant.
 */
const sessionNamed = (to: string, directory: Directory): Result.Result<Target, ResolveError> | undefined => {
  if (looksLikeKey(to)) return undefined
  const members = new Set(
    directory.members.filter(({ standing }) => standing._tag === "Certified").map(({ pubkey }) => pubkey),
  )
  const named = directory.peers.flatMap((peer) => {
    const name = members.has(peer.pubkey) ? directory.sessionName(peer) : undefined
    return name === undefined || !isSameName(to, name) || directory.isMemberName(name) ? [] : [{ ...peer, name }]
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
