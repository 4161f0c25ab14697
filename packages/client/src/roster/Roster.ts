/**
 * Who is in the mesh: those whom this machine knows by their certificates, whether the broker lists them or not, and the
 * keys that the broker lists beside them. A name is a certificate's. What the broker calls a key is no name.
 */
import type { DisplayName, MemberId, PublicKey } from "@claudemesh/domain/Ids"
import type { Role } from "@claudemesh/domain/trust/Invite"
import type { Profile } from "@claudemesh/domain/trust/Plaintext"
import type { Member, Peer } from "@claudemesh/domain/wire/BrokerFrame"
import { brokerWords } from "../connection/BrokerWords.ts"
import type { MemberStanding } from "../trust/MemberStanding.ts"
import type { TrustStore } from "../trust/TrustStore.ts"

/** As the broker last said it: all members, and the sessions that are attached or expected back. */
export interface Roster {
  readonly members: ReadonlyArray<Member>
  readonly peers: ReadonlyArray<Peer>
}

interface View {
  readonly memberId: MemberId
  readonly pubkey: PublicKey
  readonly role: Role | undefined
  readonly standing: MemberStanding
  readonly protocol: Member["protocol"]
  /** Whether the broker lists it. It may hide a member, and list a key of its own. */
  readonly isListed: boolean
}

/** It was certified once; its standing says whether it is a member still. */
export interface CertifiedView extends View {
  readonly displayName: DisplayName
}

/** A key that the broker lists, and that nobody certified as far as this machine knows. */
export interface UncertifiedView extends View {
  readonly displayName: undefined
  /** What the broker calls it. It explains, and finds nobody. */
  readonly brokerSays: string
}

export type MemberView = CertifiedView | UncertifiedView

/** A live session; `displayName` is its member's. What it says of itself, its own name too, is there if it is proved. */
export type PeerView = Omit<Peer, "profile" | "displayName"> &
  Pick<MemberView, "displayName" | "standing"> & { readonly profile: Profile | undefined }

/** A key by its certificate, where there is one, and not by what the broker says of it. */
export const namedBy = (store: TrustStore, { memberId, pubkey }: Pick<Member, "memberId" | "pubkey">) => {
  const certificate = store.certificateOf(pubkey)
  return {
    pubkey,
    memberId: certificate?.memberId ?? memberId,
    displayName: store.nameOf(pubkey),
    standing: store.standingOf(pubkey, memberId),
  }
}

const viewOf = (
  store: TrustStore,
  who: Pick<Member, "memberId" | "pubkey">,
  listed: Member | undefined,
): CertifiedView | UncertifiedView => {
  const { displayName, ...named } = namedBy(store, who)
  const view = {
    ...named,
    role: named.standing._tag === "Certified" ? named.standing.role : undefined,
    protocol: listed?.protocol,
    isListed: listed !== undefined,
  }
  return displayName === undefined
    ? { ...view, displayName, brokerSays: brokerWords(listed?.displayName ?? "") }
    : { ...view, displayName }
}

const isCertified = (view: MemberView): view is CertifiedView => view.displayName !== undefined
const isUncertified = (view: MemberView): view is UncertifiedView => view.displayName === undefined

/** Whom the broker lists, in its order, and who was certified here once without being listed now. */
const listedAndOthers = (store: TrustStore, { members }: Pick<Roster, "members">) => {
  const keys = new Set(members.map(({ pubkey }) => pubkey))
  const others = store.members.flatMap(({ memberId, publicKey: pubkey }) =>
    keys.has(pubkey) ? [] : [viewOf(store, { memberId, pubkey }, undefined)],
  )
  return { listed: members.map((member) => viewOf(store, member, member)), others: others.filter(isCertified) }
}

/** All who were ever certified, and who else the broker lists. */
export const everyone = (store: TrustStore, roster: Pick<Roster, "members">) => {
  const { listed, others } = listedAndOthers(store, roster)
  return { certified: [...listed.filter(isCertified), ...others], uncertified: listed.filter(isUncertified) }
}

/** For a list: whom the broker lists, members or not, and the members whom it does not. */
export const listOf = (store: TrustStore, roster: Pick<Roster, "members">): ReadonlyArray<MemberView> => {
  const { listed, others } = listedAndOthers(store, roster)
  return [...listed, ...others.filter(({ standing }) => standing._tag === "Certified")]
}
