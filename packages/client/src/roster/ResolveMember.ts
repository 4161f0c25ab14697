/**
 * Who is meant by what a person or a model writes, for every command and tool. Names are those of certificates, of whom this
 * machine knows, so a broker that hides a member or lists a key of its own under a member's name changes nothing. What
 * fits nobody, or more than one, is answered with who there is, and never guessed.
 */
import { withHint } from "@claudemesh/domain/WithHint"
import { DisplayName, PublicKey, SessionId } from "@claudemesh/domain/Ids"
import type { Peer } from "@claudemesh/domain/wire/BrokerFrame"
import { Result, Schema } from "effect"
import { candidatesMax } from "../Limits.ts"
import { MemberStanding, whatToDo, whyNot } from "../trust/MemberStanding.ts"
import type { TrustStore } from "../trust/TrustStore.ts"
import {
  bare,
  beginning,
  findNamed,
  isPublicKey,
  isSameName,
  keyDigits,
  looksLikeKey,
  nameAmongWords,
  type Named,
  namePart,
  nearest,
  nearKey,
  slugPart,
} from "./FindNamed.ts"
import { type CertifiedView, everyone, type Roster, type UncertifiedView } from "./Roster.ts"

export type Session = Pick<Peer, "pubkey" | "sessionId">

export interface Directory {
  /** Whom this machine knows by a certificate, also those who are revoked, or whom the broker does not list. */
  readonly members: ReadonlyArray<CertifiedView>
  /** Listed by the broker alone: it is explained why they are not found. */
  readonly strangers: ReadonlyArray<UncertifiedView>
  readonly peers: ReadonlyArray<Session>
  /** From its proved profile. */
  readonly sessionName: (session: Session) => DisplayName | undefined
  /** As its certificate says, whatever the person of this machine calls it. */
  readonly ownNameOf: (key: PublicKey) => DisplayName | undefined
  /** Of anybody who was ever certified. */
  readonly isMemberName: (name: DisplayName) => boolean
  readonly standingOf: (key: PublicKey) => MemberStanding
}

export const directoryOf = (store: TrustStore, roster: Roster, sessionName: Directory["sessionName"]): Directory => {
  const { certified, uncertified } = everyone(store, roster)
  return {
    members: certified,
    strangers: uncertified,
    peers: roster.peers,
    sessionName,
    ownNameOf: (key) => store.certificateOf(key)?.displayName,
    isMemberName: (name) => store.isMemberName(name),
    standingOf: (key) => store.standingOf(key),
  }
}

export const Candidate = Schema.Struct({
  name: DisplayName,
  key: PublicKey,
  sessions: Schema.Array(SessionId),
  /** Somebody on this machine compared its key by voice. */
  verified: Schema.optionalKey(Schema.Literal(true)),
})
export type Candidate = typeof Candidate.Type

const listed = (candidates: ReadonlyArray<Candidate>, more = 0): string => {
  const keys = candidates.map(({ key }) => key)
  const names = candidates
    .map(
      ({ key, name, verified }) => `${nameAmongWords(name)} (${beginning(key, keys)}${verified ? ", verified" : ""})`,
    )
    .join(", ")
  return more === 0 ? names : `${names}, and ${more} more`
}

/** Of a long list the first ones: who is not near to what was asked for is not the one that was meant. */
const namedMax = 5

const membersAmong = (candidates: ReadonlyArray<Candidate>, more: number): string => {
  if (candidates.length === 0) return "Nobody is certified here."
  const others = candidates.length - namedMax + more
  const inOrder = candidates.toSorted((a, b) => a.name.localeCompare(b.name, "en") || (a.key < b.key ? -1 : 1))
  return `Members: ${others > 0 ? listed(inOrder.slice(0, namedMax), others) : listed(inOrder)}.`
}

/** "Did you mean …?", where somebody is near. */
export const didYouMean = (near: ReadonlyArray<Candidate>, prefix = ""): string => {
  const keys = near.map(({ key }) => key)
  const names = near.map(({ key, name }) => `${prefix}${nameAmongWords(name)} (${beginning(key, keys)})`)
  return `Did you mean ${names.join(" or ")}?`
}

