/**
 * Memberships with their secret keys, the owner's too, as one file under a passphrase: to move to another machine, or to
 * keep. Whoever finds the file has to guess the passphrase, and each guess costs 256 MiB and most of a second (argon2id).
 * What the file says of itself is authenticated with what it holds, and read with bounds: a file of somebody else's
 * can cost no more than a few guesses.
 */
import { withHint } from "@claudemesh/domain/WithHint"
import { hash } from "node:crypto"
import { Effect, Option, Redacted, Schema } from "effect"
import { exportCharactersMax, passphraseCharactersMin } from "../Limits.ts"
import type { Memberships } from "./ConfigFile.ts"
import { Membership } from "./Membership.ts"
import { randomBytes } from "./RandomBytes.ts"

type Library = (typeof import("libsodium-wrappers-sumo"))["default"]

export interface ExportCost {
  readonly passes: number
  readonly memoryBytes: number
}

/** libsodium's MODERATE: 0.8 s on a small machine. */
export const exportCost: ExportCost = { passes: 3, memoryBytes: 256 * 1024 * 1024 }
/** What a file may ask for: less than argon2id can do is no export, and more is a trap. */
const isBearable = ({ memoryBytes, passes }: ExportCost): boolean =>
  passes >= 1 && passes <= 8 && memoryBytes >= 8_192 && memoryBytes <= 512 * 1024 * 1024

export class PassphraseTooShort extends Schema.TaggedError<PassphraseTooShort>()("PassphraseTooShort", {}) {
  override get message() {
    return `the passphrase is too short: ${passphraseCharactersMin} characters at least, better five words or more`
  }
}

export class NotAnExport extends Schema.TaggedError<NotAnExport>()("NotAnExport", { problem: Schema.String }) {
  override get message() {
    return `the file is not an identity that claudemesh exported: ${this.problem}`
  }
}

/** It was changed on its way, or only a part of it is there. */
export class ExportDamaged extends Schema.TaggedError<ExportDamaged>()("ExportDamaged", { problem: Schema.String }) {
  get what() {
    return `the exported identity is damaged (${this.problem}).`
  }
  get hint() {
    return "Take it again from where it was made."
  }
  override get message() {
    return withHint(this)
  }
}

/** The file names a cost that no export of ours has: opening it could take all memory, or hours. */
export class ExportTooDear extends Schema.TaggedError<ExportTooDear>()("ExportTooDear", {
  passes: Schema.Int,
  memoryBytes: Schema.Int,
}) {
  override get message() {
    return `this export would take ${this.passes} passes over ${this.memoryBytes} bytes to open, which is not what claudemesh makes; it was not opened`
  }
}

export class WrongPassphrase extends Schema.TaggedError<WrongPassphrase>()("WrongPassphrase", {}) {
  get what() {
    return "the passphrase does not open this export."
  }
  get hint() {
    return "Try again with the one that the export was made with."
  }
  override get message() {
    return withHint(this)
  }
}

export class KeyNotDerived extends Schema.TaggedError<KeyNotDerived>()("KeyNotDerived", { reason: Schema.String }) {
  override get message() {
    return `the passphrase could not be worked on: ${this.reason}; it takes up to half a GiB of memory`
  }
}

const base64 = (bytes: number) =>
  Schema.String.check(
    Schema.makeFilter(
      (text: string) =>
        Buffer.from(text, "base64").toString("base64") === text && Buffer.byteLength(text, "base64") === bytes,
      { expected: `${bytes} bytes in base64` },
    ),
  )
const type = "claudemesh-identity"

/** Everything but `ciphertext` and `checksum` is authenticated as it stands here, a line each. */
const head = {
  type: Schema.Literal(type),
  version: Schema.Literal(1),
  kdf: Schema.Literal("argon2id13"),
  passes: Schema.Int,
  memoryBytes: Schema.Int,
  salt: base64(16),
  cipher: Schema.Literal("xchacha20poly1305-ietf"),
  nonce: base64(24),
}
const Head = Schema.Struct(head)
const ExportFile = Schema.Struct({
  ...head,
  ciphertext: Schema.String.check(Schema.isPattern(/^[A-Za-z0-9+/]+={0,2}$/)),
  /** SHA-256 over the rest. It tells damage from a wrong passphrase, and protects nothing. */
  checksum: Schema.String,
})
type ExportFile = typeof ExportFile.Type

const headStatement = ({ cipher, kdf, memoryBytes, nonce, passes, salt, version }: typeof Head.Type): string =>
  [type, version, kdf, passes, memoryBytes, salt, cipher, nonce].join("\n")

