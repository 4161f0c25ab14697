/** What waits, and where: at the broker, in another session of one's own, or on this machine to be sent. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { brokerProcess } from "../../../broker/test/support/BrokerProcess.ts"
import { makeMesh } from "../../../broker/test/support/Meshes.ts"
import { RawClient, sendFrame } from "../../../broker/test/support/RawClient.ts"
import { temporaryFolder } from "../../../broker/test/support/TestBroker.ts"
import { agent, cursorOf, some, textsOf } from "../support/Agent.ts"
import { writeHome } from "../support/Homes.ts"
import { rawHost } from "../support/RawHost.ts"
import { stage } from "../support/Stage.ts"

describe.concurrent("check_messages", () => {
  it.live("counts 130 messages that were held back, and shows all of them until nothing waits", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const { join, mesh, raw } = yield* stage()
        const one = yield* join("alice")
        yield* Effect.promise(async () => {
          await one.call("set_status", { status: "dnd" })
          const bob = await raw("bob")
          const to = mesh.member("alice").keys.publicKey
          for (let index = 0; index < 130; index += 1) {
            bob.send(sendFrame(`m${index}`, to, `text ${index}`, mesh.member("bob").keys, { priority: "next" }))
            await bob.take("ack")
          }
          let answer = await one.call("check_messages")
          const shown = [...textsOf(answer)]
          while (!answer.text.includes("Nothing else waits.")) {
            const waiting = 130 - shown.length
            assert.include(
              answer.text,
              `\n${waiting} ${waiting === 1 ? "message waits" : "messages wait"}: call check_messages`,
            )
            assert.include((await one.call("set_status", { status: "dnd" })).text, `\n\n${waiting} message`)
            answer = await one.call("check_messages", { cursor: cursorOf(answer) })
            shown.push(...textsOf(answer))
          }
          assert.deepStrictEqual(
            shown,
            Array.from({ length: 130 }, (_, index) => `text ${index}`),
          )
          await bob.close()
        })
      }),
    ),
  )

  it.live(
    "has what another session of the member never looked at, and says what waits there for that one alone (I8)",
    () =>
      Effect.scoped(
        Effect.gen(function* () {
          const { join, mesh, raw } = yield* stage()
          const session = "6f2d7a1e-1f0b-4a52-8a53-0c6c7d1d9a10"
          const idle = yield* join("alice", { CLAUDE_CODE_SESSION_ID: session })
          yield* Effect.promise(() => idle.call("list_peers"))
          const bob = yield* Effect.promise(() => raw("bob"))
          const send = (text: string, target: string) =>
            Effect.promise(async () => {
              bob.send(sendFrame(text.replaceAll(" ", "-"), target, text, mesh.member("bob").keys))
              await bob.take("ack")
            })
          const key = mesh.member("alice").keys.publicKey
          yield* send("for alice", key)
          yield* send("for this session", `${key}/${session}`)
          yield* Effect.promise(() =>
            idle.callUntil("list_peers", ({ text }) =>
              text.endsWith("\n2 messages wait (2 urgent): call check_messages."),
            ),
          )
          const other = yield* join("alice")
          yield* Effect.promise(async () => {
            const answer = await other.callUntil("check_messages", some)
            assert.deepStrictEqual(textsOf(answer), ["for alice"])
            assert.notInclude(answer.text, "redelivered", "nobody was shown it")
            assert.include(
              answer.text,
              `\n1 message waits in your session ${session} on red: sent to that session alone, or being read there.\n`,
            )
            assert.notInclude((await other.call("list_channels")).text, session, "it is said once")
            const own = await idle.call("check_messages")
            assert.deepStrictEqual(textsOf(own), ["for this session"])
            await bob.close()
          })
        }),
      ),
  )
})

describe.concurrent("send_message", () => {
  it.live("keeps the order in which it was called, from the first call on", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const { home, raw } = yield* stage()
        const bob = yield* Effect.promise(() => raw("bob"))
        const host = yield* rawHost(yield* home("alice"))
        yield* Effect.promise(async () => {
          const texts = Array.from({ length: 20 }, (_, index) => `text ${index}`)
          const ids = texts.map((message) => host.callTool("send_message", { target: "bob", message, priority: "now" }))
          const sent: Array<string> = []
          for (const id of ids) sent.push(/Message id (\w+)/.exec(JSON.stringify(await host.answer(id)))?.[1] ?? "")
          const pushed: Array<unknown> = []
          while (pushed.length < texts.length) pushed.push((await bob.take("push"))["messageId"])
          assert.deepStrictEqual(pushed, sent)
          await bob.close()
        })
      }),
    ),
  )

  it.live("does not send what was cancelled before it left, and sends the rest when the broker is back", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const broker = yield* brokerProcess({ BROKER_DATA_DIR: yield* temporaryFolder })
        const folder = yield* temporaryFolder
        const mesh = yield* Effect.promise(() => makeMesh(broker.origin, ["alice", "bob"]))
        const home = yield* Effect.promise(() =>
          writeHome(folder, "alice", [{ slug: "red", brokerUrl: broker.url, mesh }]),
        )
        const one = yield* agent(home)
        yield* Effect.promise(async () => {
          await one.callUntil("list_peers", ({ text }) => text.startsWith("Mesh red: 2 members"))
          await broker.kill()
          const send = (message: string, signal?: AbortSignal) =>
            one.client.callTool({ name: "send_message", arguments: { target: "bob", message } }, undefined, {
              ...(signal && { signal }),
            })
          const cancelling = new AbortController()
          const cancelled = send("not any more", cancelling.signal).then(
            () => "answered",
            () => "cancelled",
          )
          const waits = send("still wanted")
          await Bun.sleep(500)
          cancelling.abort("the user pressed escape")
          assert.strictEqual(await cancelled, "cancelled")
          await broker.start()
          assert.match(JSON.stringify((await waits).content), /Waits until bob's session connects\./)
          const bob = await RawClient.authenticatedV2(broker.url, mesh.member("bob"))
          await bob.take("push")
          bob.send({ type: "pull", id: "p" })
          assert.strictEqual((await bob.take("ok"))["remaining"], 0)
          assert.deepStrictEqual(
            bob.frames.filter(({ type }) => type === "push"),
            [],
            "one message, and no other",
          )
          await bob.close()
        })
      }),
    ),
  )
})
