/** What a person says of their status at a terminal, with real agents. */
import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import { agent, claudemesh, done } from "../support/Agent.ts"
import { stage } from "../support/Stage.ts"

it.live(
  "status dnd is said for every agent of this machine, also one that is started later, until its time or status idle",
  () =>
    Effect.scoped(
      Effect.gen(function* () {
        const { home, raw } = yield* stage()
        const folder = yield* home("alice")
        const say = (...words: ReadonlyArray<string>) => claudemesh(["status", ...words], { CLAUDEMESH_HOME: folder })
        yield* agent(folder, { CLAUDE_CODE_SESSION_ID: "first" })
        const bob = yield* Effect.promise(() => raw("bob"))
        const until = async (fits: (peers: ReadonlyArray<string>) => boolean) => {
          const deadline = performance.now() + 20_000
          while (true) {
            bob.send({ type: "list_peers", id: "p" })
            const peers = JSON.stringify(await bob.take("peers")).split("{")
            if (fits(peers)) return
            if (performance.now() > deadline) assert.fail(peers.join("\n"))
            await Bun.sleep(100)
          }
        }
        const has = (session: string, status: string) => (peers: ReadonlyArray<string>) =>
          peers.some((peer) => peer.includes(`"${session}"`) && peer.includes(`"status":"${status}"`))
        yield* Effect.promise(async () => {
          await until(has("first", "idle"))
          assert.match(
            done(await say("dnd", "--for", "30m")),
            /^Your agents on this machine are not to be disturbed until (?:\d{1,2} \w+ (?:\d{4} )?)?\d{2}:\d{2}\. Nothing wakes them or is handed to them meanwhile, urgent messages neither: /,
          )
          await until((peers) => has("first", "dnd")(peers) && peers.some((peer) => peer.includes("dndUntil")))
        })
        yield* agent(folder, { CLAUDE_CODE_SESSION_ID: "second" })
        yield* Effect.promise(async () => {
          await until(has("second", "dnd"))
          assert.deepInclude(JSON.parse(done(await say("idle", "--json"))), { status: "idle", until: null })
          await until((peers) => has("first", "idle")(peers) && has("second", "idle")(peers))
          const wrong = [
            ["idle", "--for", "1h"],
            ["--for", "1h"],
            ["dnd", "--watch"],
            ["dnd", "--mesh", "red"],
            ["dnd", "--for", "soon"],
          ]
          const codes = await Promise.all(wrong.map(async (words) => (await say(...words)).code))
          assert.deepStrictEqual(codes, [2, 2, 2, 2, 2])
          await bob.close()
        })
      }),
    ),
)
