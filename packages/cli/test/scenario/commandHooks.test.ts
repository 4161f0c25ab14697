/** The hooks of hosts that have commands for them, as processes: what they print, which server they find, and what confirms. */
import { spawn } from "node:child_process"
import { existsSync, readdirSync, statSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { sendFrame } from "../../../broker/test/support/RawClient.ts"
import type { HookHost } from "../../src/host/OtherHost.ts"
import { handedBytesMax } from "../../src/host/Limits.ts"
import { rawHost } from "../support/RawHost.ts"
import { type Stage, stage } from "../support/Stage.ts"

const start = join(import.meta.dirname, "../../src/start.ts")

/** This process is the host, which starts its hooks and its servers. Gives what the hook prints. */
const hook = async (host: HookHost, home: string, fields: object): Promise<string> => {
  const child = spawn(process.execPath, [start, "hook", host], {
    env: { PATH: process.env["PATH"] ?? "", HOME: "/nonexistent", CLAUDEMESH_HOME: home },
    stdio: ["pipe", "pipe", "inherit"],
  })
  child.stdin.on("error", () => undefined)
  child.stdin.end(JSON.stringify({ session_id: "c1", ...fields }))
  const ended = new Promise((resolve) => child.once("exit", resolve))
  let said = ""
  for await (const text of child.stdout) said += String(text)
  assert.strictEqual(await ended, 0)
  return said.trim()
}

const sender = async ({ mesh, raw }: Stage) => {
  const bob = await raw("bob")
  let count = 0
  return {
    send: async (text: string, priority: "now" | "next") => {
      count += 1
      bob.send(sendFrame(`h${count}`, mesh.member("alice").keys.publicKey, text, mesh.member("bob").keys, { priority }))
      return String((await bob.take("ack"))["messageId"])
    },
    stateOf: async (messageId: string) => {
      bob.send({ type: "message_status", messageId, id: `s${messageId}` })
      return JSON.stringify(await bob.take("message_state"))
    },
    close: () => bob.close(),
  }
}

/** A message is with the server a moment after it was sent. */
const until = async (hooked: () => Promise<string>, words: string): Promise<string> => {
  for (let tries = 0; tries < 50; tries += 1) {
    const said = await hooked()
    if (said.includes(words)) return said
    assert.strictEqual(said, "{}")
  }
  return assert.fail(`no hook ever said ${words}`)
}

describe.concurrent("a hook that is a command", () => {
  it.live("hands over at a prompt, after a tool and at the end of a turn, and confirms what it handed over (I8)", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const there = yield* stage()
        const home = yield* there.home("alice")
        yield* rawHost(home, { CLAUDEMESH_HOST: "codex", CLAUDECODE: "1" })
        yield* Effect.promise(async () => {
          const at = (name: string) => hook("codex", home, { hook_event_name: name })
          const { close, send, stateOf } = await sender(there)
          while (!existsSync(join(home, "hooks"))) await Bun.sleep(20)
          await at("SessionStart")
          const [socket = ""] = readdirSync(join(home, "hooks"))
          assert.strictEqual(statSync(join(home, "hooks")).mode & 0o777, 0o700)
          assert.strictEqual(statSync(join(home, "hooks", socket)).mode & 0o777, 0o600)
          assert.strictEqual(await at("UserPromptSubmit"), "{}")
          const [now, next] = [await send("of now", "now"), await send("of next", "next")]
          const step = JSON.parse(await until(() => at("PostToolUse"), "of now"))
          assert.strictEqual(step.hookSpecificOutput.hookEventName, "PostToolUse")
          assert.notInclude(JSON.stringify(step), "of next")
          await at("PreToolUse")
          assert.notInclude(await stateOf(now), "consumed")
          const end = JSON.parse(await at("Stop"))
          assert.strictEqual(end.decision, "block")
          assert.match(end.reason, /^claudemesh hands over 1 message[^]*\nof next\n/)
          assert.strictEqual(await at("Stop"), "{}")
          for (const id of [now, next]) while (!(await stateOf(id)).includes("consumed")) await Bun.sleep(50)
          await close()
        })
      }),
    ),
  )

  it.live("has no more bytes than its host shows, and says what is too long for it", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const there = yield* stage()
        const home = yield* there.home("alice")
        const host = yield* rawHost(home, { CLAUDEMESH_HOST: "codex" })
        yield* Effect.promise(async () => {
          const { close, send } = await sender(there)
          for (const word of ["an", "bn", "cn"]) await send(`${word} ${"ж".repeat(2_000)}`, "next")
          await send(`too long ${"語".repeat(5_000)}`, "next")
          const inbox = async () =>
            JSON.stringify(await host.answer(host.request("resources/read", { uri: "claudemesh://inbox" })))
          while (!(await inbox()).includes("4 messages")) await Bun.sleep(50)
          const at = (name: string) => hook("codex", home, { hook_event_name: name })
          const said = JSON.parse(await at("UserPromptSubmit")).hookSpecificOutput.additionalContext
          assert.match(said, /^claudemesh hands over 1 message\b[^]*2 more wait: call check_messages/)
          assert.match(said, /1 message waits that is too long for a hook of this host: call check_messages\.$/)
          assert.isBelow(Buffer.byteLength(said), handedBytesMax + 1_800)
          for (const word of ["bn", "cn"]) assert.include(JSON.parse(await at("Stop")).reason, `\n${word} `)
          assert.strictEqual(await at("Stop"), "{}", "nothing prolongs a turn that cannot be handed over")
          assert.match(await at("UserPromptSubmit"), /hands over nothing here. 1 message waits/)
          assert.include((await host.call("check_messages")).text, "\ntoo long 語")
          await close()
        })
      }),
    ),
  )

  it.live("finds the server of its own conversation, and is silent where there is none", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const there = yield* stage()
        const home = yield* there.home("alice")
        yield* rawHost(home, { CLAUDEMESH_HOST: "gemini" })
        yield* rawHost(home, { CLAUDEMESH_HOST: "gemini" })
        yield* Effect.promise(async () => {
          const at = (session: string, name: string) =>
            hook("gemini", home, { hook_event_name: name, session_id: session })
          const { close, send } = await sender(there)
          // Both listen: else the second conversation is taken for the next one of the first server.
          const folder = join(home, "hooks")
          while (!existsSync(folder) || readdirSync(folder).length < 2) await Bun.sleep(20)
          assert.strictEqual(await at("one", "BeforeAgent"), "{}")
          assert.strictEqual(await at("two", "BeforeAgent"), "{}")
          // Both sessions of this member have it, and it is shown by one of them.
          await send("to one of them", "now")
          const both = () => Promise.all([at("one", "AfterTool"), at("two", "AfterTool")])
          const said = await until(async () => (await both()).find((one) => one !== "{}") ?? "{}", "to one of them")
          assert.match(said, /"hookEventName":"AfterTool"/)
          // It is the youngest's next conversation. What that one was handed in the one before comes again, and says so.
          assert.match(await at("a third, after /clear", "BeforeAgent"), /^\{\}$|redelivered=\\"yes\\"/)
          writeFileSync(join(home, "hooks", `${process.pid}.1.sock`), "no socket")
          assert.strictEqual(await hook("codex", join(home, "nowhere"), { hook_event_name: "Stop" }), "{}")
          assert.strictEqual(await at("one", "AfterAgent"), "{}")
          await close()
        })
      }),
    ),
  )
})
