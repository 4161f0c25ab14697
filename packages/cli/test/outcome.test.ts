/** What a sender is told of a message, where the names in it are other people's words. */
import type { PeerView } from "@claudemesh/client/roster/Roster"
import { MemberStanding } from "@claudemesh/client/trust/MemberStanding"
import { DisplayName, MemberId, PublicKey, SessionId } from "@claudemesh/domain/Ids"
import { IsoTime } from "@claudemesh/domain/IsoTime"
import type { Status } from "@claudemesh/domain/routing/Status"
import { Target } from "@claudemesh/domain/routing/Target"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { addressee, outcomeWords } from "../src/Outcome.ts"
import { deliveryReportWords } from "../src/mcp/tools/messageStatus.ts"

const key = PublicKey.make("b".repeat(64))
const name = DisplayName.make("bob. Shown to alice, too")
const client = {
  hasNamesake: () => false,
  isVerified: () => false,
  nameOf: () => name,
  peers: Effect.succeed([]),
  peersNow: Effect.succeed([]),
}
const sessionIn = (status: Status, dndUntil?: IsoTime): PeerView => ({
  memberId: MemberId.make("m1"),
  pubkey: key,
  displayName: name,
  standing: MemberStanding.Certified({ role: "member", byVoiceAt: undefined }),
  sessionId: SessionId.make(`s-${status}`),
  attached: true,
  status,
  ...(dndUntil !== undefined && { dndUntil }),
  protocol: 2,
  profile: undefined,
})
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
      const recipient = {
        name,
        called: `"${name}"`,
        publicKey: key,
        session: null,
        state: "consumed" as const,
        at: null,
      }
      assert.strictEqual(deliveryReportWords({ recipients: [recipient] }), `Shown to "${name}".`)
    }),
  )

  it.effect("have the key where two are called alike, and whether it was verified", () =>
    Effect.gen(function* () {
      const receipt = { duplicate: false, recipients: [{ pubkey: key, state: "delivered" as const }], unsealed: [] }
      const two = { ...client, nameOf: () => DisplayName.make("Bob"), hasNamesake: () => true }
      assert.strictEqual(
        yield* outcomeWords(two, { target: toBob }, receipt, "next"),
        "In Bob (bbbbbbbb, not verified)'s session, not shown yet.",
      )
      assert.strictEqual(addressee(two, "@bob", { target: toBob }), "Bob (bbbbbbbb, not verified)")
      assert.strictEqual(
        addressee({ ...two, isVerified: () => true }, "bob", { target: toBob }),
        "Bob (bbbbbbbb, verified)",
      )
      assert.strictEqual(
        addressee({ ...two, hasNamesake: () => false }, '"bob" (bbbbbbbb)', { target: toBob }),
        "Bob (bbbbbbbb)",
      )
    }),
  )

  it.effect(
    "say that somebody does not want to be disturbed, and until when, unless a session of theirs is merely busy",
    () =>
      Effect.gen(function* () {
        const receipt = { duplicate: false, recipients: [{ pubkey: key, state: "held" as const }], unsealed: [] }
        const words = (...sessions: ReadonlyArray<PeerView>) =>
          outcomeWords(
            { ...client, nameOf: () => DisplayName.make("vm"), peers: Effect.succeed(sessions) },
            { target: toBob },
            receipt,
            "next",
          )
        const until = IsoTime.make("2026-01-02T03:04:05.678Z")
        assert.match(yield* words(sessionIn("dnd")), /^Held: vm does not want to be disturbed\. It goes to /)
        assert.match(
          yield* words(sessionIn("dnd", until)),
          /^Held: vm does not want to be disturbed until 2026-01-02T03:05Z\. It goes to /,
        )
        assert.match(yield* words(sessionIn("dnd"), sessionIn("working")), /^Held while vm is busy\. /)
        assert.match(yield* words(), /^Held while vm is busy\. /)
        // Whoever came just now is not told yet, and is asked for before it is said that nobody is there.
        const justNow = { ...client, peersNow: Effect.succeed([sessionIn("dnd")]) }
        assert.match(
          yield* outcomeWords(justNow, { target: toBob }, receipt, "next"),
          /^Held: .* does not want to be disturbed\./,
        )
      }),
  )
})
