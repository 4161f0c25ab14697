/** What a person types and reads about names, messages and themselves: one broker, and the homes that the scripts make. */
import { it } from "@effect/vitest"
import { Effect } from "effect"
import { startBroker, temporaryFolder } from "../../../broker/test/support/TestBroker.ts"
import { playTranscript } from "./Transcript.ts"

it.live("a mesh moves to another broker as the transcript has it", () =>
  Effect.scoped(
    Effect.gen(function* () {
      const [first, second] = [yield* startBroker(), yield* startBroker()]
      const folder = yield* temporaryFolder
      const brokers = { CLAUDEMESH_BROKER: first.url, BROKER1: first.url, BROKER2: second.url }
      yield* Effect.promise(() => playTranscript("move.txt", folder, { ...brokers, CLAUDEMESH_PROFILE: "none" }))
    }),
  ),
)

it.live("people, names and messages are as the transcript has them", () =>
  Effect.scoped(
    Effect.gen(function* () {
      const broker = yield* startBroker()
      const folder = yield* temporaryFolder
      yield* Effect.promise(() =>
        playTranscript("people.txt", folder, {
          CLAUDEMESH_BROKER: broker.url,
          // The folder and the host are this machine's.
          CLAUDEMESH_PROFILE: "none",
        }),
      )
    }),
  ),
)
