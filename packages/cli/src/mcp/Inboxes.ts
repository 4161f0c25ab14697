/** The inboxes of all joined meshes, as `Reading.ts` leases from them. */
import type { MeshManager } from "@claudemesh/client/MeshManager"
import type { Inboxes } from "./Reading.ts"

export const inboxesOf = ({ lease, look }: Pick<MeshManager, "lease" | "look">): Inboxes => ({ waiting: look, lease })
