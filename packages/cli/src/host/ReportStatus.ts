/** Tells the meshes what the host's hooks saw. Nobody waits for it, and the same is not said again at each step. */
import type { MeshManager } from "@claudemesh/client/MeshManager"
import type { Status } from "@claudemesh/domain/routing/Status"
import { Effect } from "effect"
import { reportAgainMillis } from "./Limits.ts"

export const makeReports = () => {
  let last: { readonly status: Status; readonly atMillis: number } | undefined
  return (manager: Pick<MeshManager, "all">, status: Status, nowMillis: number) =>
    Effect.suspend(() => {
      if (last?.status === status && nowMillis - last.atMillis < reportAgainMillis) return Effect.void
      last = { status, atMillis: nowMillis }
      const reports = manager.all.map((client) => Effect.ignore(client.setStatus(status, { source: "hook" })))
      return Effect.asVoid(Effect.forkDetach(Effect.all(reports, { concurrency: "unbounded", discard: true })))
    })
}