/** What begins as a group and is none was meant as one, most likely; what stands before a colon was meant as a mesh. */
const elseHint = (to: string): string => {
  if (/^(?:#|tag:)/i.test(bare(to))) {
    return " A group is '#channel' or tag:label, in lower-case letters, digits, . _ or -."
  }
  const slug = slugPart(to)?.[0]
  return slug === undefined ? "" : ` No mesh ${JSON.stringify(slug)} is joined.`
}

export class UnknownTarget extends Schema.TaggedError<UnknownTarget>()("UnknownTarget", {
  target: Schema.String,
  candidates: Schema.Array(Candidate),
  /** That are not among the candidates. */
  more: Schema.Int,
  /** Whose name is much like what was asked for, the nearest first. */
  near: Schema.Array(Candidate),
  /** A session whose id begins so, as it would be written. */
  session: Schema.optionalKey(Schema.String),
}) {
  get what() {
    const asked = JSON.stringify(this.target)
    if (this.session !== undefined) return `Nobody's key begins with ${asked}.`
    return bare(this.target) === "" ? "It is not said who is meant." : `Nobody here is ${asked}.`
  }
  get hint() {
    if (this.session !== undefined) return `Did you mean the session ${nameAmongWords(this.session)}?`
    const members = this.near.length > 0 ? didYouMean(this.near) : membersAmong(this.candidates, this.more)
    return `${members}${elseHint(this.target)}`
  }
  override get message() {
    return withHint(this)
  }
}

export class AmbiguousTarget extends Schema.TaggedError<AmbiguousTarget>()("AmbiguousTarget", {
  target: Schema.String,
  candidates: Schema.Array(Candidate),
}) {
  /** It is clear whose session is meant, and not which one. */
  get #whose(): Candidate | undefined {
    const [only, ...others] = this.candidates
    return others.length === 0 ? only : undefined
  }
  get what() {
    const [asked, whose] = [JSON.stringify(this.target), this.#whose]
    if (whose === undefined) return `${asked} may be any of: ${listed(this.candidates)}.`
    const ids = whose.sessions.map((id) => beginning(id, whose.sessions)).join(", ")
    return `${asked} may be any of these sessions of ${nameAmongWords(whose.name)}: ${ids}.`
  }
  get hint() {
    return this.#whose === undefined ? "Write one of them so, or its key." : "Write more of its id."
  }
  override get message() {
    return withHint(this)
  }
}

/** It fits a key that is not certified, or not any more. */
export class UntrustedTarget extends Schema.TaggedError<UntrustedTarget>()("UntrustedTarget", {
  target: Schema.String,
  key: PublicKey,
  /** Its certificate's. */
  displayName: Schema.UndefinedOr(DisplayName),
  /** Where nothing but the broker's word says that the key is who was asked for. */
  brokerSays: Schema.UndefinedOr(Schema.String),
  standing: Schema.Literals(["Revoked", "Uncertified", "KeyChanged"]),
  why: Schema.String,
  candidates: Schema.Array(Candidate),
}) {
  get what() {
    if (this.brokerSays !== undefined) {
      return `No certified member is ${JSON.stringify(this.target)}. The broker lists the key ${this.key} as ${JSON.stringify(this.brokerSays)}, and ${this.why}.`
    }
    const who =
      this.displayName === undefined ? this.key : `${nameAmongWords(this.displayName)} (${this.key.slice(0, 8)})`
    return `${who} is not a member${this.standing === "Revoked" ? " any more" : ""}: ${this.why}.`
  }
  get hint() {
    return whatToDo(this.standing)
  }
  override get message() {
    return withHint(this)
  }
}

export type ResolveError = UnknownTarget | AmbiguousTarget | UntrustedTarget

/** `Uncertified`: a whole key that nobody certified, which is who it is and has no name. */
export type Resolved = CertifiedView | Pick<UncertifiedView, "displayName" | "pubkey" | "standing">

const asNamed = ({ displayName, pubkey, standing }: CertifiedView): Named => ({
  key: pubkey,
  name: displayName,
  isEnded: standing._tag !== "Certified",
})

/**
 * By what they are called here; who is called otherwise here is found by the name of the certificate where nobody has that name.
 * Whoever is called like what people write of that one, such as `"Bob"`, is one of two then, too.
 */
const membersNamed = (asked: string, { members, ownNameOf }: Directory): ReadonlyArray<CertifiedView> => {
  const called = findNamed(asked, members, asNamed)
  const name = namePart(asked)
  const mayBeDisguised = name !== asked && called.some(({ displayName }) => !isSameName(name, displayName))
  if (called.length > 0 && !mayBeDisguised) return called
  const certified = findNamed(asked, members, (one) => ({
    ...asNamed(one),
    name: ownNameOf(one.pubkey) ?? one.displayName,
  }))
  return [...new Set([...called, ...certified])]
}

/** Also one who was revoked, and any whole key: whether that will do is the caller's to say. */
export const resolveMember = (asked: string, directory: Directory): Result.Result<Resolved, ResolveError> => {
  const [only, ...others] = membersNamed(asked, directory)
  if (only !== undefined && others.length === 0) return Result.succeed(only)
  if (only !== undefined) {
    return Result.fail(new AmbiguousTarget({ target: asked, candidates: [only, ...others].map(candidate(directory)) }))
  }
  const key = keyDigits(bare(asked))
  if (isPublicKey(key)) {
    const stranger = directory.strangers.find(({ pubkey }) => pubkey === key)
    return Result.succeed(stranger ?? { pubkey: key, displayName: undefined, standing: directory.standingOf(key) })
  }
  const name = namePart(asked)
  const called = directory.strangers.find(
    ({ brokerSays, pubkey }) => isSameName(name, brokerSays) || (looksLikeKey(key) && pubkey.startsWith(key)),
  )
  return Result.fail(called === undefined ? unknown(asked, directory) : untrusted(asked, called, called.brokerSays))
}

/** The same, where only who is a member now will do. */
export const believed = (asked: string, found: Resolved): Result.Result<CertifiedView, UntrustedTarget> =>
  found.displayName !== undefined && found.standing._tag === "Certified"
    ? Result.succeed(found)
    : Result.fail(untrusted(asked, found))

export const resolveCertified = (asked: string, directory: Directory) =>
  Result.flatMap(resolveMember(asked, directory), (found) => believed(asked, found))

export const untrusted = (
  target: string,
  { displayName, pubkey, standing }: Pick<Resolved, "displayName" | "pubkey" | "standing">,
  brokerSays?: string,
): UntrustedTarget =>
  new UntrustedTarget({
    target,
    key: pubkey,
    displayName,
    brokerSays,
    standing: standing._tag === "Certified" ? "Uncertified" : standing._tag,
    why: standing._tag === "Certified" ? "it is not certified" : whyNot(standing),
    candidates: [],
  })

export const candidate =
  ({ peers }: Pick<Directory, "peers">) =>
  ({ displayName, pubkey, standing }: CertifiedView): Candidate => ({
    name: displayName,
    key: pubkey,
    sessions: peers.filter((peer) => peer.pubkey === pubkey).map(({ sessionId }) => sessionId),
    ...(standing._tag === "Certified" && standing.byVoiceAt !== undefined && { verified: true as const }),
  })

export const unknown = (target: string, directory: Directory, session?: string): UnknownTarget => {
  const members = directory.members.filter(({ standing }) => standing._tag === "Certified")
  return new UnknownTarget({
    target,
    candidates: members.slice(0, candidatesMax).map(candidate(directory)),
    more: Math.max(0, members.length - candidatesMax),
    near: nearTo(target, members).map(candidate(directory)),
    ...(session !== undefined && { session }),
  })
}

const nearTo = (target: string, members: ReadonlyArray<CertifiedView>): ReadonlyArray<CertifiedView> => {
  const byKey = nearKey(target, members, ({ pubkey }) => pubkey)
  return byKey.length > 0 ? byKey : nearest(slugPart(target)?.[1] ?? target, members, ({ displayName }) => displayName)
}
