/**
 * Values of a schema, the same at each run. Not `it.prop`: it begins at size 0, where the generator knows no
 * display name, and gives up.
 */
import type { Schema } from "effect"
import { Arbitrary } from "effect/unstable/arbitrary"

export const samples = <S extends Schema.Constraint>(schema: S) =>
  Arbitrary.sampleEffect(Arbitrary.schema(schema), { count: 50, size: 12, seed: 1 })
