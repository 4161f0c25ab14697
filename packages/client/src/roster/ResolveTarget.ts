/** What an agent writes behind "to", as a target: a group, a member (`ResolveMember.ts`), or one of a member's sessions. */
import { SessionId } from "@claudemesh/domain/Ids"
import { parseTarget, Target } from "@claudemesh/domain/routing/Target"
import { Option, Result, Schema } from "effect"
import { bare, isSameName, keyDigits, looksLikeKey, shortestBeginning } from "./FindNamed.ts"
import {
  AmbiguousTarget,
  type Candidate,
  type Directory,
  type ResolveError,
  resolveCertified,
  unknown,
} from "./ResolveMember.ts"
import type { CertifiedView } from "./Roster.ts"

export const resolveTarget = (to: string, directory: Directory): Result.Result<Target, ResolveError> => {
  const spec = specOf(to)
  if (Option.isSome(spec)) return knownTarget(to, spec.value, directory)
  const member = resolveCertified(to, directory)
  if (Result.isSuccess(member)) return Result.map(member, ({ pubkey }) => Target.make({ _tag: "Member", key: pubkey }))
  if (member.failure._tag !== "UnknownTarget") return Result.fail(member.failure)
  const text = bare(to)
  return (
    sessionOf(text, directory) ??
    sessionNamed(to, directory) ??
    (text === to ? undefined : sessionNamed(text, directory)) ??
    sessionBegun(text, directory) ??
    Result.fail(member.failure)
  )
}

/** A group or a whole key, also between quotation marks. Labels are of small letters, so a capital is no other one. */
export const specOf = (to: string): Option.Option<Target> => {
  const text = bare(to)
  const spec = Option.orElse(parseTarget(to), () => parseTarget(text))
  if (Option.isSome(spec)) return spec
  return /^(?:#|tag:)/i.test(text) ? parseTarget(text.toLowerCase()) : parseTarget(keyDigits(text))
}

/** What names a group is for no member or mesh to be called. */
export const isGroup = (to: string): boolean =>
  Option.exists(specOf(to), ({ _tag }) => _tag !== "Member" && _tag !== "Session")

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
  const session = to.slice(slash + 1).replace(/(?:…|\.\.\.)$/, "")
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
 * A session's id alone, or the beginning of it as lists print it. It is looked for last. What reads as a key's beginning finds no
 * session, or a member could name one like the key of another whom the broker hides: it is said how the session is written.
 */
const sessionBegun = (to: string, directory: Directory): Result.Result<Target, ResolveError> | undefined => {
  const asked = to.replace(/(?:…|\.\.\.)$/, "")
  if (asked.length < shortestBeginning || !isSessionId(asked)) return undefined
  const certified = directory.members.filter(({ standing }) => standing._tag === "Certified")
  const found = directory.peers.flatMap((peer) => {
    const member = certified.find(({ pubkey }) => pubkey === peer.pubkey)
    return member === undefined || !peer.sessionId.startsWith(asked) ? [] : [{ ...peer, name: member.displayName }]
  })
  const [first] = found
  if (first !== undefined && looksLikeKey(asked)) {
    return Result.fail(unknown(to, directory, `${first.name}/${asked}`))
  }
  const whole = found.filter(({ sessionId }) => sessionId === asked)
  return theSession(to, whole.length > 0 ? whole : found)
}

interface SessionFound {
  readonly name: Candidate["name"]
  readonly pubkey: Candidate["key"]
  readonly sessionId: SessionId
}

const theSession = (
  to: string,
  found: ReadonlyArray<SessionFound>,
): Result.Result<Target, ResolveError> | undefined => {
  const [first, ...others] = found
  if (first === undefined) return undefined
  if (others.length === 0) {
    return Result.succeed(Target.make({ _tag: "Session", key: first.pubkey, session: first.sessionId }))
  }
  const members = new Map<Candidate["key"], Candidate>()
  for (const { name, pubkey: key, sessionId } of found) {
    const known = members.get(key)
    members.set(key, { name, key, sessions: [...(known?.sessions ?? []), sessionId] })
  }
  return Result.fail(new AmbiguousTarget({ target: to, candidates: [...members.values()] }))
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
  return theSession(to, exact.length > 0 ? exact : named)
}
