/** `set_status`: in every mesh, and which of them took it. */
import { Status } from "@claudemesh/domain/routing/Status"
import { Effect, Schema } from "effect"
import { tool } from "../Tool.ts"

export const setStatus = tool({
  name: "set_status",
  title: "Set your status on the mesh",
  description:
    "Tell people on all joined meshes whether you may be disturbed. idle: messages come at once. working: only urgent ones, and " +
    "it ends by itself. dnd: only urgent ones, until you change it.",
  readOnly: false,
  input: Schema.Struct({ status: Status }),
  run: ({ status }, manager) =>
    Effect.map(manager.setStatusEverywhere(status), (outcomes) => {
      const meshes = outcomes.map((outcome) => ({
        mesh: outcome.slug,
        taken: outcome._tag === "Taken",
        ...(outcome._tag === "Failed" && { reason: outcome.reason }),
      }))
      const lines = meshes.map(({ mesh, reason, taken }) =>
        taken ? `${mesh}: ${status}` : `${mesh}: not yet (${reason}); it is set when the connection is back`,
      )
      return {
        text: lines.length === 0 ? "No mesh is joined." : lines.join("\n"),
        structured: { status, meshes },
        isError: meshes.length > 0 && meshes.every(({ taken }) => !taken),
      }
    }),
})
