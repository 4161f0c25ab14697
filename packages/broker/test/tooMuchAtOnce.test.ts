/** What is kept in a group commit and is too much for one transaction holds up nobody for ever. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { TestClock } from "effect/testing"
import { Written } from "../src/store/MessageStore.ts"
import { fails, moved, settled, scenario } from "./support/GroupCommitScript.ts"
import { acceptOf, messageOf } from "./support/Stores.ts"

describe("inboxes that move", () => {
  it.effect("go a few at a time, since each may have thousands of messages (I23)", () =>
    scenario((script) =>
      Effect.gen(function* () {
        yield* script.submit(...Array.from({ length: 100 }, (_, n) => moved(`s${n}`)))
        yield* Effect.repeat(settled, { times: 5 })
        assert.isAtMost(Math.max(...script.batches.map((batch) => batch.length)), 16)
        assert.strictEqual(script.ends.length, 100)
      }),
    ),
  )
})

describe("kept writes that one transaction has no time for", () => {
  it.effect("are tried with fewer at a time, until the group commit goes on (I23, I24)", () =>
    scenario((script) =>
      Effect.gen(function* () {
        // As a database whose statement runs into its time: each inbox that moves has ten thousand messages.
        script.answer = (batch) =>
          batch.filter(({ write }) => write._tag === "InboxMoved").length > 5
            ? Effect.andThen(Effect.sleep("4 seconds"), fails("unavailable")(batch))
            : Effect.succeed(batch.map(() => Written.Done()))
        yield* script.submit(...Array.from({ length: 200 }, (_, n) => moved(`s${n}`)))
        yield* settled
        for (let tries = 0; tries < 30; tries++) {
          yield* TestClock.adjust("6 seconds")
          yield* settled
        }
        yield* script.submit(acceptOf(messageOf(1)))
        yield* settled
        // Else the end of the group commit would wait for what it still keeps.
        script.answer = (batch) => Effect.succeed(batch.map(() => Written.Done()))
        assert.strictEqual(script.ends.at(-1), "accept 1: Done")
        assert.strictEqual(script.ends.filter((end) => end.endsWith("Done")).length, 201)
      }),
    ),
  )
})
