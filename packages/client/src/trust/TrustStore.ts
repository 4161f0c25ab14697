/**
 * Whom we believe in one mesh, and so to whom anything may be sealed. It holds the domain's chain verifier,
 * and beside it what that cannot know: which proof of a key was the first. It learns from the broker and
 * believes nothing of it. No I/O: `TrustSync.ts` asks for it, and `KnownMembers.ts` remembers.
 *
 * The first good certificate of a key stays, and the first key of a member id. A member makes its key for one
 * certificate and is never certified twice; a second one is from somebody who holds another invite, and who would
 * choose another name for the key, or allow bare text to it.
 */
import type { DisplayName, MemberId, PublicKey } from "@claudemesh/domain/Ids"
import { isoFromMillis, type IsoTime } from "@claudemesh/domain/IsoTime"
import type { Certificate } from "@claudemesh/domain/trust/Certificate"
import type { Invite, Role } from "@claudemesh/domain/trust/Invite"
import { type Revocation, revocationHash } from "@claudemesh/domain/trust/Revocation"
import { foldedName, readings } from "@claudemesh/domain/trust/NameSkeleton"
import { type Doubt, ChainVerifier } from "@claudemesh/domain/trust/ChainVerifier"
import type { Trust } from "@claudemesh/domain/wire/BrokerFrame"
import { Result } from "effect"
import type { Membership } from "../keys/Membership.ts"
import { verifierOf } from "../keys/SignRecords.ts"
import type { Sodium, TrustedKey } from "../keys/Sodium.ts"
import { pinnedMembersMax } from "../Limits.ts"
import { type Known, type LocalNames, nothingKnown, type Pin } from "./KnownMembers.ts"
import { MemberStanding } from "./MemberStanding.ts"

export type NotVerified = Exclude<MemberStanding, { readonly _tag: "Certified" }>

/** A key that a message may be sealed to. Only a chain verifier that finds its chain good makes one. */
export class CertifiedMember {
  readonly #key: TrustedKey

  private constructor(
    key: TrustedKey,
    readonly certificate: Certificate,
    readonly role: Role,
  ) {
    this.#key = key
  }

  static in(verifier: ChainVerifier, key: PublicKey, { trust }: typeof Sodium.Service): CertifiedMember | undefined {
    const standing = verifier.standingOf(key)
    if (standing._tag !== "Certified") return undefined
    const trusted = trust(key)
    return Result.isSuccess(trusted)
      ? new CertifiedMember(trusted.success, standing.certificate, standing.role)
      : undefined
  }

  get key(): TrustedKey {
    return this.#key
  }

  get publicKey(): PublicKey {
    return this.#key.key
  }
}

/** `refused`: a list of revocations that is not the one we know, or no list. */
export interface Learnt {
  /** To be remembered: the members that are new, and all revocations with what they stand on. */
  readonly more: Known
  readonly isNew: boolean
  readonly refused: string | undefined
}

type Records = Pick<Trust, "certificates" | "invites" | "revocations">

export class TrustStore {
  /** None where the owner's key is not known: nobody can be proved then. */
  readonly #verifier: ChainVerifier | undefined
  readonly #sodium: typeof Sodium.Service
  readonly #pins = new Map<PublicKey, Pin>()
  readonly #keyOf = new Map<MemberId, PublicKey>()
  #localNames: LocalNames = new Map()
  /** How many were ever called so, by what a reader makes of a name. */
  readonly #called = new Map<string, number>()
  /** Whom this machine calls so. */
  readonly #calledHere = new Map<string, ReadonlyArray<PublicKey>>()
  /** A pinned member came by them, or they were made on this machine: they stay as they are. */
  readonly #provenInvites = new Set<PublicKey>()
  readonly #asked = new Set<PublicKey>()
  /** Proved under a member id that has another key. */
  readonly #changed = new Map<PublicKey, MemberId>()
  /** Of the keys that were asked for. */
  readonly #doubts = new Map<PublicKey, Doubt>()
  readonly #byVoice = new Map<PublicKey, IsoTime>()
  /** Of keys that are looked up again before they are used: a revocation takes none out. */
  readonly #verified = new Map<PublicKey, CertifiedMember>()

