/** What a host has to have done until a message counts as shown to its agent: each scenario with real processes, at once. */
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect, type Scope } from "effect"
import { sendFrame } from "../../../broker/test/support/RawClient.ts"
import { type Answer, cursorOf, main, messagesOf, textsOf } from "../support/Agent.ts"
import { type RawHost, rawHost } from "../support/RawHost.ts"
import { stage, type Stage } from "../support/Stage.ts"

/** Longer than time takes to confirm. */
const longMillis = 11_500

const storyMillis = 60_000

const text = "the build is red"

const scenario = (claim: string, tell: (stage: Stage & Told) => Effect.Effect<void, never, Scope.Scope>) =>
  it.live(
    claim,
    () =>
      Effect.scoped(
        Effect.gen(function* () {
          const on = yield* stage()
          const sent = Effect.promise(async () => {
            const bob = await on.raw("bob")
            const to = on.mesh.member("alice").keys.publicKey
            bob.send(sendFrame("m1", to, text, on.mesh.member("bob").keys))
            await bob.take("ack")
            await bob.close()
          })
          const host = Effect.flatMap(on.home("alice"), (home) => rawHost(home))
          /** What the next process is shown: the message, marked or not, or nothing. */
          const next = Effect.flatMap(on.join("alice"), (agent) =>
            Effect.promise(async () => {
              await agent.callUntil("list_peers", ({ text }) => !text.includes("not connected"))
              return messagesOf(await agent.call("check_messages")).map(({ label }) => label["redelivered"] ?? "new")
            }),
          )
          yield* tell({ ...on, sent, host, next })
        }),
      ),
    storyMillis,
  )

interface Told {
  readonly sent: Effect.Effect<void>
  readonly host: Effect.Effect<RawHost, never, Scope.Scope>
  readonly next: Effect.Effect<ReadonlyArray<string>, never, Scope.Scope>
}

const read = (host: RawHost): Promise<Answer> => host.call("check_messages")

const gone = (host: RawHost): Promise<unknown> => host.end()

describe.concurrent("a message is", () => {
  scenario("shown again when the host was stopped before it read the answer, however long, and killed (I8)", (on) =>
    Effect.gen(function* () {
      const folder = yield* on.home("alice")
      const script = join(import.meta.dirname, "../support/hostProcess.ts")
      const host = yield* Effect.acquireRelease(
        Effect.sync(() =>
          Bun.spawn([process.execPath, script, process.execPath, main, "mcp"], {
            env: { PATH: process.env["PATH"] ?? "", HOME: "/nonexistent", CLAUDEMESH_HOME: folder },
            stdin: "pipe",
            stdout: "pipe",
            stderr: "ignore",
          }),
        ),
        (host) => Effect.sync(() => host.kill("SIGKILL")),
      )
      yield* Effect.promise(async () => void (await host.stdout.getReader().read()))
      yield* on.sent
      yield* Effect.promise(async () => {
        await host.stdin.write("now\n")
        await host.stdin.flush()
        await Bun.sleep(longMillis)
        host.kill("SIGKILL")
        while (on.broker.connections() > 0) await Bun.sleep(5)
      })
      assert.deepStrictEqual(yield* on.next, ["yes"])
    }),
  )

  scenario("shown again when the host closes right after it read the answer (I8)", (on) =>
    Effect.gen(function* () {
      const host = yield* on.host
      yield* on.sent
      yield* Effect.promise(async () => {
        assert.deepStrictEqual(textsOf(await read(host)), [text])
        await gone(host)
      })
      assert.deepStrictEqual(yield* on.next, ["yes"])
    }),
  )

  scenario("done with when the host goes on for 10 s (I8)", (on) =>
    Effect.gen(function* () {
      const host = yield* on.host
      yield* on.sent
      yield* Effect.promise(async () => {
        assert.deepStrictEqual(textsOf(await read(host)), [text])
        await Bun.sleep(longMillis)
        await gone(host)
      })
      assert.deepStrictEqual(yield* on.next, [])
    }),
  )

  scenario("done with when the agent gives the cursor of the answer to its next call (I8)", (on) =>
    Effect.gen(function* () {
      const host = yield* on.host
      yield* on.sent
      yield* Effect.promise(async () => {
        const cursor = cursorOf(await read(host))
        assert.strictEqual((await host.call("check_messages", { cursor })).text, "No messages.")
        await gone(host)
      })
      assert.deepStrictEqual(yield* on.next, [])
    }),
  )

  scenario("shown again, here and to the next one, when the call is cancelled after it was answered (I8)", (on) =>
    Effect.gen(function* () {
      const host = yield* on.host
      yield* on.sent
      yield* Effect.promise(async () => {
        const id = host.callTool("check_messages")
        await host.answer(id)
        host.send({ method: "notifications/cancelled", params: { requestId: id, reason: "escape" } })
        await Bun.sleep(longMillis)
        const again = await read(host)
        assert.deepStrictEqual(
          messagesOf(again).map(({ label }) => label["redelivered"]),
          ["yes"],
        )
        host.kill()
        await host.ended()
      })
      assert.deepStrictEqual(yield* on.next, ["yes"])
    }),
  )

  scenario("shown again as new when its call is cancelled before it is answered, at whatever moment (I8)", (on) =>
    Effect.gen(function* () {
      const host = yield* on.host
      yield* Effect.promise(() => host.call("list_peers"))
      yield* on.sent
      yield* Effect.promise(async () => {
        const answered: Array<number> = []
        for (let tries = 0; tries < 12; tries += 1) {
          const id = host.callTool("check_messages")
          // First in the same bytes, then later and later, until the answer is quicker.
          if (tries > 0) await Bun.sleep(tries - 1)
          host.send({ method: "notifications/cancelled", params: { requestId: id } })
          await host.call("list_channels")
          if (host.lines.some((line) => line["id"] === id)) answered.push(id)
          if (answered.length > 0) break
        }
        // What was answered may have been shown; what was not was not.
        assert.deepStrictEqual(
          messagesOf(await read(host)).map(({ label }) => label["redelivered"]),
          [answered.length > 0 ? "yes" : undefined],
        )
        await gone(host)
      })
    }),
  )

  scenario("shown to the next one as new when the call was cancelled before it was answered (I8)", (on) =>
    Effect.gen(function* () {
      const host = yield* on.host
      yield* Effect.promise(() => host.call("list_peers"))
      yield* on.sent
      yield* Effect.promise(async () => {
        const id = host.callTool("check_messages")
        host.send({ method: "notifications/cancelled", params: { requestId: id } })
        await host.call("list_peers")
        assert.isFalse(host.lines.some((line) => line["id"] === id))
        await gone(host)
      })
      assert.deepStrictEqual(yield* on.next, ["new"])
    }),
  )
})
