/**
 * What changes who is in a mesh, and what is answered: it comes over HTTP, with a proof of who asks, and is decided
 * by the mesh's actor like everything else. The broker checks what every client checks again (`ChainVerifier`).
 */
import type { MemberId, PublicKey } from "@claudemesh/domain/Ids"
import type { Certificate } from "@claudemesh/domain/trust/Certificate"
import type { Invite } from "@claudemesh/domain/trust/Invite"
import type { MeshMoved } from "@claudemesh/domain/trust/MeshMoved"
import type { Revocation } from "@claudemesh/domain/trust/Revocation"
import type { InviteState } from "@claudemesh/domain/wire/HttpApi"
import { Data } from "effect"

/** `by` has signed the request itself: a proof of that key, and not of what it may do. */
export type Enrolment = Data.TaggedEnum<{
  AddInvite: { readonly by: PublicKey; readonly invite: Invite }
  ListInvites: { readonly by: PublicKey }
  Join: { readonly by: PublicKey; readonly certificate: Certificate }
  Revoke: { readonly by: PublicKey; readonly revocation: Revocation }
  Move: { readonly by: PublicKey; readonly moved: MeshMoved }
}>
export const Enrolment = Data.taggedEnum<Enrolment>()

export type EnrolmentAnswer = Data.TaggedEnum<{
  InviteAdded: { readonly publicKey: PublicKey; readonly created: boolean }
  Invites: { readonly invites: ReadonlyArray<InviteState> }
  Joined: { readonly memberId: MemberId; readonly created: boolean }
  Revoked: { readonly version: number }
  MoveTaken: { readonly version: number }
  /**
   * `unknown_mesh`: to this key there is no mesh. `forbidden`: not by this key. `bad_invite`, `bad_certificate`: it proves nothing here. `used_up`, `expired`,
   * `revoked`: of the invite. `conflict`: another one is there under this key or id, or the list of revocations has grown.
   * `name_taken`: a member is called so, or so that it looks the same. `full`: the mesh takes no more. `unavailable`: not stored, try again.
   */
  Refused: {
    readonly code:
      | "unknown_mesh"
      | "forbidden"
      | "bad_invite"
      | "bad_certificate"
      | "used_up"
      | "expired"
      | "revoked"
      | "conflict"
      | "name_taken"
      | "full"
      | "unavailable"
    readonly message: string
  }
}>
export const EnrolmentAnswer = Data.taggedEnum<EnrolmentAnswer>()

/** The same whether there is none, or whoever asks is nobody in it. */
export const unknownMesh = EnrolmentAnswer.Refused({
  code: "unknown_mesh",
  message: "this broker has no such mesh, or the key or invite is not of it",
})
