/** Takes over what the person says at a terminal: `claudemesh status dnd` is for every agent of this machine. */
import type { MeshManager } from "@claudemesh/client/MeshManager"
import { type PersonStatus, personStatus } from "@claudemesh/client/local/PersonStatus"
import { Clock, Effect, Option } from "effect"
import { personLookMillis } from "./Limits.ts"

/** Runs for as long as the session. It looks as soon as a mesh is joined, since there is nothing to look at before. */
export const takesPersonsWord = Effect.fnUntraced(function* (
  manager: Pick<MeshManager, "all" | "setStatusEverywhere">,
) {
  let known: PersonStatus | undefined
  let isFirst = true
  while (true) {
    const word = manager.all.length === 0 ? Option.none() : yield* Effect.option(personStatus)
    if (Option.isSome(word)) {
      const said = word.value
      // What ended before this session began is none of its business.
      if (said !== undefined && said.number !== known?.number && !(isFirst && said.status === "idle")) {
        yield* take(manager, said)
      }
      known = said
      isFirst = false
    }
    yield* Effect.sleep(personLookMillis)
  }
})

const take = Effect.fnUntraced(function* (
  { setStatusEverywhere }: Pick<MeshManager, "setStatusEverywhere">,
  { status, untilMillis }: PersonStatus,
) {
  if (status === "idle" || untilMillis === null) return yield* setStatusEverywhere(status)
  const forSeconds = Math.ceil((untilMillis - (yield* Clock.currentTimeMillis)) / 1_000)
  return forSeconds > 0 ? yield* setStatusEverywhere(status, { forSeconds }) : undefined
})
