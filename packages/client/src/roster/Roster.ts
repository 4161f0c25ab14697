/** Who is in the mesh, as the broker last said it, and who of them is proved: what it says of a name is not. */
import type { DisplayName, MemberId, PublicKey } from "@claudemesh/domain/Ids"
import type { Role } from "@claudemesh/domain/trust/Invite"
import type { Profile } from "@claudemesh/domain/trust/Plaintext"
import type { Member, Peer, Presence } from "@claudemesh/domain/wire/BrokerFrame"
import type { MemberStanding } from "../trust/MemberStanding.ts"
import type { TrustBook } from "../trust/TrustBook.ts"

/** All members, and the sessions that are attached. */
export interface Roster {
  readonly members: ReadonlyArray<Member>
  readonly peers: ReadonlyArray<Peer>
}

export interface MemberView {
  readonly memberId: MemberId
  readonly pubkey: PublicKey
  readonly displayName: DisplayName
  /** Where the name is from: nobody but the broker says it of a member without a good certificate. */
  readonly nameFrom: "certificate" | "broker"
  readonly role: Role | undefined
  readonly standing: MemberStanding
  readonly protocol: Member["protocol"]
}

/** A live session; `displayName` is its member's. What it says of itself, its own name too, is there if it is proved. */
export type PeerView = Omit<Peer, "profile"> &
  Pick<MemberView, "nameFrom" | "standing"> & { readonly profile: Profile | undefined }

export const withPresence = (roster: Roster, { event, peer }: typeof Presence.Type): Roster => {
  const others = roster.peers.filter((p) => p.pubkey !== peer.pubkey || p.sessionId !== peer.sessionId)
  return { ...roster, peers: event === "left" ? others : [...others, peer] }
}

export const namedBy = (
  book: TrustBook,
  { displayName, memberId, pubkey }: Pick<Member, "displayName" | "memberId" | "pubkey">,
) => {
  const certificate = book.certificateOf(pubkey)
  const standing = book.standingOf(pubkey, memberId)
  return certificate === undefined
    ? { pubkey, memberId, displayName, nameFrom: "broker" as const, standing }
    : { ...certificateView(certificate), pubkey, standing }
}

const certificateView = ({ displayName, memberId }: Pick<MemberView, "displayName" | "memberId">) => ({
  memberId,
  displayName,
  nameFrom: "certificate" as const,
})

export const memberView =
  (book: TrustBook) =>
  (member: Member): MemberView => {
    const named = namedBy(book, member)
    const role = named.standing._tag === "Verified" ? named.standing.role : undefined
    return { ...named, role, protocol: member.protocol }
  }
