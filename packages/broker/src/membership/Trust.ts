/** The signed records behind the members, passed on as they were signed: the broker's word counts for nothing in them. */
import { trustRevocationsMax } from "@claudemesh/domain/Limits"
import type { GetTrust } from "@claudemesh/domain/wire/ClientFrame"
import type { Decision } from "../state/Decision.ts"
import { Action } from "../state/MeshCommand.ts"
import type { Connection } from "../state/MeshState.ts"

export const getTrust = (decision: Decision, { peer }: Connection, { after, id, keys }: GetTrust): void => {
  const { actions } = decision
  const { register } = decision.state
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
