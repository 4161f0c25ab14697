/** `set_summary`: what this session is about, sealed to the members of each mesh. */
import { Effect, Schema } from "effect"
import { summaryCharactersMax } from "../Limits.ts"
import { eachMesh, tool } from "../Tool.ts"
import * as toolWords from "../../words/tools.ts"

export const setSummary = tool({
  name: "set_summary",
  title: toolWords.sayWhatYouWorkOn,
  description: toolWords.tellPeopleOnTheMeshInA,
  readOnly: false,
  idempotent: true,
  input: Schema.Struct({
    summary: Schema.String.check(Schema.isMinLength(1), Schema.isMaxLength(summaryCharactersMax)),
  }),
  run: ({ summary }, { manager }) =>
    Effect.map(
      Effect.forEach(
        manager.all,
        ({ membership: { slug: mesh }, setSummary }) =>
          setSummary(summary).pipe(
            Effect.as({ mesh, problem: undefined }),
            Effect.catch((error) => Effect.succeed({ mesh, problem: error.message })),
          ),
        { concurrency: "unbounded" },
      ),
      (outcomes) => eachMesh(outcomes, "set"),
    ),
})
