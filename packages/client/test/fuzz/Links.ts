/** Invite links: any text as a link, and any invite that can be signed written as one and read again. */
import { Invite } from "@claudemesh/domain/trust/Invite"
import { Cause, Effect, Exit, Option, Schema } from "effect"
import { claim, claimSame, type Fuzzed } from "../../../domain/test/fuzz/Fuzz.ts"
import { BrokerUrl } from "../../src/keys/BrokerUrl.ts"
import { formatInviteLink, parseInviteLink } from "../../src/invite/InviteLink.ts"
import { newInvite } from "../../src/invite/NewInvite.ts"
import { signInvite } from "../../src/keys/SignRecords.ts"
import { Sodium } from "../../src/keys/Sodium.ts"
import { adminOf, forAdmins, forMembers, owner, withChecksum } from "../support/Invites.ts"

const decodeInvite = Schema.decodeUnknownOption(Schema.fromJsonString(Invite))
const isBrokerUrl = Schema.is(BrokerUrl)
const refusals: ReadonlySet<string> = new Set(["LinkBroken", "LinkForged", "LinkExpired"])

export const linkDecoders = Effect.gen(function* () {
  const sodium = yield* Sodium
  const olga = yield* owner()
  const [own, more] = [yield* newInvite(olga, forMembers), yield* newInvite(olga, { ...forAdmins, uses: 900 })]
  const { secretKey } = yield* parseInviteLink(own.link)
  const ofAdmin = yield* newInvite(yield* adminOf(olga), forMembers)

  const read = (text: string) => {
    const exit = Effect.runSyncExit(Effect.provideService(parseInviteLink(text), Sodium, sodium))
    if (Exit.isSuccess(exit)) return exit.value
    const error = Option.getOrUndefined(Cause.findErrorOption(exit.cause))
    claim(refusals.has(error?._tag ?? ""), `it failed with ${Cause.pretty(exit.cause).slice(0, 300)}`)
    claim((error?.message.length ?? 0) < 400, "the refusal is long")
    return error?._tag
  }

  const asText: Fuzzed = {
    name: "InviteLink",
    examples: [own.link, more.link, ofAdmin.link],
    check: (input) => {
      for (const text of [input, withChecksum(input)]) {
        const link = read(text)
        if (typeof link === "object") claim(formatInviteLink(link) === text, "another text is the same link")
      }
      // Of what is no good link, how it is refused: it is damaged to the eye, or only its signatures say so.
      return typeof read(withChecksum(input)) === "object" || read(withChecksum(input)) !== "LinkBroken"
    },
  }
  const asInvite: Fuzzed = {
    name: "InviteLink:signed",
    examples: [own, more].map(({ invite }) => JSON.stringify({ ...invite, publicKey: own.invite.publicKey })),
    check: (input) => {
      const invite = Option.getOrUndefined(decodeInvite(input))
      if (invite === undefined || !isBrokerUrl(invite.brokerUrl)) return false
      const signed = signInvite(sodium, { ...invite, publicKey: own.invite.publicKey }, own.signer.secretKey)
      const text = formatInviteLink({ invite: signed, brokerUrl: invite.brokerUrl, secretKey })
      const link = read(text)
      if (typeof link !== "object") return false
      claimSame(link.invite, signed, "an invite is another one when it is read from its link")
      return true
    },
  }
  return [asText, asInvite]
})
