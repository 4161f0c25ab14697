/** Chance that always falls in the middle: a delay of a back-off is then as long as it says, and time can be counted. */
import { Layer, Random } from "effect"

export const noSpread = Layer.succeed(Random.Random, { nextDoubleUnsafe: () => 0.5, nextIntUnsafe: () => 0 })
