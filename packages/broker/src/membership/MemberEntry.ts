/** A member as the others are told of it. */
import type { Member as MemberEntry } from "@claudemesh/domain/wire/BrokerFrame"
import type { Member } from "../state/MeshState.ts"

export const entryOf = ({ key, lastProtocol, record: { displayName, memberId } }: Member): MemberEntry => ({
  memberId,
  pubkey: key,
  displayName,
  ...(lastProtocol && { protocol: lastProtocol }),
})
