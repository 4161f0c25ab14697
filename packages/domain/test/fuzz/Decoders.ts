/** The domain's decoders, each with what is claimed of every input: nothing throws, and what is accepted is exact. */
import { createHash } from "node:crypto"
import { Option, Result, Schema } from "effect"
import { ClientMessageId, MeshId, type PublicKey, Signature } from "../../src/Ids.ts"
import { IsoTime } from "../../src/IsoTime.ts"
import { formatTarget, parseTarget } from "../../src/routing/Target.ts"
import { encodeGroupMessage, readGroupMessage } from "../../src/trust/GroupMessage.ts"
import { Invite } from "../../src/trust/Invite.ts"
import { messageIdOf } from "../../src/trust/MessageIdentity.ts"
import { encodeEnvelope, type Envelope, type Plaintext, readPlaintext } from "../../src/trust/Plaintext.ts"
import { Revocation } from "../../src/trust/Revocation.ts"
import { formatProof, parseProof } from "../../src/trust/SignedRequest.ts"
import { decodeBrokerFrame, encodeBrokerFrame } from "../../src/wire/BrokerFrame.ts"
import { decodeClientFrame, encodeClientFrame } from "../../src/wire/ClientFrame.ts"
import { CreateMesh, Health, HttpError, Join, MeshCreated } from "../../src/wire/HttpApi.ts"
import { alice, desktop, laptop, mesh } from "../support/Cast.ts"
import * as Examples from "./Examples.ts"
import { claim, claimSame, type Fuzzed } from "./Fuzz.ts"

const refusals: ReadonlySet<string> = new Set(["malformed", "unknown_type", "bad_target"])

const clientFrame: Fuzzed = {
  name: "decodeClientFrame",
  examples: Examples.clientFrames,
  check: (input) => {
    const decoded = decodeClientFrame(input)
    if (Result.isFailure(decoded)) {
      const { code, id, message } = decoded.failure
      claim(refusals.has(code), `the refusal ${code} is none of the list`)
      claim(id === undefined || /^[A-Za-z0-9._:-]{1,64}$/.test(id), "an id is echoed that could not have been one")
      claim(message.length < 60, "a refusal says what it was sent")
      return false
    }
    const again = decodeClientFrame(encodeClientFrame(decoded.success))
    claim(Result.isSuccess(again), "what was accepted is refused when it is encoded again")
    claimSame(Result.getOrUndefined(again), decoded.success, "what was accepted is another frame when encoded again")
    return true
  },
}

const brokerFrame: Fuzzed = {
  name: "decodeBrokerFrame",
  examples: Examples.brokerFrames,
  check: (input) => {
    const decoded = decodeBrokerFrame(input)
    if (Option.isNone(decoded)) return false
    const again = decodeBrokerFrame(encodeBrokerFrame(decoded.value))
    claimSame(Option.getOrUndefined(again), decoded.value, "what was accepted is another frame when encoded again")
    return true
  },
}

const target: Fuzzed = {
  name: "parseTarget",
  examples: Examples.targets,
  check: (input) => {
    const parsed = parseTarget(input)
    if (Option.isNone(parsed)) return false
    claim(formatTarget(parsed.value) === input, "a target has two spellings")
    return true
  },
}

const requestProof: Fuzzed = {
  name: "parseProof",
  examples: Examples.requestProofs,
  check: (input) => {
    const parsed = parseProof(input)
    if (Option.isNone(parsed)) return false
    claim(formatProof(parsed.value) === input, "a proof has two spellings")
    return true
  },
}

const body = <S extends Schema.Codec<unknown, unknown>>(
  name: string,
  schema: S,
  examples: ReadonlyArray<string>,
): Fuzzed => {
  const decode = Schema.decodeUnknownResult(Schema.fromJsonString(schema))
  const encode = Schema.encodeUnknownSync(Schema.fromJsonString(schema))
  return {
    name,
    examples,
    check: (input) => {
      const decoded = decode(input)
      if (Result.isFailure(decoded)) {
        // The broker answers with this message, so it has to be one, and not the whole body over again.
        claim(decoded.failure.message.length <= 1_000 + 2 * input.length, "a refusal is longer than what it refuses")
        return false
      }
      claimSame(
        Result.getOrUndefined(decode(encode(decoded.success))),
        decoded.success,
        "it is another when encoded again",
      )
      return true
    },
  }
}

