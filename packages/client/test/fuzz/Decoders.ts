/** What the client reads from the outside: pushes, links, its config file, and a broker's URL as a person types it. */
import { Base64, Nonce } from "@claudemesh/domain/Base64"
import { ClientMessageId, MeshId } from "@claudemesh/domain/Ids"
import { encodeGroupMessage } from "@claudemesh/domain/trust/GroupMessage"
import { audienceOf } from "@claudemesh/domain/trust/HelloStatement"
import { messageIdOf } from "@claudemesh/domain/trust/MessageIdentity"
import { encodeEnvelope, type Envelope } from "@claudemesh/domain/trust/Plaintext"
import { decodeBrokerFrame, encodeBrokerFrame, type Push } from "@claudemesh/domain/wire/BrokerFrame"
import { ByteSize, Cause, Effect, Exit, FileSystem, Layer, Option, PlatformError, Schema } from "effect"
import { claim, claimSame, type Fuzzed } from "../../../domain/test/fuzz/Fuzz.ts"
import { ConfigFile, type Memberships } from "../../src/keys/ConfigFile.ts"
import { BrokerUrl, brokerUrlOf, httpOriginOf } from "../../src/keys/BrokerUrl.ts"
import { Membership } from "../../src/keys/Membership.ts"
import { Sodium } from "../../src/keys/Sodium.ts"
import { type Content, openPush } from "../../src/seal/OpenPush.ts"
import { at, cryptoTest, membershipOf, person, pushOf, testLayer } from "../support/FakeBroker.ts"
import { sealedSend } from "../support/SealedSend.ts"
import { linkDecoders } from "./Links.ts"

const reasons: ReadonlySet<string> = new Set(["bad_key", "not_sealed_to_us", "not_text", "not_signed", "unsealed"])

const claimContent = (content: Content): void => {
  if (content._tag === "Undecryptable")
    claim(reasons.has(content.reason), `the reason ${content.reason} is none of the list`)
  if (content._tag === "Mismatch") claim(/^[A-Za-z]{5,16}$/.test(content.field), "the field is no name")
}

const pushDecoders = Effect.gen(function* () {
  const sodium = yield* Sodium
  const [alice, bob] = [yield* person("Alice"), yield* person("Bob")]
  const mesh = MeshId.make("mesh-team")
  const self = { ...membershipOf(alice), sessionId: alice.sessionId }
  const toAlice = yield* Effect.fromResult(sodium.trust(alice.publicKey))
  const direct = pushOf(yield* sealedSend({ from: bob, to: alice, text: "hello" }), bob, mesh, alice.publicKey)

  const envelopeTo = (targetSpec: string): Envelope => ({
    text: "hello",
    meshId: mesh,
    senderSessionId: bob.sessionId,
    targetSpec,
    priority: "next",
    id: ClientMessageId.make("m1"),
    sentAt: at,
  })
  const group = encodeGroupMessage(envelopeTo("#builds"), bob.publicKey, (text) => sodium.sign(text, bob.secretKey))
  const nonce = new Uint8Array(24).fill(3)
  const nonceText = Nonce.make(Buffer.from(nonce).toString("base64"))
  const contentKey = new Uint8Array(32).fill(5)
  const sealedKey = sodium.sealAnonymously(contentKey, new Uint8Array(32).fill(7), toAlice)
  const inGroup = (opened: string): Push => ({
    ...direct,
    messageId: messageIdOf(mesh, bob.publicKey, ClientMessageId.make("m1")),
    targetSpec: "#builds",
    nonce: nonceText,
    ciphertext: sodium.lock(opened, nonce, contentKey),
    sealedKey,
  })

  const push: Fuzzed = {
    name: "openPush",
    examples: [
      encodeBrokerFrame(direct),
      encodeBrokerFrame(inGroup(group)),
      encodeBrokerFrame({ ...direct, targetSpec: "*", ciphertext: Base64.make("aGVsbG8=") }),
    ],
    check: (input) => {
      const frame = Option.getOrUndefined(decodeBrokerFrame(input))
      if (frame?.type !== "push") return false
      const content = openPush(frame, self, sodium)
      claimContent(content)
      // Nothing but "hello" was ever sealed, and nothing comes in clear in this mesh.
      if (content._tag === "Opened")
        claim(content.text === "hello" && content.binding !== "clear", "it opened to another text (I16)")
      claimContent(openPush(frame, { ...self, allowUnsealed: true }, sodium))
      return content._tag === "Opened"
    },
  }

  /** The input is what the seal opens to, from a sender whose client is broken or worse. */
  const sealedDirect: Fuzzed = {
    name: "openPush:direct",
    examples: [
      encodeEnvelope(envelopeTo(alice.publicKey)),
      encodeEnvelope(envelopeTo(`${alice.publicKey}/${alice.sessionId}`)),
    ],
    check: (input) => {
      const ciphertext = sodium.seal(input, nonce, toAlice, bob.secretKey)
      const content = openPush({ ...direct, nonce: nonceText, ciphertext }, self, sodium)
      claimContent(content)
      claim(content._tag !== "Undecryptable", "what was sealed to us does not open")
      return content._tag === "Opened" && content.binding === "bound"
    },
  }
  const sealedGroup: Fuzzed = {
    name: "openPush:group",
    examples: [group, encodeEnvelope(envelopeTo("#builds"))],
    check: (input) => {
      const content = openPush(inGroup(input), self, sodium)
      claimContent(content)
      // Its sender signed one message only.
      if (content._tag === "Opened")
        claim(content.text === "hello" && content.binding === "bound", "its sender did not sign it (I16)")
      return content._tag === "Opened"
    },
  }
  return [push, sealedDirect, sealedGroup]
})

