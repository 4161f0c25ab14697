/** One tool of the MCP server: what the model is told of it, how its input is checked, what it does. */
import type { MeshManager } from "@claudemesh/client/MeshManager"
import { Effect, Schema } from "effect"
import { harmless } from "./WrapUntrusted.ts"

export interface ToolResult {
  /** For the model to read. */
  readonly text: string
  /** The words of `text` for hosts that show a model the data alone, where they are not all of `text`. */
  readonly says?: string
  /** The same as data. */
  readonly structured: Readonly<Record<string, unknown>>
  readonly isError?: boolean
  /** Carried out once the host has the result, or once it is known that it will not have it. */
  readonly handOver?: { readonly sent: Effect.Effect<void>; readonly notSent: Effect.Effect<void> }
}

export interface Tool {
  readonly name: string
  readonly title: string
  readonly description: string
  readonly readOnly: boolean
  readonly inputSchema: { readonly type: "object"; readonly [key: string]: unknown }
  readonly call: (input: unknown, manager: MeshManager) => Effect.Effect<ToolResult>
}

export const failure = (text: string, structured: Readonly<Record<string, unknown>> = {}): ToolResult => ({
  text: harmless(text),
  structured,
  isError: true,
})

/** A tool whose input is a schema: the model is shown it as JSON Schema, and what does not fit is answered. */
export const tool = <Fields extends Schema.Struct.Fields>(definition: {
  readonly name: string
  readonly title: string
  readonly description: string
  readonly readOnly: boolean
  readonly input: Schema.Struct<Fields> & Schema.Decoder<Schema.Struct<Fields>["Type"]>
  readonly run: (input: Schema.Struct<Fields>["Type"], manager: MeshManager) => Effect.Effect<ToolResult>
}): Tool => {
  const { input, run, ...rest } = definition
  const decode = Schema.decodeUnknownEffect(input)
  return {
    ...rest,
    inputSchema: { ...Schema.toJsonSchemaDocument(input).schema, type: "object" },
    call: (value, manager) =>
      decode(value ?? {}).pipe(
        Effect.flatMap((decoded) => run(decoded, manager)),
        Effect.catchTag("SchemaError", (error) => Effect.succeed(failure(`${rest.name}: ${error.message}`))),
      ),
  }
}
