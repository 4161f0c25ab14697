import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import { addressed } from "../../src/mcp/ReplyTarget.ts"

const nowhere = { all: [], route: (): never => assert.fail("Nobody is asked for.") }

it.effect.each([
  { id: "a".repeat(8), target: "bob" },
  { id: "a".repeat(32), target: "bob" },
  { id: "a".repeat(32), target: undefined },
])("answers no message that was never shown here: $id to $target", ({ id, target }) =>
  Effect.gen(function* () {
    const history = {
      find: () => Effect.succeed([]),
      list: Effect.succeed([]),
      add: () => Effect.void,
      erase: () => Effect.void,
    }
    const error = yield* Effect.flip(addressed({ history, manager: nowhere }, target, id))
    assert.deepInclude(error, { _tag: "NoReplyTarget", id, why: "not_kept", hasTarget: target !== undefined })
    assert.match(error.message, /^Nothing was sent: message a+ is not kept on this machine/)
    assert.strictEqual(error.message.includes("Say who gets the answer"), target === undefined)
  }),
)
