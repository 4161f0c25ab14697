/** Hooks as `hooks.json` of a plugin and the settings of Claude Code have them: of an event, groups of what is called. */
import { Schema } from "effect"

export const Handler = Schema.StructWithRest(Schema.Struct({ type: Schema.String }), [
  Schema.Record(Schema.String, Schema.Unknown),
])
export const Group = Schema.StructWithRest(Schema.Struct({ hooks: Schema.Array(Handler) }), [
  Schema.Record(Schema.String, Schema.Unknown),
])
export const PluginHooks = Schema.Struct({ hooks: Schema.Record(Schema.String, Schema.Array(Group)) })
export type PluginHooks = typeof PluginHooks.Type
