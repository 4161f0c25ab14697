/** `set_summary`: what this session is about, sealed to the members of each mesh. */
import { Effect, Schema } from "effect"
import { tool } from "../Tool.ts"

const summaryCharactersMax = 500

export const setSummary = tool({
  name: "set_summary",
  title: "Say what you work on",
  description:
    "Tell people on the mesh in a line or two what this session works on, so that they know whom to ask. Shown by list_peers; " +
    "encrypted for the members, the broker cannot read it.",
  readOnly: false,
  input: Schema.Struct({
    summary: Schema.String.check(Schema.isMinLength(1), Schema.isMaxLength(summaryCharactersMax)),
  }),
  run: ({ summary }, manager) =>
    Effect.map(
      Effect.forEach(
        manager.all,
        ({ membership: { slug }, setSummary }) =>
          setSummary(summary).pipe(
            Effect.as({ mesh: slug, taken: true, reason: "" }),
            Effect.catch((error) => Effect.succeed({ mesh: slug, taken: false, reason: error.message })),
          ),
        { concurrency: "unbounded" },
      ),
      (meshes) => ({
        text:
          meshes
            .map(({ mesh, reason, taken }) => (taken ? `${mesh}: set` : `${mesh}: not yet (${reason})`))
            .join("\n") || "No mesh is joined.",
        structured: { summary, meshes },
        isError: meshes.length > 0 && meshes.every(({ taken }) => !taken),
      }),
    ),
})