  constructor(
    self: Pick<Membership, "certificate" | "invite" | "memberId" | "meshId" | "ownerPublicKey" | "pubkey">,
    sodium: typeof Sodium.Service,
  ) {
    const { certificate, invite, memberId, meshId, ownerPublicKey, pubkey } = self
    this.#sodium = sodium
    this.#verifier =
      ownerPublicKey === undefined ? undefined : new ChainVerifier(meshId, ownerPublicKey, verifierOf(sodium))
    this.#keyOf.set(memberId, pubkey)
    if (certificate?.publicKey !== pubkey || invite === undefined) return
    this.learn({ certificates: [certificate], invites: [invite], revocations: [] }, Date.parse(certificate.joinedAt))
  }

  /** What was proved in an earlier life. It is judged again, but for which proof was the first. */
  restore(known: Known): Result.Result<void, string> {
    const verifier = this.#verifier
    if (verifier === undefined) return Result.void
    for (const invite of known.invites) verifier.learnInvite(invite)
    for (const pin of known.members) {
      verifier.learnCertificate(pin.certificate)
      this.#pin(pin, verifier)
    }
    this.keepInvites(known.invites)
    for (const { at, publicKey } of known.byVoice) this.#byVoice.set(publicKey, at)
    for (const revocation of known.revocations) {
      const learnt = verifier.learnRevocation(revocation, true)
      if (Result.isFailure(learnt)) return Result.fail(`revocation ${revocation.version} is ${learnt.failure}`)
    }
    return Result.void
  }

  /** How many revocations are known. */
  get version(): number {
    return this.#verifier?.version ?? 0
  }

  get revocations(): ReadonlyArray<Revocation> {
    return this.#verifier?.revocations ?? []
  }

  /** Whether anybody can be proved here at all. */
  get isOpen(): boolean {
    return this.#verifier !== undefined
  }

