/** One tool of the MCP server: what the model is told of it, how its input is checked, what it does. */
import type { History } from "@claudemesh/client/inbox/History"
import type { MeshManager } from "@claudemesh/client/MeshManager"
import { Effect, Schema } from "effect"
import { clamped, fitted } from "./Fit.ts"
import { errorCharactersMax } from "./Limits.ts"
import type { Reading } from "./Reading.ts"
import type { RequestId } from "./Unconfirmed.ts"
import { harmless } from "./WrapUntrusted.ts"

/** Text and nothing else: of a result with data as well, hosts show a model the data alone. */
export interface ToolResult {
  readonly text: string
  readonly isError?: boolean
  /** It has said what waits: that does not stand at its end again. */
  readonly saysWhatWaits?: boolean
}

/** What a tool is called with. */
export interface ToolCall {
  readonly manager: MeshManager
  readonly reading: Reading
  readonly history: Pick<typeof History.Service, "find">
  readonly requestId: RequestId
  /** Of the tags of this answer, where a tool wraps something itself. */
  readonly newBoundary: Effect.Effect<string>
  /** Until the host has gone: what takes longer says now how far it has come. */
  readonly hostGone: Effect.Effect<void>
}

export interface Tool {
  readonly name: string
  readonly title: string
  readonly description: string
  readonly readOnly: boolean
  readonly inputSchema: { readonly type: "object"; readonly [key: string]: unknown }
  readonly call: (input: unknown, call: Effect.Effect<ToolCall, ToolResult>) => Effect.Effect<ToolResult>
}

export const failure = (text: string): ToolResult => ({
  text: clamped(harmless(text), errorCharactersMax),
  isError: true,
})

interface MeshOutcome {
  readonly mesh: string
  readonly problem: string | undefined
}

/** What was done in every mesh, and in which it is not done yet. */
export const eachMesh = (outcomes: ReadonlyArray<MeshOutcome>, done: string): ToolResult => {
  const lines = outcomes.map(({ mesh, problem }) =>
    problem === undefined ? `${mesh}: ${done}` : `${mesh}: not yet (${harmless(problem)})`,
  )
  const shown = fitted(lines, errorCharactersMax, (count) => `and ${count} more meshes`)
  return {
    text: shown.join("\n") || noMesh,
    isError: outcomes.length > 0 && outcomes.every(({ problem }) => problem !== undefined),
  }
}

export const noMesh = "No mesh is joined. A person joins one with the claudemesh command."

/** A tool whose input is a schema: the model is shown it as JSON Schema, and what does not fit is answered. */
export const tool = <Fields extends Schema.Struct.Fields>(definition: {
  readonly name: string
  readonly title: string
  readonly description: string
  readonly readOnly: boolean
  readonly input: Schema.Struct<Fields> & Schema.Decoder<Schema.Struct<Fields>["Type"]>
  readonly run: (input: Schema.Struct<Fields>["Type"], call: ToolCall) => Effect.Effect<ToolResult>
}): Tool => {
  const { input, run, ...rest } = definition
  const decode = Schema.decodeUnknownEffect(input)
  return {
    ...rest,
    inputSchema: { ...Schema.toJsonSchemaDocument(input).schema, type: "object" },
    call: (value, call) =>
      decode(value ?? {}).pipe(
        Effect.mapError((error) => failure(`${rest.name}: ${error.message}`)),
        Effect.flatMap((decoded) => Effect.flatMap(call, (ready) => run(decoded, ready))),
        Effect.catch(Effect.succeed),
      ),
  }
}
