/**
 * What a session says of itself, for all members and not for the broker: signed by its member, and sealed to each
 * verified member. The signature is inside, since every member holds the content key.
 */
import { Signature } from "@claudemesh/domain/Ids"
import { isoFromMillis } from "@claudemesh/domain/IsoTime"
import { Profile, ProfileFacts, profileStatement } from "@claudemesh/domain/trust/Plaintext"
import type { Peer } from "@claudemesh/domain/wire/BrokerFrame"
import type { SessionId } from "@claudemesh/domain/Ids"
import { Clock, Effect, Option, Schema } from "effect"
import type { Membership } from "../keys/Membership.ts"
import { Sodium } from "../keys/Sodium.ts"
import { profileCharactersMax } from "../Limits.ts"
import type { CertifiedMember } from "../trust/TrustStore.ts"
import { openAsReader, sealToMany } from "./SealToMany.ts"

export class SummaryTooLong extends Schema.TaggedError<SummaryTooLong>()("SummaryTooLong", {
  characters: Schema.Int,
}) {
  override get message() {
    return `a summary of ${this.characters} characters is too long; about 5000 fit`
  }
}

const SignedProfile = Schema.fromJsonString(Schema.Struct({ profile: Profile, signature: Signature }))
const encode = Schema.encodeSync(SignedProfile)
const decode = Schema.decodeUnknownOption(SignedProfile)

/** What is sealed of it. */
export type ProfileTexts = Omit<Profile, "at" | "meshId" | "sessionId">

const isFact = Schema.is(ProfileFacts)

/** A folder may have any name; what is none for a list is left out. */
export const fitFacts = (facts: { readonly [key in keyof ProfileFacts]?: string | undefined }): ProfileFacts =>
  Object.fromEntries(Object.entries(facts).filter(([key, value]) => value !== undefined && isFact({ [key]: value })))

export const sealProfile = Effect.fnUntraced(function* (
  texts: ProfileTexts,
  from: Pick<Membership, "meshId" | "pubkey" | "secretKey"> & { readonly sessionId: SessionId },
  readers: ReadonlyArray<CertifiedMember>,
) {
  const sodium = yield* Sodium
  const at = isoFromMillis(yield* Clock.currentTimeMillis)
  const profile: Profile = { meshId: from.meshId, sessionId: from.sessionId, at, ...texts }
  const signature = sodium.sign(profileStatement(profile, from.pubkey), from.secretKey)
  const sealed = yield* sealToMany(encode({ profile, signature }), readers)
  if (sealed.ciphertext.length > profileCharactersMax)
    return yield* new SummaryTooLong({ characters: texts.summary.length })
  return sealed
})

/** None when there is none, or when it is not what that session of that member said in this mesh. */
export const openProfile = (
  peer: Peer,
  reader: Pick<Membership, "meshId" | "pubkey" | "secretKey">,
  sodium: typeof Sodium.Service,
): Option.Option<Profile> => {
  const { profile: sealed } = peer
  if (sealed === undefined) return Option.none()
  return openAsReader(sealed, reader, sodium).pipe(
    Option.flatMap((bytes) => decode(Buffer.from(bytes).toString("utf8"))),
    Option.filter(
      ({ profile, signature }) =>
        profile.meshId === reader.meshId &&
        profile.sessionId === peer.sessionId &&
        sodium.verify(profileStatement(profile, peer.pubkey), signature, peer.pubkey),
    ),
    Option.map(({ profile }) => profile),
  )
}
