/**
 * What is proved of a mesh's members: the one place that decides whether a key is a member's. It holds signed
 * records and the owner's key, and believes nobody who brings them. The broker asks it before it admits, every client
 * before it seals. No I/O, no clock: a record is good or not, whoever looks at it and whenever.
 *
 * A chain has one or two links: the owner signs an invite, the invite certifies a member; that member, an admin, signs
 * an invite, and so on, once. A chain is void as soon as one of its keys is revoked, unless the revocation keeps the
 * member.
 */
import { Data, Result } from "effect"
import type { MeshId, PublicKey, Signature } from "../Ids.ts"
import { type Certificate, certificateStatement } from "./Certificate.ts"
import { type Invite, inviteStatement, type Role } from "./Invite.ts"
import { noRevocations, type Revocation, revocationHash, revocationStatement } from "./Revocation.ts"

export interface Verifier {
  readonly verify: (statement: string, signature: Signature, key: PublicKey) => boolean
  /** A valid point of large order, so that messages can be sealed to it. */
  readonly isUsableKey: (key: PublicKey) => boolean
}

/** Why a chain does not hold. */
export type Doubt =
  | "no_certificate"
  | "no_invite"
  | "other_mesh"
  | "bad_key"
  | "bad_signature"
  | "no_consent"
  | "bad_invite_signature"
  | "expired_invite"
  | "issuer_unproved"
  | "role_not_given"

export type Standing = Data.TaggedEnum<{
  Certified: { readonly certificate: Certificate; readonly role: Role }
  /** It was verified, and its key or one that it came by was revoked. */
  Revoked: { readonly certificate: Certificate; readonly revocation: Revocation }
  Uncertified: { readonly doubt: Doubt }
}>
export const Standing = Data.taggedEnum<Standing>()

/** Why a revocation is none. */
export type RevocationRefusal = "not_next" | "not_entitled" | "bad_signature"

/** What members are proved by. */
export interface Records {
  readonly certificates: ReadonlyArray<Certificate>
  readonly invites: ReadonlyArray<Invite>
}

interface Chain {
  readonly certificate: Certificate
  readonly role: Role
  /** Every key whose word it stands on: its own, its invite's, and so on up to the owner. */
  readonly keys: ReadonlyArray<PublicKey>
}

/** The owner's invite certifies an admin, the admin's a member. */
const linksMax = 2

export class ChainVerifier {
  readonly #invites = new Map<PublicKey, Invite>()
  readonly #certificates = new Map<PublicKey, Certificate>()
  readonly #revocations: Array<Revocation> = []
  /** Whom they are about. */
  readonly #subjects = new Set<PublicKey>()
  #standings = new Map<PublicKey, Standing>()
  /** What a record proves by itself: it never changes, and chains are judged again with all that is learned. */
  readonly #doubts = new WeakMap<Invite | Certificate, Doubt | undefined>()

  constructor(
    readonly meshId: MeshId,
    readonly ownerPublicKey: PublicKey,
    readonly verifier: Verifier,
  ) {}

  /** How many revocations are known. */
  get version(): number {
    return this.#revocations.length
  }

  /** What the next revocation has to name as the one before it. */
  get head(): string {
    const last = this.#revocations.at(-1)
    return last === undefined ? noRevocations(this.meshId) : revocationHash(last)
  }

  get revocations(): ReadonlyArray<Revocation> {
    return this.#revocations
  }

  get invites(): ReadonlyMap<PublicKey, Invite> {
    return this.#invites
  }

  get certificates(): ReadonlyMap<PublicKey, Certificate> {
    return this.#certificates
  }

  /** Records are looked at when they are asked for: a bad one is a member that is not verified, and no error. */
  learnInvite(invite: Invite): void {
    this.#invites.set(invite.publicKey, invite)
    this.#standings = new Map()
  }

  learnCertificate(certificate: Certificate): void {
    this.#certificates.set(certificate.publicKey, certificate)
    this.#standings = new Map()
  }

  /** One that nobody came by. */
  forgetInvite(key: PublicKey): void {
    this.#invites.delete(key)
    this.#standings = new Map()
  }

  /**
   * Takes the next one of the list. The certificate of the one who signed it has to be known. `before`: it was taken in
   * an earlier life, when less was known of its subject.
   */
  learnRevocation(revocation: Revocation, before = false): Result.Result<void, RevocationRefusal> {
    const refusal = this.refusalOf(revocation, before)
    if (refusal !== undefined) return Result.fail(refusal)
    this.#revocations.push(revocation)
    this.#subjects.add(revocation.subject)
    this.#standings = new Map()
    return Result.void
  }

