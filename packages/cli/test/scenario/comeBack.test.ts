/** Agents that stay in their mesh: after a broker that refused everybody, beside another of their session, after a kill. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { brokerProcess } from "../../../broker/test/support/BrokerProcess.ts"
import { makeMesh } from "../../../broker/test/support/Meshes.ts"
import { RawClient } from "../../../broker/test/support/RawClient.ts"
import { temporaryFolder } from "../../../broker/test/support/TestBroker.ts"
import { agent, textsOf } from "../support/Agent.ts"
import { writeHome } from "../support/Homes.ts"

const there = ({ text }: { readonly text: string }) => text.startsWith("Mesh red: 2 members")

describe("an agent", () => {
  it.live(
    "is back at its next call after a refusal of everybody, and sends what another process left behind (I7, I21)",
    () =>
      Effect.scoped(
        Effect.gen(function* () {
          const broker = yield* brokerProcess({ BROKER_DATA_DIR: yield* temporaryFolder })
          const folder = yield* temporaryFolder
          const mesh = yield* Effect.promise(() => makeMesh(broker.origin, ["alice", "bob"]))
          const home = yield* Effect.promise(() =>
            writeHome(folder, "alice", [{ slug: "red", brokerUrl: broker.url, mesh }]),
          )
          const session = { CLAUDE_CODE_SESSION_ID: "6f2d7a1e-1f0b-4a52-8a53-0c6c7d1d9a10" }
          const one = yield* agent(home, session)
          const two = yield* agent(home, session)
          yield* Effect.promise(async () => {
            // Two processes with one session id: both are there, and stay.
            for (const each of [one, two, one, two]) await each.callUntil("list_peers", there)
            const bob = await RawClient.authenticatedV2(broker.url, mesh.member("bob"))
            for (const each of [one, two]) {
              const answer = await each.call("send_message", { target: "bob", message: "hello" })
              assert.match(answer.text, /^In bob's session/)
            }
            await bob.close()

            await broker.kill()
            await broker.start({ BROKER_PUBLIC_URL: "wss://elsewhere.example.com" })
            await one.callUntil("list_peers", ({ text }) => text.includes("bad_signature"))
            await broker.terminate()
            await broker.start()
            const asked = performance.now()
            const answer = await one.call("list_peers")
            assert.isTrue(there(answer), answer.text)
            assert.isBelow(performance.now() - asked, 4_000)

            await two.close()
            await broker.kill()
            const waits = one.call("send_message", { target: "bob", message: "from the grave" }).catch(() => undefined)
            await Bun.sleep(4_000)
            one.kill()
            await waits
            await broker.start()
          })
          const three = yield* agent(home)
          yield* Effect.promise(async () => {
            await three.callUntil("list_peers", there)
            const bob = await RawClient.authenticatedV2(broker.url, mesh.member("bob"))
            const push = await bob.take("push")
            assert.match(
              String(push["senderSessionId"]),
              new RegExp(`^${session.CLAUDE_CODE_SESSION_ID}(\\.[0-9a-f]{6})?$`),
            )
            await bob.close()
          })
          const bobsHome = yield* Effect.promise(() =>
            writeHome(folder, "bob", [{ slug: "red", brokerUrl: broker.url, mesh }]),
          )
          const bob = yield* agent(bobsHome)
          const read = yield* Effect.promise(() =>
            bob.callUntil("check_messages", (answer) => textsOf(answer).length > 0),
          )
          assert.deepStrictEqual(textsOf(read), ["hello", "hello", "from the grave"])
        }),
      ),
  )
})
