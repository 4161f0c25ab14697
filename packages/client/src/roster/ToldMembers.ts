/** The members, as the broker lists them, page by page. What is known is replaced once the last page is there. */
import type { PublicKey } from "@claudemesh/domain/Ids"
import type { Member, Members } from "@claudemesh/domain/wire/BrokerFrame"
import { pinnedMembersMax } from "../Limits.ts"

interface Gathered {
  readonly members: ReadonlyArray<Member>
  readonly more: PublicKey
}

export class ToldMembers {
  #all: ReadonlyArray<Member> = []
  #gathered: Gathered | undefined

  get all(): ReadonlyArray<Member> {
    return this.#all
  }

  /** Another connection lists anew. */
  lost(): void {
    this.#gathered = undefined
  }

  list({ after, members, more }: Members): void {
    const before = after === undefined ? undefined : this.#gathered
    // Of a list that was given up for another one.
    if (after !== undefined && before?.more !== after) return
    const all = [...(before?.members ?? []), ...members]
    if (more !== undefined && all.length < pinnedMembersMax) {
      this.#gathered = { members: all, more }
      return
    }
    this.#gathered = undefined
    this.#all = all
  }

  /** False: there are too many already. */
  joined(member: Member): boolean {
    if (this.#all.length >= pinnedMembersMax) return false
    this.#all = withMember(this.#all, member)
    // A page that comes later may not have it: its place may be on one that was before.
    if (this.#gathered !== undefined) {
      this.#gathered = { ...this.#gathered, members: withMember(this.#gathered.members, member) }
    }
    return true
  }

  /** What a session speaks is what its member's last session spoke. */
  spoke(protocols: ReadonlyMap<PublicKey, Member["protocol"]>): void {
    if (this.#all.every(({ protocol, pubkey }) => (protocols.get(pubkey) ?? protocol) === protocol)) return
    this.#all = this.#all.map((member) => {
      const protocol = protocols.get(member.pubkey)
      return protocol === undefined ? member : { ...member, protocol }
    })
  }
}

const withMember = (members: ReadonlyArray<Member>, member: Member): ReadonlyArray<Member> => [
  ...members.filter(({ pubkey }) => pubkey !== member.pubkey),
  member,
]