/** One file in memory: what is read is `text`, and what is written ends up in it. */
class OneFile {
  text = ""
  readonly fs = FileSystem.makeNoop({
    stat: () => Effect.succeed(this.#info),
    readFile: () => Effect.sync(() => new TextEncoder().encode(this.text)),
    writeFileString: () => Effect.void,
    makeDirectory: () => Effect.void,
    chmod: () => Effect.void,
    remove: () => Effect.void,
    open: () => Effect.fail(this.#broken),
  })
  readonly #broken = PlatformError.systemError({ _tag: "PermissionDenied", module: "FileSystem", method: "open" })
  readonly #info: FileSystem.File.Info = {
    type: "File",
    mtime: Option.none(),
    atime: Option.none(),
    birthtime: Option.none(),
    dev: 0,
    ino: Option.none(),
    mode: 0o600,
    nlink: Option.none(),
    uid: Option.none(),
    gid: Option.none(),
    rdev: Option.none(),
    size: ByteSize.bytes(0),
    blksize: Option.none(),
    blocks: Option.none(),
  }
}

const isMembership = Schema.is(Schema.Array(Membership))

const configDecoder = Effect.gen(function* () {
  const file = new OneFile()
  const layer = Layer.merge(Layer.succeed(FileSystem.FileSystem, file.fs), cryptoTest())
  const config = yield* ConfigFile.pipe(Effect.provide(ConfigFile.layerIn("folder").pipe(Layer.provide(layer))))
  const alice = yield* person("Alice")
  const [one, two] = [membershipOf(alice, "one"), { ...membershipOf(alice, "two"), ownerPublicKey: alice.publicKey }]
  const { name: _name, displayName: _displayName, ...versionOne } = one
  const read = (text: string): Memberships | undefined => {
    file.text = text
    const exit = Effect.runSyncExit(config.read)
    if (Exit.isSuccess(exit)) return exit.value
    const error = Option.getOrUndefined(Cause.findErrorOption(exit.cause))
    claim(error?._tag === "ConfigBroken", `it failed with ${Cause.pretty(exit.cause).slice(0, 300)}`)
    claim(error !== undefined && error.message.length <= 2_000 + 2 * text.length, "the refusal is longer than the file")
    return undefined
  }
  const fuzzed: Fuzzed = {
    name: "ConfigFile",
    examples: [
      JSON.stringify({ version: 2, meshes: [one, two], other: { kept: true } }),
      JSON.stringify({ version: 1, meshes: [versionOne], machine: "m" }),
      `{"version":2,"meshes":[]}`,
    ],
    check: (input) => {
      const meshes = read(input)
      if (meshes === undefined) return false
      claim(isMembership(meshes), "what was read are no memberships")
      claimSame(read(JSON.stringify({ version: 2, meshes })), meshes, "it is another when written and read again")
      return true
    },
  }
  return fuzzed
})

const decodeBrokerUrl = Schema.decodeUnknownOption(BrokerUrl)
const asOrigin = (url: string): string => new URL(url).origin

const brokerUrl: Fuzzed = {
  name: "BrokerUrl",
  examples: [
    "wss://mesh.example.com/ws",
    "http://127.0.0.1:7900",
    "https://mesh.example.com:8443/under/ws",
    "ws://[::1]:7900/ws",
    "wss://bücher.example/ws",
    "wss://user:password@mesh.example.com/ws",
  ],
  check: (input) => {
    audienceOf(input)
    const exact = Option.getOrUndefined(decodeBrokerUrl(input))
    const typed = Option.getOrUndefined(brokerUrlOf(input))
    if (exact !== undefined) {
      claim(URL.canParse(httpOriginOf(exact)) && audienceOf(exact) !== undefined, "a broker's URL has no origin")
      claim(typed !== undefined, "a broker's URL may not be typed")
    }
    if (typed === undefined) return false
    claimSame(Option.getOrUndefined(brokerUrlOf(typed)), typed, "a URL is another one when it is typed again")
    claimSame(Option.getOrUndefined(decodeBrokerUrl(typed)), typed, "what was typed is no broker's URL")
    const http = httpOriginOf(typed)
    claim(/^https?:\/\/[^/]+/.test(http) && URL.canParse(http), "the HTTP origin is none")
    claim(asOrigin(http) === asOrigin(typed).replace(/^ws/, "http"), "HTTP goes to another host than the socket")
    return true
  },
}

export const clientDecoders: Promise<ReadonlyArray<Fuzzed>> = Effect.runPromise(
  Effect.gen(function* () {
    return [...(yield* pushDecoders), ...(yield* linkDecoders), yield* configDecoder, brokerUrl]
  }).pipe(Effect.provide(testLayer)),
)