  /** Those of the keys that nothing is known of, and that were not asked for since {@link askAgain}. */
  unknown(keys: Iterable<PublicKey>): ReadonlyArray<PublicKey> {
    if (this.#verifier === undefined) return []
    return [...new Set(keys)].filter((key) => !this.#pins.has(key) && !this.#asked.has(key))
  }

  asked(keys: ReadonlyArray<PublicKey>): void {
    for (const key of keys) this.#asked.add(key)
  }

  askAgain(): void {
    this.#asked.clear()
    this.#doubts.clear()
  }

  learn({ certificates, invites, revocations }: Records, nowMillis: number): Learnt {
    const verifier = this.#verifier
    if (verifier === undefined) return { more: nothingKnown, isNew: false, refused: undefined }
    for (const invite of invites) {
      if (!this.#provenInvites.has(invite.publicKey)) verifier.learnInvite(invite)
    }
    const { version } = verifier
    const pinned = this.#learnCertificates(certificates, verifier, isoFromMillis(nowMillis))
    // Who revoked has to be known first.
    const refused = this.#learnRevocations(revocations, verifier)
    // A broker may send any number that nobody came by.
    for (const { publicKey } of invites) if (!this.#provenInvites.has(publicKey)) verifier.forgetInvite(publicKey)
    const isNew = pinned.length > 0 || verifier.version > version
    return { more: this.#known(pinned), isNew, refused }
  }

  /**
   * These members and all revocations, with what both stand on: a list that is read again is judged again, and of those
   * who signed it some are in no other place, such as ourselves under an earlier key.
   */
  #known(members: ReadonlyArray<PublicKey>): Known {
    const verifier = this.#verifier
    if (verifier === undefined) return nothingKnown
    const revokers = verifier.revocations.map(({ by }) => by)
    const { certificates, invites } = verifier.recordsBehind([...members, ...revokers])
    return {
      members: certificates.flatMap(({ publicKey }) => this.#pins.get(publicKey) ?? []),
      invites,
      revocations: verifier.revocations,
      byVoice: [],
    }
  }

  /** A list that says something else of what we know than we do, or that does not go on from it. */
  #learnRevocations(revocations: ReadonlyArray<Revocation>, verifier: ChainVerifier): string | undefined {
    for (const revocation of revocations) {
      const known = verifier.revocations[revocation.version - 1]
      if (known !== undefined) {
        if (revocationHash(known) === revocationHash(revocation)) continue
        return `revocation ${revocation.version} is another one than we know`
      }
      const learnt = verifier.learnRevocation(revocation)
      if (Result.isFailure(learnt)) return `revocation ${revocation.version} is refused (${learnt.failure})`
    }
    return undefined
  }

  /** In two rounds, since a member may have come by an admin who is in the same answer. */
  #learnCertificates(
    certificates: ReadonlyArray<Certificate>,
    verifier: ChainVerifier,
    firstSeen: IsoTime,
  ): ReadonlyArray<PublicKey> {
    const pinned: Array<PublicKey> = []
    for (const certificate of [...certificates, ...certificates]) {
      const { memberId, publicKey } = certificate
      if (this.#pins.has(publicKey)) continue
      const doubt = verifier.certificateDoubt(certificate)
      if (doubt !== undefined) {
        if (this.#asked.has(publicKey)) this.#doubts.set(publicKey, doubt)
      } else if ((this.#keyOf.get(memberId) ?? publicKey) !== publicKey) {
        this.#changed.set(publicKey, memberId)
      } else if (this.#pins.size < pinnedMembersMax) {
        verifier.learnCertificate(certificate)
        this.#pin({ certificate, firstSeen }, verifier)
        pinned.push(publicKey)
      }
    }
    return pinned
  }

  #pin(pin: Pin, verifier: ChainVerifier): void {
    const { invite, memberId, publicKey } = pin.certificate
    if (!this.#pins.has(publicKey)) {
      for (const reading of readings(pin.certificate.displayName)) {
        this.#called.set(reading, (this.#called.get(reading) ?? 0) + 1)
      }
    }
    this.#pins.set(publicKey, pin)
    if (!this.#keyOf.has(memberId)) this.#keyOf.set(memberId, publicKey)
    this.#provenInvites.add(invite)
    const issuer = verifier.certificates.get(verifier.invites.get(invite)?.issuer ?? publicKey)
    if (issuer !== undefined) this.#provenInvites.add(issuer.invite)
  }

  /** Whom we may seal to. `memberId`: which member the broker says that it is. */
  certified(key: PublicKey, memberId?: MemberId): Result.Result<CertifiedMember, NotVerified> {
    const standing = this.standingOf(key, memberId)
    if (standing._tag !== "Certified") return Result.fail(standing)
    const known = this.#verified.get(key)
    if (known !== undefined) return Result.succeed(known)
    const verifier = this.#verifier
    const member = verifier === undefined ? undefined : CertifiedMember.in(verifier, key, this.#sodium)
    if (member === undefined) return Result.fail(MemberStanding.Uncertified({ doubt: "bad_key" }))
    this.#verified.set(key, member)
    return Result.succeed(member)
  }

  standingOf(key: PublicKey, memberId?: MemberId): MemberStanding {
    const verifier = this.#verifier
    if (verifier === undefined) return MemberStanding.Uncertified({ doubt: "no_owner_key" })
    const changed = memberId ?? this.#changed.get(key)
    const pinned = changed === undefined ? undefined : this.#keyOf.get(changed)
    // Of a pinned key it is its certificate that says which member it is, and not the broker.
    if (pinned !== undefined && pinned !== key && !this.#pins.has(key)) {
      return MemberStanding.KeyChanged({ pinned, shown: key })
    }
    const standing = verifier.standingOf(key)
    switch (standing._tag) {
      case "Certified":
        return MemberStanding.Certified({ role: standing.role, byVoiceAt: this.#byVoice.get(key) })
      case "Revoked":
        return MemberStanding.Revoked(standing.revocation)
      case "Uncertified": {
        const revocation = verifier.revocations.find(({ subject }) => subject === key)
        if (revocation !== undefined) return MemberStanding.Revoked(revocation)
        const doubt = this.#pins.has(key) ? standing.doubt : this.#doubts.get(key)
        return MemberStanding.Uncertified({ doubt: doubt ?? (this.#asked.has(key) ? "no_certificate" : "not_asked") })
      }
    }
  }

  /** All who were proved once, also if they were revoked since. */
  get members(): ReadonlyArray<Certificate> {
    return [...this.#pins.values()].map(({ certificate }) => certificate)
  }

  /** Those that members came by, and those that were made on this machine. */
  get invites(): ReadonlyArray<Invite> {
    return [...(this.#verifier?.invites.values() ?? [])]
  }

  /** What this machine remembers of invites is kept also where nobody came by them yet. */
  keepInvites(invites: ReadonlyArray<Invite>): void {
    const verifier = this.#verifier
    if (verifier === undefined) return
    for (const invite of invites) {
      if (this.#provenInvites.has(invite.publicKey) || verifier.inviteStanding(invite).doubt !== undefined) continue
      verifier.learnInvite(invite)
      this.#provenInvites.add(invite.publicKey)
    }
  }

  /** Whether the owner or an admin signed it, and what has ended it since. */
  inviteStanding(invite: Invite): ReturnType<ChainVerifier["inviteStanding"]> {
    return this.#verifier?.inviteStanding(invite) ?? { doubt: "issuer_unproved", revocation: undefined }
  }

  /** Of a key that was proved once, also when it was revoked since. */
  certificateOf(key: PublicKey): Certificate | undefined {
    return this.#pins.get(key)?.certificate
  }

  /** By the name of its certificate, or by what the person of this machine calls it: of who was ever proved. */
  nameOf(key: PublicKey): DisplayName | undefined {
    const own = this.certificateOf(key)?.displayName
    return own === undefined ? undefined : (this.#localNames.get(key) ?? own)
  }

  callThem(names: LocalNames): void {
    this.#localNames = names
    this.#calledHere.clear()
    for (const [key, name] of names) {
      for (const reading of readings(name)) {
        this.#calledHere.set(reading, [...(this.#calledHere.get(reading) ?? []), key])
      }
    }
  }

  /**
   * Whether somebody else is or was called so, by their certificate or on this machine, that a reader takes one for the other: a
   * stranger may join under what the person here calls a friend.
   */
  hasNamesake(key: PublicKey): boolean {
    const name = this.nameOf(key)
    const own = this.certificateOf(key)?.displayName
    if (name === undefined || own === undefined) return false
    const ofOwn = readings(own)
    return readings(name).some((reading) => {
      const others = (this.#called.get(reading) ?? 0) - (ofOwn.includes(reading) ? 1 : 0)
      return others > 0 || (this.#calledHere.get(reading) ?? []).some((one) => one !== key)
    })
  }

  /** Whether it is the name of anybody who was ever proved, however it is written. */
  isMemberName(name: DisplayName): boolean {
    const folded = foldedName(name)
    const names = [...this.members.map(({ displayName }) => displayName), ...this.#localNames.values()]
    return names.some((one) => foldedName(one) === folded)
  }

  confirmByVoice(publicKey: PublicKey, at: IsoTime): Known {
    this.#byVoice.set(publicKey, at)
    return { ...this.#known([publicKey]), byVoice: [{ publicKey, at }] }
  }

  /** The next revocation, but for who signs it. `kept`: all that came by the subject and are members now. */
  nextRevocation(subject: PublicKey, at: IsoTime): Omit<Revocation, "by" | "signature"> | undefined {
    const verifier = this.#verifier
    if (verifier === undefined) return undefined
    return {
      meshId: verifier.meshId,
      version: verifier.version + 1,
      previous: verifier.head,
      subject,
      kept: verifier.standingOn(subject).map(({ publicKey }) => publicKey),
      at,
    }
  }
}
