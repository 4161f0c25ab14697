/** What we hold of a member's key, and why, in words: for lists, for the sender of a message, for a refusal to seal. */
import type { PublicKey } from "@claudemesh/domain/Ids"
import { type IsoTime, minuteOf } from "@claudemesh/domain/IsoTime"
import type { Role } from "@claudemesh/domain/trust/Invite"
import type { Doubt } from "@claudemesh/domain/trust/ChainVerifier"
import { Data } from "effect"

export type MemberStanding = Data.TaggedEnum<{
  /** `byVoiceAt`: somebody compared the safety number then. */
  Certified: { readonly role: Role; readonly byVoiceAt: IsoTime | undefined }
  Revoked: { readonly at: IsoTime; readonly by: PublicKey }
  /**
   * `no_owner_key`: our own membership is of the first clients, and says not who owns the mesh. `not_asked`: the broker
   * could not be asked for its proof yet.
   */
  Uncertified: { readonly doubt: Doubt | "no_owner_key" | "not_asked" }
  /** The member id is known, with another key. */
  KeyChanged: { readonly pinned: PublicKey; readonly shown: PublicKey }
}>
export const MemberStanding = Data.taggedEnum<MemberStanding>()

export const doubtWords: Readonly<Record<Extract<MemberStanding, { _tag: "Uncertified" }>["doubt"], string>> = {
  no_owner_key:
    "this mesh was joined with one of the first clients, so its owner's key is not known here; join it again by an invite link",
  not_asked: "its proof could not be asked for yet",
  no_certificate: "there is no proof that the key is a member's",
  no_invite: "the invite that it came by is not there",
  other_mesh: "its proof is another mesh's, or another owner's",
  bad_key: "it is no valid key",
  bad_signature: "its certificate was not signed by its invite",
  no_consent: "the key itself did not ask to be certified so",
  bad_invite_signature: "its invite was not signed by who it says",
  expired_invite: "it joined after its invite had expired",
  issuer_unproved: "its invite is of somebody who may not invite",
  role_not_given: "its invite gives what only the owner can give",
}

/** Why nothing is sealed to it. */
export const whyNot = (standing: Exclude<MemberStanding, { readonly _tag: "Certified" }>): string => {
  switch (standing._tag) {
    case "Revoked":
      return `it was revoked at ${minuteOf(standing.at)} by ${standing.by.slice(0, 8)}`
    case "Uncertified":
      return `it is not certified: ${doubtWords[standing.doubt]}`
    case "KeyChanged":
      return `its key was ${standing.pinned.slice(0, 8)} and is said to be ${standing.shown.slice(0, 8)} now`
  }
}

/** What whoever wanted to write to it can do about that. */
export const whatToDo = (standing: "Revoked" | "Uncertified" | "KeyChanged"): string => {
  switch (standing) {
    case "Revoked":
      return "Nothing is sent to them any more. To come back they join by a new invite link."
    case "Uncertified":
      return "Nothing is sent to it. If you know whose key it is, ask them to join by an invite link."
    case "KeyChanged":
      return "Nothing is sent to it. Ask them by voice whether they have a new key; then have the old one revoked, and let them join again."
  }
}
