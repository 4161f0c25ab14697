/** `set_status`: in every mesh, and which of them took it. */
import { Status } from "@claudemesh/domain/routing/Status"
import { Effect, Schema } from "effect"
import { eachMesh, tool } from "../Tool.ts"

export const setStatus = tool({
  name: "set_status",
  title: "Set your status on the mesh",
  description:
    "Tell people on all joined meshes whether you may be disturbed. idle: messages come at once. working: only urgent ones, and " +
    "it ends by itself. dnd: only urgent ones, until you change it.",
  readOnly: false,
  input: Schema.Struct({ status: Status }),
  run: ({ status }, { manager }) =>
    Effect.map(manager.setStatusEverywhere(status), (outcomes) =>
      eachMesh(
        outcomes.map((outcome) => ({
          mesh: outcome.slug,
          problem: outcome._tag === "Failed" ? `${outcome.reason}; it is set when the connection is back` : undefined,
        })),
        status,
      ),
    ),
})
