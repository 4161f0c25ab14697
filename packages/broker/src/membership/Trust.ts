/** The signed records behind the members, passed on as they were signed: the broker's word counts for nothing in them. */
import { trustRevocationsMax } from "@claudemesh/domain/Limits"
import type { GetTrust } from "@claudemesh/domain/wire/ClientFrame"
import { Action } from "../state/MeshCommand.ts"
import type { Connection, MeshState } from "../state/MeshState.ts"

export const getTrust = (
  { register }: MeshState,
  { peer }: Connection,
  { after, id, keys }: GetTrust,
  actions: Array<Action>,
): void => {
  const revocations = register.revocations.slice(after, after + trustRevocationsMax)
  // Whether a revocation counts depends on who signed it, and on whose key it ends.
  const parties = revocations.flatMap(({ by, subject }) => [by, subject])
  const { certificates, invites } = register.recordsBehind([...keys, ...parties])
  const ended = revocations.flatMap(({ subject }) => register.invites.get(subject) ?? [])
  actions.push(
    Action.Send({
      peer,
      frame: {
        type: "trust",
        id,
        certificates,
        invites: [...new Set([...invites, ...ended])],
        revocations,
        version: register.version,
      },
    }),
  )
}
