/** The server's end: within 2 s of its host's, whatever else is stuck, and with answers to all that it has read. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { freePort } from "../../../broker/test/support/BrokerProcess.ts"
import { sendFrame } from "../../../broker/test/support/RawClient.ts"
import { some } from "../support/Agent.ts"
import { frozenLine } from "../support/FrozenLine.ts"
import type { Joined } from "../support/Homes.ts"
import { type Ended, rawHost } from "../support/RawHost.ts"
import { stage } from "../support/Stage.ts"

const ends = ({ code, millis }: Ended): void => {
  assert.isBelow(millis, 2_000)
  assert.strictEqual(code, 0)
}

const tooLarge = "x".repeat(11 * 1_048_576)

// One after the other: what is measured is time, which they would take from each other.
describe("the server ends when its host does,", () => {
  it.live("also with a broker that hangs in the middle of a call, and answers that call", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const port = yield* Effect.promise(freePort)
        const line = yield* frozenLine(port)
        const { home, red } = yield* stage(undefined, {
          BROKER_PORT: String(port),
          BROKER_PUBLIC_URL: `http://127.0.0.1:${port},${line.origin}`,
        })
        const joined: Joined = { ...red, brokerUrl: line.url }
        const host = yield* rawHost(yield* home("alice", [joined]))
        yield* Effect.promise(async () => {
          assert.match((await host.call("list_peers")).text, /^Mesh red: 2 members/)
          line.freeze()
          const sent = host.callTool("send_message", { target: "bob", message: "hi" })
          const ids = [host.callTool("check_messages"), host.callTool("list_channels")]
          ends(await host.end())
          assert.include(JSON.stringify(await host.answer(sent, 0)), "The message waits on this machine")
          for (const id of ids)
            assert.include(JSON.stringify(await host.answer(id, 0)), "closed its connection to claudemesh")
        })
      }),
    ),
  )

  it.live("after a line of 11 MiB, which is refused by its id, and what comes behind it is answered", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const { home } = yield* stage()
        const host = yield* rawHost(yield* home("alice"))
        yield* Effect.promise(async () => {
          host.write(`${tooLarge}\n`)
          const refused = host.callTool("send_message", { target: "bob", message: tooLarge })
          const { error } = await host.answer(refused)
          assert.deepInclude(error, { code: -32_600 })
          assert.match(String((error as Error).message), /^The request is larger than 10 MiB\. Nothing was done\./)
          assert.match((await host.call("list_peers")).text, /^Mesh red: 2 members/)
          host.write(tooLarge)
          ends(await host.end())
        })
      }),
    ),
  )

  it.live("also when it reads nothing any more, so that the pipe is full", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const { home } = yield* stage()
        const host = yield* rawHost(yield* home("alice"))
        yield* Effect.promise(async () => {
          await host.call("list_peers")
          host.stopReading()
          for (let count = 0; count < 300; count += 1) host.request("tools/list")
          await Bun.sleep(300)
          ends(await host.end())
        })
      }),
    ),
  )

  it.live("and answers first what it has read, in any number", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const { home } = yield* stage()
        const host = yield* rawHost(yield* home("alice"))
        yield* Effect.promise(async () => {
          await host.call("list_peers")
          const ids = Array.from({ length: 20 }, () => host.callTool("list_peers"))
          ends(await host.end())
          for (const id of ids) assert.include(JSON.stringify(await host.answer(id, 0)), "Mesh red: 2 members")
        })
      }),
    ),
  )

  it.live("when it reads no more, and on SIGTERM", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const { broker, home } = yield* stage()
        const folder = yield* home("alice")
        const deaf = yield* rawHost(folder)
        const other = yield* rawHost(folder)
        yield* Effect.promise(async () => {
          await Promise.all([deaf.call("list_peers"), other.call("list_peers")])
          deaf.closeOutput()
          ends(await deaf.endedBy(() => deaf.request("tools/list")))
          ends(await other.end("SIGTERM"))
          while (broker.connections() > 0) await Bun.sleep(5)
        })
      }),
    ),
  )

  it.live("and confirms nothing that it did not confirm itself: the next one is shown it, marked (I8)", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const { home, join, mesh, raw } = yield* stage()
        const host = yield* rawHost(yield* home("alice"))
        yield* Effect.promise(async () => {
          const bob = await raw("bob")
          await host.call("list_peers")
          bob.send(sendFrame("m1", mesh.member("alice").keys.publicKey, "read at the last", mesh.member("bob").keys))
          await bob.take("ack")
          const id = host.callTool("check_messages")
          ends(await host.end())
          assert.include(JSON.stringify(await host.answer(id, 0)), "read at the last")
          await bob.close()
        })
        const next = yield* join("alice")
        const answer = yield* Effect.promise(() => next.callUntil("check_messages", some))
        assert.match(answer.text, / redelivered="yes">\nread at the last\n/)
      }),
    ),
  )
})
