/**
 * What a session says of itself, for all members and not for the broker: signed by its member, locked with a
 * content key that is sealed to each member. The signature is inside, since every member holds the content key.
 */
import { Nonce } from "@claudemesh/domain/Base64"
import { Signature } from "@claudemesh/domain/Ids"
import { isoFromMillis } from "@claudemesh/domain/IsoTime"
import { Profile, profileStatement } from "@claudemesh/domain/trust/Plaintext"
import type { Peer } from "@claudemesh/domain/wire/BrokerFrame"
import type { SetProfile } from "@claudemesh/domain/wire/ClientFrame"
import type { SessionId } from "@claudemesh/domain/Ids"
import { Clock, Effect, Option, Schema } from "effect"
import type { Membership } from "../keys/Membership.ts"
import { randomBytes } from "../keys/RandomBytes.ts"
import { Sodium, type TrustedKey } from "../keys/Sodium.ts"
import { profileCharactersMax } from "../Limits.ts"

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

export const sealProfile = Effect.fnUntraced(function* (
  summary: string,
  from: Pick<Membership, "meshId" | "pubkey" | "secretKey"> & { readonly sessionId: SessionId },
  readers: ReadonlyArray<TrustedKey>,
) {
  const sodium = yield* Sodium
  const at = isoFromMillis(yield* Clock.currentTimeMillis)
  const profile: Profile = { meshId: from.meshId, sessionId: from.sessionId, summary, at }
  const signature = sodium.sign(profileStatement(profile, from.pubkey), from.secretKey)
  const contentKey = yield* randomBytes(32)
  const nonce = yield* randomBytes(24)
  const ciphertext = sodium.lock(encode({ profile, signature }), nonce, contentKey)
  if (ciphertext.length > profileCharactersMax) return yield* new SummaryTooLong({ characters: summary.length })
  const sealedKeys = yield* Effect.forEach(readers, (reader) =>
    Effect.map(randomBytes(32), (seed) => ({
      pubkey: reader.key,
      key: sodium.sealAnonymously(contentKey, seed, reader),
    })),
  )
  const sealed: Omit<SetProfile, "type" | "id"> = {
    nonce: Nonce.make(Buffer.from(nonce).toString("base64")),
    ciphertext,
    sealedKeys,
  }
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
  return sodium.openAnonymous(sealed.sealedKey, { publicKey: reader.pubkey, secretKey: reader.secretKey }).pipe(
    Option.flatMap((contentKey) => sodium.unlock(sealed.ciphertext, sealed.nonce, contentKey)),
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