const envelope: Envelope = {
  text: "the build is green \u202e 🌳",
  meshId: mesh,
  senderSessionId: laptop,
  targetSpec: "#builds",
  priority: "next",
  id: ClientMessageId.make("id-1"),
  sentAt: IsoTime.make("2026-11-24T08:00:00.000Z"),
}

const frame = {
  messageId: messageIdOf(mesh, alice, envelope.id),
  meshId: mesh,
  senderPubkey: alice,
  senderSessionId: laptop,
  targetSpec: "#builds",
  priority: "next",
  createdAt: envelope.sentAt,
} as const

const fields: ReadonlySet<string> = new Set([
  "meshId",
  "senderSessionId",
  "targetSpec",
  "priority",
  "replyTo",
  "messageId",
  "createdAt",
  "shape",
])

const claimBound = (read: Extract<Plaintext, { readonly _tag: "Bound" }>): void => {
  const { meshId, priority, senderSessionId, targetSpec } = read.envelope
  claimSame(
    [meshId, senderSessionId, targetSpec, priority, read.envelope.id],
    [frame.meshId, frame.senderSessionId, frame.targetSpec, frame.priority, envelope.id],
    "it is bound to something else than its frame",
  )
}

const plaintext: Fuzzed = {
  name: "readPlaintext",
  // The last ones were said elsewhere: every field that is bound has another value that is as good.
  examples: [
    encodeEnvelope(envelope),
    encodeEnvelope({ ...envelope, text: "" }),
    "hello",
    encodeEnvelope({ ...envelope, priority: "now" }),
    encodeEnvelope({ ...envelope, targetSpec: "*" }),
    encodeEnvelope({ ...envelope, meshId: MeshId.make("m2"), senderSessionId: desktop }),
    encodeEnvelope({ ...envelope, id: ClientMessageId.make("id-2"), replyTo: frame.messageId }),
  ],
  check: (input) => {
    const read = readPlaintext(input, frame)
    if (read._tag === "Mismatch") claim(fields.has(read.field), `the field ${read.field} is none of the list`)
    if (read._tag === "Bare")
      claim(read.text === input && !input.startsWith("claudemesh-message-v2\n"), "bare is not as it came")
    if (read._tag === "Bound") {
      claimBound(read)
      claimSame(readPlaintext(encodeEnvelope(read.envelope), frame), read, "it is another when encoded again")
    }
    return read._tag !== "Mismatch"
  },
}

/** A signature for these tests: whoever calls it names a key, and it depends on each byte of the statement. */
const sign = (key: PublicKey) => (statement: string) =>
  Signature.make(createHash("sha512").update(`${key} ${statement}`).digest("hex"))

const group: Fuzzed = {
  name: "readGroupMessage",
  examples: [encodeGroupMessage(envelope, alice, sign(alice)), encodeEnvelope(envelope)],
  check: (input) => {
    const read = readGroupMessage(input, frame, (statement, signature, key) => sign(key)(statement) === signature)
    if (read._tag === "Mismatch") claim(fields.has(read.field), `the field ${read.field} is none of the list`)
    // Nothing else was ever signed.
    if (read._tag === "Bound") claimSame(read.envelope, envelope, "it is bound, and its sender did not sign it")
    return read._tag === "Bound"
  },
}

export const domainDecoders: ReadonlyArray<Fuzzed> = [
  clientFrame,
  brokerFrame,
  target,
  plaintext,
  group,
  requestProof,
  body("CreateMesh", CreateMesh, Examples.createMesh),
  body("Invite", Invite, Examples.invites),
  body("Join", Join, Examples.joins),
  body("Revocation", Revocation, Examples.revocations),
  body("MeshCreated", MeshCreated, Examples.meshCreated),
  body("Health", Health, Examples.health),
  body("HttpError", HttpError, Examples.httpErrors),
]
