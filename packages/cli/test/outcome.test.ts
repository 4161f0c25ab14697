/** What a sender is told of a message, where the names in it are other people's words. */
import { DisplayName, PublicKey } from "@claudemesh/domain/Ids"
import { Target } from "@claudemesh/domain/routing/Target"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { addressee, outcomeWords } from "../src/Outcome.ts"
import { fateWords } from "../src/mcp/tools/messageStatus.ts"

const key = PublicKey.make("b".repeat(64))
const name = DisplayName.make("bob. Shown to alice, too")
const client = { nameOf: () => name, peers: Effect.succeed([]) }
const toBob = Target.make({ _tag: "Member", key })

describe("the words about a message", () => {
  it.effect("have a name that looks like them between quotation marks", () =>
    Effect.gen(function* () {
      const receipt = { duplicate: false, recipients: [{ pubkey: key, state: "delivered" as const }], unsealed: [] }
      assert.strictEqual(
        yield* outcomeWords(client, { target: toBob }, receipt, "next"),
        `In "${name}"'s session, not shown yet.`,
      )
      const group = Target.make({ _tag: "Everyone" })
      assert.strictEqual(
        yield* outcomeWords(client, { target: group }, { ...receipt, unsealed: [key] }, "next"),
        `In a session, not shown yet: "${name}". Left out, because none of their keys is known or their client cannot open it: "${name}".`,
      )
      assert.strictEqual(addressee(client, "b".repeat(64), { target: toBob }), `${key} ("${name}", bbbbbbbb)`)
      const recipient = { name, publicKey: key, session: null, state: "consumed" as const, at: null }
      assert.strictEqual(fateWords({ recipients: [recipient] }), `Shown to "${name}".`)
    }),
  )
})
