/** What a sender is told, and what it may wait for: over MCP, each server a process of its own, and at a terminal. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { makeMesh } from "../../../broker/test/support/Meshes.ts"
import { startBroker, temporaryFolder } from "../../../broker/test/support/TestBroker.ts"
import {
  type Agent,
  type Answer,
  claudemesh,
  cursorOf,
  main,
  messageIdOf,
  messagesOf,
  some,
  tagIn,
  textsOf,
} from "../support/Agent.ts"
import { writeHome } from "../support/Homes.ts"
import { linesOf } from "../support/Lines.ts"
import { stage } from "../support/Stage.ts"

const say = (from: Agent, input: Readonly<Record<string, unknown>>) => from.call("send_message", input)

/** As an agent that has read it all, and says so. */
const read = async (by: Agent): Promise<Answer> => {
  const answer = await by.callUntil("check_messages", some)
  await by.call("check_messages", { cursor: cursorOf(answer) })
  return answer
}

const idIn = (answer: Answer): string => messagesOf(answer)[0]?.label["id"] ?? assert.fail(answer.text)

const timed = async <A>(promise: Promise<A>) => {
  const before = performance.now()
  const value = await promise
  return { value, millis: performance.now() - before }
}

describe("a sender that waits", () => {
  it.live("is told when it was shown, how far it is meanwhile, and no more than asked for when time is over", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const { join } = yield* stage()
        const [a, b] = yield* Effect.all([join("alice"), join("bob")], { concurrency: 2 })
        yield* Effect.promise(async () => {
          await b.call("list_peers")
          const late = await say(a, { target: "bob", message: "one", wait: "shown", seconds: "1" })
          assert.match(late.text, /^In the session of bob, not confirmed as shown\. The wait ended: not shown yet\. /)
          const progress: Array<string> = []
          const waits = a.client.callTool(
            { name: "send_message", arguments: { target: "bob", message: "two", wait: "shown", seconds: 30 } },
            undefined,
            { onprogress: ({ message }) => void progress.push(message ?? "") },
          )
          while (progress.length === 0) await Bun.sleep(20)
          assert.deepStrictEqual(textsOf(await read(b)), ["one", "two"])
          assert.match(JSON.stringify((await waits).content), /"Shown to bob at 20[^ ]*\. Message id /)
          assert.strictEqual(progress[0], "In their session, not confirmed as shown.")
          assert.match((await a.call("message_status", { id: messageIdOf(late) })).text, /^Shown to bob at 20/)
          assert.match(
            (await b.call("message_status", { id: messageIdOf(late) })).text,
            /^No broker that answered knows/,
          )
        })
      }),
    ),
  )

  it.live(
    "gets the reply itself, wrapped and confirmed like any message, and the reply goes to the session that asked",
    () =>
      Effect.scoped(
        Effect.gen(function* () {
          const { join } = yield* stage()
          const [a, other, b] = yield* Effect.all([join("alice"), join("alice"), join("bob")], { concurrency: 3 })
          yield* Effect.promise(async () => {
            await Promise.all([b.call("list_peers"), other.call("list_peers")])
            // Busy itself: a reply would be held back.
            await a.call("set_status", { status: "working" })
            const waits = timed(say(a, { target: "bob", message: "which port?", wait: "reply", seconds: 60 }))
            const question = await read(b)
            await say(b, { target: "alice", message: "not the answer" })
            const reply = await say(b, { reply_to: idIn(question).slice(0, 8), message: "7900" })
            assert.match(
              reply.text,
              /^(In alice's session, not shown yet|Held while alice is busy)\..* To the session that asked\. /,
            )
            const { millis, value } = await waits
            assert.isBelow(millis, 30_000)
            assert.match(value.text, new RegExp(`^The reply\\. What stands between <${tagIn(value)} …>`))
            assert.deepStrictEqual(textsOf(value), ["7900"])
            assert.deepInclude(messagesOf(value)[0]?.label, { from: "bob", reply_to: idIn(question) })
            await a.call("check_messages", { cursor: cursorOf(value) })
            assert.match((await b.call("message_status", { id: messageIdOf(reply) })).text, /^Shown to alice at /)

            const named = await say(b, { target: "alice", reply_to: idIn(question), message: "again" })
            assert.match(named.text, / To the session that asked\. /)
            await a.close()
            let gone = await say(b, { reply_to: idIn(question), message: "and again" })
            while (!gone.text.includes("is gone")) {
              await Bun.sleep(50)
              gone = await say(b, { reply_to: idIn(question), message: "and again" })
            }
            assert.match(gone.text, / To alice, because the session that asked is gone\. /)
            assert.include(textsOf(await other.callUntil("check_messages", some)), "and again")
            const nobody = await say(b, { reply_to: "0".repeat(32), message: "lost?" })
            assert.isTrue(nobody.isError)
            assert.match(nobody.text, /^Nothing was sent: message 0+ is not kept on this machine/)
          })
        }),
      ),
  )

  it.live("is not kept from an urgent message, and takes no message with it when the host cancels the call", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const { join } = yield* stage(["alice", "bob", "carol"])
        const [a, b, c] = yield* Effect.all([join("alice"), join("bob"), join("carol")], { concurrency: 3 })
        yield* Effect.promise(async () => {
          await Promise.all([b.call("list_peers"), c.call("list_peers")])
          const waits = timed(say(a, { target: "bob", message: "one", wait: "reply", seconds: 60 }))
          await b.callUntil("check_messages", some)
          await say(c, { target: "alice", message: "can wait", priority: "next" })
          await say(c, { target: "alice", message: "fire!", priority: "now" })
          const { millis, value } = await waits
          assert.isBelow(millis, 30_000)
          assert.match(value.text, /The wait ended because an urgent message waits for you\. /)
          assert.match(value.text, /\n\n2 messages wait \(1 urgent\): call check_messages\.$/)
          await read(a)

          const cancelling = new AbortController()
          const begun = Promise.withResolvers<void>()
          const cancelled = a.client.callTool(
            { name: "send_message", arguments: { target: "carol", message: "stays sent", wait: "shown", seconds: 60 } },
            undefined,
            { signal: cancelling.signal, onprogress: () => begun.resolve() },
          )
          await begun.promise
          cancelling.abort("the user pressed escape")
          assert.strictEqual(
            await cancelled.then(
              () => "answered",
              () => "cancelled",
            ),
            "cancelled",
          )
          assert.deepStrictEqual(textsOf(await c.callUntil("check_messages", some)), ["stays sent"])
          assert.deepStrictEqual(a.strayOutput, [])
        })
      }),
    ),
  )
})

