/** A server without hooks says what its session does, by the host's transcript, and nothing else of it. */
import { appendFileSync, mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import { agent } from "../support/Agent.ts"
import { stage } from "../support/Stage.ts"

const session = "6f1a2b3c-0000-4000-8000-000000000000"
const secret = "look at this"
const line = (entry: object) => `${JSON.stringify(entry)}\n`

it.live("a session without hooks is working while its transcript says so, and idle when the turn is over", () =>
  Effect.scoped(
    Effect.gen(function* () {
      const { home, raw } = yield* stage()
      const folder = yield* home("alice")
      const projects = join(folder, ".claude", "projects", "-projects-app")
      const transcript = join(projects, `${session}.jsonl`)
      mkdirSync(projects, { recursive: true })
      writeFileSync(transcript, line({ type: "user", message: { content: secret } }))
      yield* agent(folder, { HOME: folder, CLAUDE_CODE_SESSION_ID: session, CLAUDE_PROJECT_DIR: "/projects/app" })
      yield* Effect.promise(async () => {
        const bob = await raw("bob")
        const until = async (status: string) => {
          const deadline = performance.now() + 20_000
          while (performance.now() < deadline) {
            bob.send({ type: "list_peers", id: "p" })
            const peers = JSON.stringify(await bob.take("peers")).split("{")
            const own = peers.find((peer) => peer.includes(session)) ?? ""
            if (own.includes(`"status":"${status}"`) && own.includes('"statusSource":"inference"')) return
            await Bun.sleep(100)
          }
          assert.fail(`never ${status}`)
        }
        await until("working")
        appendFileSync(transcript, line({ type: "assistant", message: { content: [], stop_reason: "end_turn" } }))
        await until("idle")
        await bob.close()
      })
    }),
  ),
)
