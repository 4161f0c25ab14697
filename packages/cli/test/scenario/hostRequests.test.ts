/** What a host asks for beside tools, over MCP: resources, prompts, completions; and how input is meant. */
import { assert, describe, it } from "@effect/vitest"
import { ResourceUpdatedNotificationSchema } from "@modelcontextprotocol/sdk/types.js"
import { Effect } from "effect"
import { cursorOf, some, textsOf } from "../support/Agent.ts"
import { stage } from "../support/Stage.ts"

const refusal = (call: Promise<unknown>): Promise<string> =>
  call.then(
    () => "no refusal",
    (error: unknown) => (error instanceof Error ? error.message : "no error"),
  )

describe.concurrent("a host", () => {
  it.live(
    "sees who waits in the inbox without a text or a lease, and is told when that changes, once it subscribed",
    () =>
      Effect.scoped(
        Effect.gen(function* () {
          const { join } = yield* stage()
          const [a, b] = yield* Effect.all([join("alice"), join("bob")], { concurrency: 2 })
          yield* Effect.promise(async () => {
            const inbox = async () => {
              const { contents } = await b.client.readResource({ uri: "claudemesh://inbox" })
              return contents.map((content) => ("text" in content ? content.text : "")).join("\n")
            }
            assert.strictEqual(await inbox(), "No messages wait.")
            const { resources } = await b.client.listResources()
            assert.deepStrictEqual(
              resources.map(({ uri }) => uri),
              ["claudemesh://inbox", "claudemesh://peers"],
            )
            const updated = Promise.withResolvers<string>()
            b.client.setNotificationHandler(ResourceUpdatedNotificationSchema, ({ params }) =>
              updated.resolve(params.uri),
            )
            await b.client.subscribeResource({ uri: "claudemesh://inbox" })
            await a.call("send_message", { target: "bob", message: "the secret text", priority: "now" })
            assert.strictEqual(await updated.promise, "claudemesh://inbox")
            const seen = await inbox()
            assert.match(
              seen,
              /^1 message waits \(1 urgent\): check_messages reads them\. Nothing was taken by this\.\n- red: from "alice" \([0-9a-f]{8}\), now, at 20\S+, 15 characters$/,
            )
            assert.strictEqual(await inbox(), seen, "and it waits on")
            const answer = await b.callUntil("check_messages", some)
            assert.deepStrictEqual(textsOf(answer), ["the secret text"])
            await b.call("check_messages", { cursor: cursorOf(answer) })
            assert.strictEqual(await inbox(), "No messages wait.")
            const { contents } = await a.client.readResource({ uri: "claudemesh://peers" })
            assert.match(JSON.stringify(contents), /- bob, key [0-9a-f]{8}: 1 session/)
            const missing = await refusal(a.client.readResource({ uri: "claudemesh://nothing" }))
            assert.match(missing, /There is no such resource: claudemesh:\/\/nothing/)
          })
        }),
      ),
  )

  it.live("has prompts, with the names and channels that a person may write in them", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const { join } = yield* stage(["alice", "bob", "Bobby", "carol"])
        const one = yield* join("alice")
        yield* Effect.promise(async () => {
          await one.call("join_channel", { channel: "#builds" })
          const { prompts } = await one.client.listPrompts()
          assert.deepStrictEqual(
            prompts.map(({ name }) => name),
            ["inbox", "ask", "who"],
          )
          const asked = await one.client.getPrompt({ name: "ask", arguments: { who: "bob", question: "which port?" } })
          assert.match(JSON.stringify(asked.messages), /Ask \\"bob\\" on claudemesh with send_message.*which port\?/)
          assert.match(await refusal(one.client.getPrompt({ name: "ask" })), /needs "who"/)
          const offered = async (value: string) => {
            const { completion } = await one.client.complete({
              ref: { type: "ref/prompt", name: "ask" },
              argument: { name: "who", value },
            })
            return completion.values
          }
          assert.deepStrictEqual(await offered("bo"), ["Bobby", "bob"])
          assert.deepStrictEqual(await offered(""), ["#builds", "*", "Bobby", "bob", "carol"])
        })
      }),
    ),
  )

  it.live("is understood where it is clear what is meant, and told by name what is not", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const { join } = yield* stage()
        const one = yield* join("alice")
        yield* Effect.promise(async () => {
          const left = await one.call("leave_channel", { channel: "builds" })
          assert.strictEqual(left.text, "This session was not in #builds on red: nothing has changed.")
          assert.strictEqual(
            (await one.call("join_channel", { channel: " #Builds ", mesh: "" })).text,
            "Joined #builds on red.",
          )
          assert.strictEqual(
            (await one.call("leave_channel", { channel: "#builds", mesh: null })).text,
            "Left #builds on red.",
          )
          assert.strictEqual((await one.call("check_messages", { max: "5", cursor: "" })).text, "No messages.")
          for (const [tool, input, words] of [
            [
              "check_messages",
              { limit: 5 },
              /^check_messages: Nothing was done: there is no argument "limit"; there are: max, cursor\.$/,
            ],
            ["send_message", { message: "x" }, /^send_message: say who gets it, as "target"\.$/],
            [
              "send_message",
              { target: "bob", message: "x", seconds: 5 },
              /^Nothing was sent: "seconds" goes with "wait"\.$/,
            ],
            ["send_message", { target: "bob", message: "x", wait: "shown", seconds: 111 }, /^send_message: .*seconds/s],
            ["set_status", { status: "idle", for: "30m" }, /^Nothing was set: "for" goes with dnd\.$/],
            ["set_status", { status: "dnd", for: "8d" }, /^Nothing was set: "for" is a time such as 30m/],
            ["set_status", { status: "dnd", for: "soon" }, /^Nothing was set: "for" is a time such as 30m/],
            ["join_channel", { channel: "No Label" }, /^channel: "No Label" is not a channel such as #builds/],
          ] as const) {
            const answer = await one.call(tool, input)
            assert.isTrue(answer.isError, answer.text)
            assert.match(answer.text, words)
          }
          assert.strictEqual((await one.call("set_status", { status: "dnd", for: "30m" })).text, "red: dnd for 30m")
          const self = await one.callUntil("list_peers", ({ text }) => text.includes("dnd until "), { who: "ALICE" })
          assert.match(
            self.text,
            /^Mesh red: 2 members, 1 connected\.\n<peer-list>\n- alice \(you\), key [0-9a-f]{8}: 1 session\n {4}dnd until 20\S+Z, session [0-9a-f]{8}\b[^\n]*\n<\/peer-list>$/,
          )
        })
      }),
    ),
  )
})
