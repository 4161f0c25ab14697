/**
 * Tells the meshes what the host's hooks saw. Nobody waits for it, and the same is not said again at each step. A report is sent when
 * the one before is answered, and only the last that waits, so that none arrives behind a later one.
 */
import type { BrokerClient } from "@claudemesh/client/BrokerClient"
import type { MeshId } from "@claudemesh/domain/Ids"
import type { Status } from "@claudemesh/domain/routing/Status"
import { Effect } from "effect"
import { reportAgainMillis } from "./Limits.ts"

type Reporting = Pick<BrokerClient, "setStatus"> & {
  readonly membership: Pick<BrokerClient["membership"], "meshId">
}

export const makeReports = () => {
  let last: { readonly status: Status; readonly atMillis: number } | undefined
  /** Of meshes to which one is under way: what is to be said behind it. */
  const waiting = new Map<MeshId, Status | undefined>()

  const tell = (client: Reporting, status: Status): Effect.Effect<void> =>
    Effect.ignore(client.setStatus(status, { source: "hook" })).pipe(
      Effect.flatMap(() => {
        const next = waiting.get(client.membership.meshId)
        waiting.set(client.membership.meshId, undefined)
        return next === undefined ? Effect.void : tell(client, next)
      }),
    )

  const report = (client: Reporting, status: Status): Effect.Effect<void> => {
    const { meshId } = client.membership
    if (waiting.has(meshId)) return Effect.sync(() => void waiting.set(meshId, status))
    waiting.set(meshId, undefined)
    return Effect.asVoid(
      Effect.forkDetach(
        Effect.ensuring(
          tell(client, status),
          Effect.sync(() => void waiting.delete(meshId)),
        ),
      ),
    )
  }

  return (manager: { readonly all: ReadonlyArray<Reporting> }, status: Status, nowMillis: number) =>
    Effect.suspend(() => {
      if (last?.status === status && nowMillis - last.atMillis < reportAgainMillis) return Effect.void
      last = { status, atMillis: nowMillis }
      return Effect.forEach(manager.all, (client) => report(client, status), { discard: true })
    })
}
