import { xchacha20poly1305 } from "@noble/ciphers/chacha.js"
import { argon2id } from "@noble/hashes/argon2.js"
import { assert, layer } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { TestClock } from "effect/testing"
import { newInvite } from "../src/invite/NewInvite.ts"
import { exportIdentities, importIdentities } from "../src/keys/IdentityExport.ts"
import { testLayer } from "./support/FakeBroker.ts"
import { forMembers, joinedBy, owner } from "./support/Invites.ts"
import { allPlain } from "./support/Plain.ts"

const passphrase = Redacted.make("correct horse battery staple")
/** What a test has time for. */
const cheap = { passes: 1, memoryBytes: 65_536 }

const memberships = Effect.gen(function* () {
  yield* TestClock.setTime(1_795_507_198_670)
  const olga = yield* owner()
  const zoe = yield* joinedBy((yield* newInvite(yield* owner("other"), forMembers)).link, "Zoë")
  return [olga, zoe]
})

const exported = Effect.flatMap(memberships, (meshes) => exportIdentities(meshes, passphrase, cheap))

type Json = Record<string, unknown>

/** As somebody changes it who knows how the checksum is made. */
const changed = (text: string, change: (file: Json) => Json): string => {
  const file = change(JSON.parse(text))
  const lines = ["type", "version", "kdf", "passes", "memoryBytes", "salt", "cipher", "nonce", "ciphertext"]
  const checksum = new Bun.CryptoHasher("sha256").update(lines.map((key) => file[key]).join("\n")).digest("hex")
  return JSON.stringify({ ...file, checksum })
}

const refusal = (text: string, given = passphrase) => Effect.flip(importIdentities(text, given))

/** Opens it by what the file says, with another library. */
const secondOpinion = (text: string, password: string): unknown => {
  const { cipher, ciphertext, kdf, memoryBytes, nonce, passes, salt, type, version } = JSON.parse(text)
  const bytes = (base64: string) => Uint8Array.from(Buffer.from(base64, "base64"))
  const key = argon2id(password, bytes(salt), { t: passes, m: memoryBytes / 1_024, p: 1, dkLen: 32 })
  const head = [type, version, kdf, passes, memoryBytes, salt, cipher, nonce].join("\n")
  const opened = xchacha20poly1305(key, bytes(nonce), new TextEncoder().encode(head)).decrypt(bytes(ciphertext))
  return JSON.parse(new TextDecoder().decode(opened))
}