const checksumOf = (file: Omit<ExportFile, "checksum">): string =>
  hash("sha256", `${headStatement(file)}\n${file.ciphertext}`, "hex")

const Content = Schema.fromJsonString(Schema.Struct({ meshes: Schema.Array(Membership) }))
const encodeContent = Schema.encodeSync(Content)
const decodeContent = Schema.decodeUnknownOption(Content)
const decodeFile = Schema.decodeUnknownEffect(Schema.fromJsonString(ExportFile))
const decodeVersion = Schema.decodeUnknownOption(
  Schema.fromJsonString(Schema.Struct({ type: Schema.Literal(type), version: Schema.Int })),
)

/** The larger build of libsodium, which alone has argon2id, is loaded for this and nothing else. */
const library: Effect.Effect<Library> = Effect.promise(() =>
  import("libsodium-wrappers-sumo").then(({ default: sodium }) => sodium.ready.then(() => sodium)),
)

/** The same letters typed on another keyboard may be other code points. */
const keyFrom = (sodium: Library, passphrase: Redacted.Redacted, salt: Uint8Array, cost: ExportCost) =>
  Effect.try({
    try: () =>
      sodium.crypto_pwhash(
        32,
        Redacted.value(passphrase).normalize("NFKC"),
        salt,
        cost.passes,
        cost.memoryBytes,
        sodium.crypto_pwhash_ALG_ARGON2ID13,
      ),
    catch: (error) => new KeyNotDerived({ reason: error instanceof Error ? error.message : String(error) }),
  })

export const exportIdentities = Effect.fn("IdentityExport.export")(function* (
  meshes: Memberships,
  passphrase: Redacted.Redacted,
  cost: ExportCost = exportCost,
) {
  if (Array.from(Redacted.value(passphrase)).length < passphraseCharactersMin) return yield* new PassphraseTooShort()
  const sodium = yield* library
  const salt = yield* randomBytes(16)
  const nonce = yield* randomBytes(24)
  const opening = {
    type,
    version: 1,
    kdf: "argon2id13",
    passes: cost.passes,
    memoryBytes: cost.memoryBytes,
    salt: Buffer.from(salt).toString("base64"),
    cipher: "xchacha20poly1305-ietf",
    nonce: Buffer.from(nonce).toString("base64"),
  } as const
  const key = yield* keyFrom(sodium, passphrase, salt, cost)
  const box = sodium.crypto_aead_xchacha20poly1305_ietf_encrypt(
    encodeContent({ meshes }),
    headStatement(opening),
    null,
    nonce,
    key,
  )
  sodium.memzero(key)
  const file = { ...opening, ciphertext: Buffer.from(box).toString("base64") }
  return `${JSON.stringify({ ...file, checksum: checksumOf(file) }, undefined, 2)}\n`
})

export const importIdentities = Effect.fn("IdentityExport.import")(function* (
  text: string,
  passphrase: Redacted.Redacted,
) {
  const file = yield* readFile(text)
  if (file.checksum !== checksumOf(file)) return yield* new ExportDamaged({ problem: "its checksum differs" })
  const { memoryBytes, passes } = file
  if (!isBearable(file)) return yield* new ExportTooDear({ memoryBytes, passes })
  const sodium = yield* library
  const key = yield* keyFrom(sodium, passphrase, Buffer.from(file.salt, "base64"), { passes, memoryBytes })
  const opened = yield* Effect.try({
    try: () =>
      sodium.crypto_aead_xchacha20poly1305_ietf_decrypt(
        null,
        Buffer.from(file.ciphertext, "base64"),
        headStatement(file),
        Buffer.from(file.nonce, "base64"),
        key,
      ),
    catch: () => new WrongPassphrase(),
  }).pipe(Effect.ensuring(Effect.sync(() => sodium.memzero(key))))
  const content = decodeContent(Buffer.from(opened).toString())
  return Option.isSome(content)
    ? content.value.meshes
    : yield* new ExportDamaged({ problem: "it opens, and holds no meshes that this version understands" })
})

const readFile = Effect.fnUntraced(function* (text: string) {
  if (text.length > exportCharactersMax) return yield* new NotAnExport({ problem: "it is too large" })
  const kind = decodeVersion(text)
  if (Option.isNone(kind)) {
    return yield* text.includes(type)
      ? new ExportDamaged({ problem: "it is not whole" })
      : new NotAnExport({ problem: "it does not look like an export" })
  }
  if (kind.value.version !== 1) {
    return yield* new NotAnExport({ problem: `it is of version ${kind.value.version}; this program reads version 1` })
  }
  return yield* Effect.mapError(decodeFile(text), () => new ExportDamaged({ problem: "a field is lost or changed" }))
})
