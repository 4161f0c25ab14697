/** A secret key is shown nowhere: whatever is logged, printed or thrown. */
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { inspect } from "node:util"
import * as BunFileSystem from "@effect/platform-bun/BunFileSystem"
import { assert, layer } from "@effect/vitest"
import { Cause, Effect, Exit, FileSystem, Layer, Logger } from "effect"
import { verifyInviteLink } from "../src/invite/InviteLink.ts"
import { newInvite } from "../src/invite/NewInvite.ts"
import { ConfigFile } from "../src/keys/ConfigFile.ts"
import type { HiddenKey } from "../src/keys/HiddenKey.ts"
import { startClient } from "./support/Clients.ts"
import { testLayer } from "./support/FakeBroker.ts"
import { forMembers, owner } from "./support/Invites.ts"
import { plain, plainKey } from "./support/Plain.ts"

/** All the ways in which a program shows a value. */
const shownOf = Effect.fnUntraced(function* (value: unknown) {
  const lines: Array<string> = []
  const logger = Logger.map(Logger.formatJson, (line) => void lines.push(line))
  yield* Effect.logError("it", value).pipe(Effect.provide(Logger.layer([logger])))
  const deep = { depth: 20, showHidden: true, getters: true, maxStringLength: null }
  return [JSON.stringify(value), String(value), inspect(value, deep), Bun.inspect(value), ...lines].join("\n")
})

const isNotIn = (text: string, key: HiddenKey | undefined) => {
  const hex = plainKey(key).slice(0, 64)
  assert.lengthOf(hex, 64)
  for (const part of [hex, Buffer.from(hex, "hex").toString("base64url")]) assert.notInclude(text, part)
}

layer(Layer.merge(testLayer, BunFileSystem.layer))("a secret key", (it) => {
  it.effect("is not shown by a membership, an invite or its link, as they are in memory", () =>
    Effect.gen(function* () {
      const olga = yield* owner()
      const made = yield* newInvite(olga, forMembers)
      const link = yield* verifyInviteLink(made.link)
      const text = yield* shownOf([olga, made.signer, link])
      assert.include(text, olga.pubkey)
      for (const key of [olga.secretKey, olga.ownerSecretKey, link.secretKey]) isNotIn(text, key)
    }),
  )

  it.effect("is no part of what a client hands to its callers, and a client shows none", () =>
    Effect.gen(function* () {
      const olga = yield* owner()
      const { client } = yield* startClient(undefined, { membership: olga })
      assert.notProperty(client.membership, "secretKey")
      assert.notProperty(client.membership, "ownerSecretKey")
      const text = yield* shownOf(client)
      assert.include(text, olga.pubkey)
      for (const key of [olga.secretKey, olga.ownerSecretKey]) isNotIn(text, key)
    }),
  )

  it.effect("is not shown by the error about a config file that holds it", () =>
    Effect.gen(function* () {
      const olga = plain(yield* owner())
      const { secretKey } = yield* owner("other")
      const wrong = {
        ...olga,
        secretKey: `${plainKey(secretKey)}00`,
        ownerSecretKey: plainKey(secretKey).toUpperCase(),
      }
      const lacking = { ...olga, secretKey: plainKey(secretKey), memberId: 7 }
      const folder = yield* (yield* FileSystem.FileSystem).makeTempDirectoryScoped()
      for (const content of [
        JSON.stringify({ version: 2, meshes: [wrong] }),
        JSON.stringify({ version: 2, meshes: [lacking] }),
        JSON.stringify({ version: 2, meshes: { team: lacking } }),
        JSON.stringify({ version: 2, meshes: plainKey(secretKey) }),
        JSON.stringify({ version: plainKey(secretKey), meshes: [] }),
        JSON.stringify({ version: 2, meshes: [lacking] }).replace(`,"memberId"`, ` "memberId"`),
        plainKey(secretKey),
      ]) {
        writeFileSync(join(folder, "config.json"), content, { mode: 0o600 })
        const read = Effect.flatMap(ConfigFile, (file) => file.read)
        const exit = yield* Effect.exit(Effect.provide(read, Layer.fresh(ConfigFile.layerIn(folder)), { local: true }))
        assert.isTrue(Exit.isFailure(exit))
        const failed = Exit.isFailure(exit) ? Cause.squash(exit.cause) : undefined
        const text = yield* shownOf(failed)
        assert.include(text, "config.json")
        for (const shown of [text, text.toLowerCase()]) isNotIn(shown, secretKey)
      }
    }),
  )
})
