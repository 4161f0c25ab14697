/** The demo as a newcomer runs it: it shows the whole way of a message, and leaves the machine as it was. */
import { readdir } from "node:fs/promises"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { temporaryFolder } from "../../broker/test/support/TestBroker.ts"
import { claudemesh } from "./support/Agent.ts"

describe("claudemesh demo", () => {
  it.live("shows message, ack, delivery, reply and what is stored, in under 10 s, and leaves nothing behind", () =>
    Effect.scoped(
      Effect.flatMap(temporaryFolder, (folder) =>
        Effect.promise(async () => {
          const before = performance.now()
          const { code, stderr, stdout } = await claudemesh(["demo"], { TMPDIR: folder })
          assert.deepStrictEqual({ code, stderr }, { code: 0, stderr: "" }, stdout)
          assert.isBelow(performance.now() - before, 10_000)
          assert.deepStrictEqual(await readdir(folder), [])

          const scenario = [
            /A broker listens on ws:\/\/127\.0\.0\.1:\d+\/ws/,
            /alice → bob: “.+” .*acked after the commit: delivered/,
            /bob opened it: “.+” from alice/,
            /bob → alice: “.+” acked: delivered/,
            /alice opened it: “.+” from bob/,
            /What the broker stored of it/,
            /message .*"sender":"alice".*"ciphertext":"erased: its recipient has it"/,
            /message .*"sender":"bob".*"ciphertext":"erased: its recipient has it"/,
            /audit .*"event":"mesh_created"/,
            /audit .*"event":"message_accepted"/,
            /audit .*"event":"message_accepted"/,
            /searched for the two texts, plain, in base64 and in hex: they are not in it/,
          ]
          assert.match(stdout, new RegExp(scenario.map(({ source }) => source).join("(?:.|\\n)*\\n.*")))
          const [question, asked, answer, answered] = [...stdout.matchAll(/“(.+?)”/g)].map(([, text]) => text)
          assert.deepStrictEqual([asked, answered], [question, answer], "what was opened is what was sent")
          assert.notInclude(stdout, "\u001b")
        }),
      ),
    ),
  )
})
