/** One tool of the MCP server: what the model is told of it, how its input is checked, what it does. */
import type { History } from "@claudemesh/client/inbox/History"
import type { MeshManager } from "@claudemesh/client/MeshManager"
import { Effect, Schema } from "effect"
import { clamped, fitted } from "./Fit.ts"
import { meant } from "./Meant.ts"
import { errorCharactersMax } from "./Limits.ts"
import type { Reading } from "./Reading.ts"
import type { RequestId } from "./Unconfirmed.ts"
import { harmless } from "./WrapUntrusted.ts"
import { wrongInput } from "./WrongInput.ts"
import * as agentWords from "../words/agent.ts"

/** Text, and data only where a tool says so in its output schema: of a result with both, hosts show a model the data alone. */
export interface ToolResult {
  readonly text: string
  readonly isError?: boolean
  /** It has said what waits: that does not stand at its end again. */
  readonly saysWhatWaits?: boolean
  /** The same as data. What every answer ends with is added to it. */
  readonly data?: Readonly<Record<string, unknown>>
  /** For a program: nothing is said at its end. */
  readonly exact?: boolean
}

/** What a tool is called with. */
export interface ToolCall {
  readonly manager: MeshManager
  readonly reading: Reading
  readonly history: Pick<typeof History.Service, "find">
  readonly requestId: RequestId
  /** Of the tags of this answer, where a tool wraps something itself. */
  readonly newBoundary: Effect.Effect<string>
  /** How far it is, for a host that asked to be told. */
  readonly progress: (done: number, of: number, words: string) => Effect.Effect<void>
  /** Until the host has gone: what takes longer says now how far it has come. */
  readonly hostGone: Effect.Effect<void>
}

interface ObjectSchema {
  readonly type: "object"
  readonly [key: string]: unknown
}

/** What a host may ask its user about. Nothing here is destructive unless it says so. */
export interface Hints {
  readonly readOnly: boolean
  /** Something is lost by it. */
  readonly destructive?: boolean
  /** A second call with the same input changes nothing. */
  readonly idempotent?: boolean
  /** It reaches nobody beyond this machine. */
  readonly local?: boolean
}

export interface Tool extends Hints {
  readonly name: string
  readonly title: string
  readonly description: string
  readonly inputSchema: ObjectSchema
  readonly outputSchema?: ObjectSchema | undefined
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

export const noMesh = agentWords.noMeshIsJoinedAPersonJoins

/** A tool whose input is a schema: the model is shown it as JSON Schema, and what does not fit is answered. */
export const tool = <Fields extends Schema.Struct.Fields>(
  definition: Hints & {
    readonly name: string
    readonly title: string
    readonly description: string
    readonly input: Schema.Struct<Fields> & Schema.Decoder<Schema.Struct<Fields>["Type"]>
    readonly output?: Schema.Top
    readonly run: (input: Schema.Struct<Fields>["Type"], call: ToolCall) => Effect.Effect<ToolResult>
  },
): Tool => {
  const { input, output, run, ...rest } = definition
  const decode = Schema.decodeUnknownEffect(input)
  // Made when they are asked for: the first answer to a host does not wait for them.
  let asked: ObjectSchema | undefined
  const inputSchema = () =>
    (asked ??= { ...Schema.toJsonSchemaDocument(input).schema, type: "object", additionalProperties: false })
  return {
    ...rest,
    get inputSchema() {
      return inputSchema()
    },
    get outputSchema(): ObjectSchema | undefined {
      return output === undefined ? undefined : { ...Schema.toJsonSchemaDocument(output).schema, type: "object" }
    },
    call: (value, call) =>
      Effect.fromResult(meant(rest.name, value, inputSchema())).pipe(
        Effect.flatMap(decode),
        Effect.mapError((error) => failure(`${rest.name}: ${wrongInput(error)}`)),
        Effect.flatMap((decoded) => Effect.flatMap(call, (ready) => run(decoded, ready))),
        Effect.catch(Effect.succeed),
      ),
  }
}
