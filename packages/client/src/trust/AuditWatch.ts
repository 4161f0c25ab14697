/** What a client does with the head of its mesh's audit that a broker tells: it is kept, and what does not go on from it is named in an alarm, once. */
import type { AuditHead } from "@claudemesh/domain/wire/BrokerFrame"
import { Clock, Effect } from "effect"
import type { BrokerUrl } from "../keys/BrokerUrl.ts"
import type { Membership } from "../keys/Membership.ts"
import { findingWords, KeptHeads } from "./KeptHeads.ts"
import type { TrustSync } from "./TrustSync.ts"

export interface AuditWatch {
  /** Of `hello_ack` and `pong`, where they have one. */
  readonly told: (head: AuditHead | undefined) => Effect.Effect<void>
  /** At a connection: what a command of this machine has found meanwhile, for an agent. */
  readonly recall: Effect.Effect<void>
}

interface Parts {
  readonly membership: Membership
  /** Where the mesh is now. */
  readonly broker: () => BrokerUrl
  /** Its alarms reach an agent. */
  readonly isForAgent: boolean
  readonly alarm: TrustSync["alarm"]
}

export const makeAuditWatch = Effect.fnUntraced(function* ({
  alarm,
  broker,
  isForAgent,
  membership: { meshId },
}: Parts) {
  const kept = yield* KeptHeads
  const notKept = ({ message }: { readonly message: string }) =>
    alarm(`what the broker says of its record is not kept: ${message}`)
  const watch: AuditWatch = {
    told: (head) =>
      head === undefined
        ? Effect.void
        : Effect.gen(function* () {
            const { rotations = [], ...signed } = head
            const nowMillis = yield* Clock.currentTimeMillis
            const found = yield* kept.learn(
              broker(),
              { mesh: meshId, kind: "head", ...signed },
              rotations,
              nowMillis,
              isForAgent,
            )
            if (found !== undefined) yield* alarm(findingWords(found))
          }).pipe(Effect.catch(notKept)),
    recall: isForAgent
      ? Effect.flatMap(kept.takeUntold(meshId), (all) =>
          Effect.forEach(all, (one) => alarm(findingWords(one)), { discard: true }),
        ).pipe(Effect.catch(notKept))
      : Effect.void,
  }
  return watch
})