  refusalOf(revocation: Revocation, before = false): RevocationRefusal | undefined {
    const { by, meshId, previous, signature, subject, version } = revocation
    if (meshId !== this.meshId || version !== this.version + 1 || previous !== this.head) return "not_next"
    if (!this.#mayRevoke(by, subject) && !(before && this.isAdmin(by))) return "not_entitled"
    return this.verifier.verify(revocationStatement(revocation), signature, by) ? undefined : "bad_signature"
  }

  /** Whether the key may give others a role in this mesh, or take it. */
  isAdmin(key: PublicKey): boolean {
    if (key === this.ownerPublicKey) return true
    const standing = this.standingOf(key)
    return standing._tag === "Certified" && standing.role !== "member"
  }

  #mayRevoke(by: PublicKey, subject: PublicKey): boolean {
    if (subject === this.ownerPublicKey) return false
    if (by === this.ownerPublicKey) return true
    if (by === subject) return this.standingOf(by)._tag === "Certified"
    return this.isAdmin(by) && !this.#isOwners(subject)
  }

  /** The owner as a member, or the invite that made it one: an admin does not put out who made it an admin. */
  #isOwners(key: PublicKey): boolean {
    const chain = this.#chainOfKey(key, false)
    if (typeof chain !== "string" && chain.role === "owner") return true
    const invite = this.#invites.get(key)
    return invite?.role === "owner" && typeof this.#inviteChain(invite, false) !== "string"
  }

  /**
   * Who is shown a revocation before the proof of its subject cannot know that it is the owner's. So it is looked at
   * again whenever it is to end something.
   */
  #ends({ by, subject }: Revocation, key: PublicKey): boolean {
    return subject === key && (by === this.ownerPublicKey || by === subject || !this.#isOwners(subject))
  }

  /** Also of a key that nobody ever proved to be a member's. Signatures are looked at only where a revocation may end it. */
  isRevoked(key: PublicKey): boolean {
    if (!this.#saysItStandsOn(key).some((one) => this.#subjects.has(one))) return false
    return this.standingOf(key)._tag === "Revoked" || this.#revocations.some((one) => this.#ends(one, key))
  }

  /** What the key's records say that it stands on, proved or not: no chain of it has another key. */
  #saysItStandsOn(key: PublicKey): ReadonlyArray<PublicKey> {
    const keys: Array<PublicKey> = []
    let next: PublicKey | undefined = key
    for (let links = 0; next !== undefined && links < linksMax; links++) {
      keys.push(next)
      const invite: Invite | undefined = this.#invites.get(this.#certificates.get(next)?.invite ?? next)
      if (invite !== undefined) keys.push(invite.publicKey)
      next = invite?.issuer
    }
    return keys
  }

  standingOf(key: PublicKey): Standing {
    const known = this.#standings.get(key)
    if (known !== undefined) return known
    const standing = this.#judge(key)
    // Anybody may be asked about: strangers leave nothing behind.
    if (this.#certificates.has(key)) this.#standings.set(key, standing)
    return standing
  }

  /** The certificates of these keys, and all that they stand on; in the order of the keys, each before what it stands on. */
  recordsBehind(keys: Iterable<PublicKey>): Records {
    const certificates = new Map<PublicKey, Certificate>()
    const invites = new Map<PublicKey, Invite>()
    /** A chain has two links at most, and what was collected is not looked at again: this ends. */
    const collect = (key: PublicKey): void => {
      const certificate = this.#certificates.get(key)
      if (certificate === undefined || certificates.has(key)) return
      certificates.set(key, certificate)
      const invite = this.#invites.get(certificate.invite)
      if (invite === undefined) return
      invites.set(invite.publicKey, invite)
      collect(invite.issuer)
    }
    for (const key of keys) collect(key)
    return { certificates: [...certificates.values()], invites: [...invites.values()] }
  }

  /** Members whose standing depends on the key, and is good: what a revocation of it may keep. */
  standingOn(key: PublicKey): ReadonlyArray<Certificate> {
    return [...this.#certificates.keys()].flatMap((member) => {
      if (member === key || this.standingOf(member)._tag !== "Certified") return []
      const chain = this.#chainOfKey(member, true)
      return typeof chain !== "string" && chain.keys.includes(key) ? [chain.certificate] : []
    })
  }

  /** Why an invite gives nothing: for the broker that is to store it, and for who was given a link. */
  inviteDoubt(invite: Invite): Doubt | undefined {
    const standing = this.inviteStanding(invite)
    if (standing.doubt !== undefined) return standing.doubt
    return standing.revocation === undefined ? undefined : "issuer_unproved"
  }

  /**
   * Without a doubt the owner or an admin signed it, and what it says is their word, also if it was revoked since or they
   * were.
   */
  inviteStanding(invite: Invite): { readonly doubt: Doubt | undefined; readonly revocation: Revocation | undefined } {
    const chain = this.#inviteChain(invite, true)
    if (typeof chain === "string") return { doubt: chain, revocation: undefined }
    return { doubt: undefined, revocation: this.#revocationOf(chain) }
  }

  /** Why a certificate that is not known yet proves nothing. */
  certificateDoubt(certificate: Certificate): Doubt | undefined {
    const chain = this.#chainOf(certificate, true)
    return typeof chain === "string" ? chain : undefined
  }

  #judge(key: PublicKey): Standing {
    const chain = this.#chainOfKey(key, true)
    if (typeof chain === "string") return Standing.Uncertified({ doubt: chain })
    const { certificate, role } = chain
    const revocation = this.#revocationOf(chain.keys)
    return revocation === undefined
      ? Standing.Certified({ certificate, role })
      : Standing.Revoked({ certificate, revocation })
  }

  /** The first that breaks the chain: none below the revoked key was kept. */
  #revocationOf(keys: ReadonlyArray<PublicKey>): Revocation | undefined {
    return this.#revocations.find((revocation) => {
      const { kept, subject } = revocation
      const at = keys.indexOf(subject)
      return at !== -1 && !keys.slice(0, at).some((key) => kept.includes(key)) && this.#ends(revocation, subject)
    })
  }

  /** `mayBeAdmin`: the first link's issuer may be an admin, whose own issuer is then the owner. */
  #chainOfKey(key: PublicKey, mayBeAdmin: boolean): Chain | Doubt {
    const certificate = this.#certificates.get(key)
    return certificate === undefined ? "no_certificate" : this.#chainOf(certificate, mayBeAdmin)
  }

  #chainOf(certificate: Certificate, mayBeAdmin: boolean): Chain | Doubt {
    const { publicKey: key } = certificate
    const invite = this.#invites.get(certificate.invite)
    if (invite === undefined) return "no_invite"
    const keys = this.#inviteChain(invite, mayBeAdmin)
    if (typeof keys === "string") return keys
    const doubt = this.#once(certificate, () => {
      if (!this.verifier.isUsableKey(key)) return "bad_key"
      const statement = certificateStatement(this.meshId, certificate)
      if (!this.verifier.verify(statement, certificate.signature, certificate.invite)) return "bad_signature"
      return this.verifier.verify(statement, certificate.consent, key) ? undefined : "no_consent"
    })
    if (doubt !== undefined) return doubt
    if (certificate.joinedAt > invite.expiresAt) return "expired_invite"
    return { certificate, role: invite.role, keys: [key, ...keys] }
  }

  /** The keys an invite stands on, its own first. */
  #inviteChain(invite: Invite, mayBeAdmin: boolean): ReadonlyArray<PublicKey> | Doubt {
    if (invite.meshId !== this.meshId || invite.ownerPublicKey !== this.ownerPublicKey) return "other_mesh"
    const doubt = this.#once(invite, () =>
      this.verifier.verify(inviteStatement(invite), invite.signature, invite.issuer)
        ? undefined
        : "bad_invite_signature",
    )
    if (doubt !== undefined) return doubt
    if (invite.issuer === this.ownerPublicKey) return [invite.publicKey]
    if (!mayBeAdmin || invite.role !== "member") return "role_not_given"
    const issuer = this.#chainOfKey(invite.issuer, false)
    if (typeof issuer === "string" || issuer.role === "member") return "issuer_unproved"
    return [invite.publicKey, ...issuer.keys]
  }

  #once(record: Invite | Certificate, judge: () => Doubt | undefined): Doubt | undefined {
    if (!this.#doubts.has(record)) this.#doubts.set(record, judge())
    return this.#doubts.get(record)
  }
}