layer(testLayer)("an exported identity", (it) => {
  it.effect("gives back every membership with its keys and proofs, the owner's key too", () =>
    Effect.gen(function* () {
      const meshes = yield* memberships
      const text = yield* exportIdentities(meshes, passphrase, cheap)
      assert.deepEqual(allPlain(yield* importIdentities(text, passphrase)), allPlain(meshes))
      assert.isDefined(meshes[0]?.ownerSecretKey)
    }),
  )

  it.effect("is opened by a second implementation, from what the file says alone", () =>
    Effect.gen(function* () {
      const meshes = yield* memberships
      const text = yield* exportIdentities(meshes, passphrase, { passes: 2, memoryBytes: 1_048_576 })
      assert.deepEqual<unknown>(secondOpinion(text, Redacted.value(passphrase)), { meshes: allPlain(meshes) })
    }),
  )

  it.effect("shows no secret, no name and no passphrase, and is another text each time", () =>
    Effect.gen(function* () {
      const meshes = yield* memberships
      const [first, second] = [
        yield* exportIdentities(meshes, passphrase, cheap),
        yield* exportIdentities(meshes, passphrase, cheap),
      ]
      for (const part of ["salt", "nonce", "ciphertext"]) {
        assert.notStrictEqual(JSON.parse(first)[part], JSON.parse(second)[part])
      }
      const shown = first + Buffer.from(String(JSON.parse(first).ciphertext), "base64").toString("latin1")
      for (const { displayName, meshId, pubkey, secretKey } of meshes) {
        for (const text of [displayName, meshId, pubkey, Redacted.value(secretKey).slice(0, 64), "horse"])
          assert.notInclude(shown, text)
      }
    }),
  )

  it.effect("tells a wrong passphrase from a damaged file and from another file", () =>
    Effect.gen(function* () {
      const text = yield* exported
      const wrong = yield* refusal(text, Redacted.make("correct horse battery stable"))
      assert.strictEqual(wrong._tag, "WrongPassphrase")
      const { ciphertext } = JSON.parse(text)
      const damaged = [
        text.slice(0, text.length / 2),
        text.replace(ciphertext, `${ciphertext[0] === "A" ? "B" : "A"}${ciphertext.slice(1)}`),
        text.replace(ciphertext, ciphertext.slice(4)),
        text.replace('"passes": 1', '"passes": 2'),
        text.replace(/"nonce".*\n/, ""),
      ]
      for (const part of damaged) {
        assert.notStrictEqual(part, text)
        const refused = yield* refusal(part)
        assert.strictEqual(refused._tag, "ExportDamaged")
        assert.include(refused.message, "Take it again")
      }
      for (const other of ["", "{}", "[1]", '{"version":2,"meshes":[]}', "x".repeat(3_000_000)]) {
        assert.strictEqual((yield* refusal(other))._tag, "NotAnExport")
      }
      const later = yield* refusal(text.replace('"version": 1', '"version": 2'))
      assert.include(later.message, "version 2")
    }),
  )

  it.effect("does not open with anything in it changed on purpose: its cost, salt, nonce or content", () =>
    Effect.gen(function* () {
      const text = yield* exported
      const zeros = (bytes: number) => Buffer.alloc(bytes).toString("base64")
      assert.strictEqual(
        (yield* importIdentities(
          changed(text, (file) => file),
          passphrase,
        )).length,
        2,
      )
      for (const change of [
        { passes: 2 },
        { memoryBytes: 131_072 },
        // argon2 counts whole KiB: the key is the same, and the number is not what was sealed with.
        { memoryBytes: 65_537 },
        { salt: zeros(16) },
        { nonce: zeros(24) },
        { ciphertext: zeros(2_000) },
      ]) {
        const refused = yield* refusal(changed(text, (file) => ({ ...file, ...change })))
        assert.strictEqual(refused._tag, "WrongPassphrase")
      }
    }),
  )

  it.effect("of somebody else's cannot ask for more memory or time than a few exports take", () =>
    Effect.gen(function* () {
      const text = yield* exported
      for (const change of [
        { memoryBytes: 64 * 1024 ** 3 },
        { memoryBytes: 512 * 1024 ** 2 + 1 },
        { memoryBytes: -1 },
        { memoryBytes: 0 },
        { passes: 9 },
        { passes: 0 },
        { passes: 1e15 },
      ]) {
        const refused = yield* refusal(changed(text, (file) => ({ ...file, ...change })))
        assert.deepInclude(refused, { _tag: "ExportTooDear", ...change })
      }
      const odd = yield* refusal(changed(text, (file) => ({ ...file, passes: 1.5 })))
      assert.strictEqual(odd._tag, "ExportDamaged")
    }),
  )

  it.effect("is of use to nobody under a short passphrase, and none is made", () =>
    Effect.gen(function* () {
      const meshes = yield* memberships
      const short = yield* Effect.flip(exportIdentities(meshes, Redacted.make("elevenchars"), cheap))
      assert.strictEqual(short._tag, "PassphraseTooShort")
    }),
  )

  it.effect("opens with the same passphrase as another keyboard writes it", () =>
    Effect.gen(function* () {
      const meshes = yield* memberships
      const text = yield* exportIdentities(meshes, Redacted.make("crème brûlée au café".normalize("NFC")), cheap)
      const decomposed = Redacted.make("crème brûlée au café".normalize("NFD"))
      assert.strictEqual((yield* importIdentities(text, decomposed)).length, 2)
    }),
  )
})

layer(testLayer, { excludeTestServices: true })("the cost of an exported identity", (it) => {
  it.effect("is 256 MiB in three passes for each guess", () =>
    Effect.gen(function* () {
      const text = yield* exportIdentities([], passphrase)
      assert.deepInclude(JSON.parse(text), { kdf: "argon2id13", passes: 3, memoryBytes: 268_435_456 })
      assert.deepStrictEqual(yield* importIdentities(text, passphrase), [])
    }),
  )
})
