/** The inboxes of all joined meshes, as `Reading.ts` leases from them. */
import type { HeldMessage } from "@claudemesh/client/inbox/PushBuffer"
import { judged } from "@claudemesh/client/inbox/JudgeMessage"
import type { MeshManager } from "@claudemesh/client/MeshManager"
import { Effect } from "effect"
import type { Inboxes } from "./Reading.ts"

export const inboxesOf = ({ all }: Pick<MeshManager, "all">): Inboxes => ({
  waiting: Effect.map(
    Effect.forEach(all, ({ inbox }) => Effect.as(inbox.seenElsewhere, inbox), { concurrency: "unbounded" }),
    (inboxes) => inboxes.flatMap(({ waiting }) => waiting),
  ),
  lease: (messages) => {
    const ofMesh = (meshId: HeldMessage["meshId"]) => messages.filter((message) => message.meshId === meshId)
    return judged(
      Effect.sync(() => {
        const leases = all.map(({ inbox, membership }) => inbox.lease(ofMesh(membership.meshId)))
        return {
          messages: leases.flatMap((lease) => lease.messages),
          consumed: Effect.forEach(leases, ({ consumed }) => consumed, { discard: true }),
          putBack: Effect.forEach(leases, ({ putBack }) => putBack, { discard: true }),
        }
      }),
      (leased) =>
        Effect.forEach(
          all,
          ({ judge, membership }) => judge(leased.filter((one) => one.meshId === membership.meshId)),
          {
            concurrency: "unbounded",
          },
        ).pipe(Effect.map((ofMeshes) => ofMeshes.flat())),
    ).pipe(Effect.map((lease) => ({ messages: lease.messages, commit: lease.consumed, release: lease.putBack })))
  },
})
