/** Whoever waits for a broker longer than a moment is told so on stderr, once for each broker; a script that reads JSON is not. */
import { WaitNotice } from "@claudemesh/client/connection/Patience"
import { Effect, Layer } from "effect"
import { aside, printable } from "../Output.ts"

export const waits = Layer.sync(WaitNotice, () => {
  if (process.argv.includes("--json")) return undefined
  const told = new Set<string>()
  return (words: string) =>
    Effect.suspend(() => {
      if (told.has(words)) return Effect.void
      told.add(words)
      return aside(printable(`claudemesh: ${words}`))
    })
})