describe("claudemesh send --wait", () => {
  it.live("says the id before it waits, and takes what it waits for as the tool does", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const broker = yield* startBroker()
        const folder = yield* temporaryFolder
        yield* Effect.promise(async () => {
          const mesh = await makeMesh(broker.origin, ["alice", "bob"])
          const CLAUDEMESH_HOME = await writeHome(folder, "alice", [{ slug: "red", brokerUrl: broker.url, mesh }])
          const waits = Bun.spawn([process.execPath, main, "send", "bob", "hi", "--wait", "shown"], {
            env: { PATH: process.env["PATH"] ?? "", HOME: "/nonexistent", CLAUDEMESH_HOME },
            stdin: "ignore",
            stdout: "ignore",
            stderr: "pipe",
          })
          const said = await linesOf(waits.stderr)()
          waits.kill("SIGINT")
          await waits.exited
          assert.match(said, /^bob on red: Waits until bob's session connects\. \([0-9a-f]{32}\)$/)

          const refused = await claudemesh(["send", "bob", "--wait", "reply"], { CLAUDEMESH_HOME })
          assert.deepInclude(refused, { code: 2, stdout: "" })
          assert.match(refused.stderr, /waits until the message was shown, and for no reply: .* Nothing was sent/)
        })
      }),
    ),
  )
})
