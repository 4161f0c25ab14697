/** The inboxes of all joined meshes, as `Reading.ts` leases from them. */
import type { MeshManager } from "@claudemesh/client/MeshManager"
import { Effect } from "effect"
import type { Inboxes } from "./Reading.ts"

export const inboxesOf = ({ all, look }: Pick<MeshManager, "all" | "look">): Inboxes => ({
  waiting: look,
  lease: (messages, held) =>
    Effect.forEach(
      all.map((client) => ({ client, own: messages.filter(({ meshId }) => meshId === client.membership.meshId) })),
      ({ client, own }) => (own.length === 0 ? Effect.void : client.lease(own, held)),
      { concurrency: "unbounded", discard: true },
    ),
})
