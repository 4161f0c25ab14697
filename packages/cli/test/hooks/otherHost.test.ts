/** How hooks of Codex CLI and Gemini CLI are understood, and what they are answered. */
import { assert, describe, it } from "@effect/vitest"
import { becomes, type HookEvent } from "../../src/host/HookMoment.ts"
import { hookEvents, hookInput, hookOutput, silence } from "../../src/host/OtherHost.ts"

const context = (text: string) =>
  JSON.stringify({ hookSpecificOutput: { hookEventName: "x", additionalContext: text } })

describe("the hooks of another host", () => {
  it("say in our words what the host does", () => {
    const codex = { session_id: "s", turn_id: "t", cwd: "/", hook_event_name: "Interrupt" }
    assert.deepStrictEqual(hookInput("codex", codex), { event: "StopFailure", session_id: "s" })
    const gemini = { session_id: "s", hook_event_name: "BeforeAgent", prompt: "do it", timestamp: "" }
    assert.deepStrictEqual(hookInput("gemini", gemini), { event: "UserPromptSubmit", session_id: "s" })
  })

  it("ask for nothing at an event that is not ours, for a subagent, and for what is no hook", () => {
    const hook = { session_id: "s", hook_event_name: "PostToolUse" }
    assert.isDefined(hookInput("codex", hook))
    for (const other of [
      { ...hook, agent_id: "a" },
      { ...hook, hook_event_name: "PreCompact" },
      { ...hook, hook_event_name: "toString" },
      { ...hook, session_id: 1 },
      {},
      [],
      null,
      "text",
    ])
      assert.isUndefined(hookInput("codex", other), JSON.stringify(other))
  })

  it("take what a turn goes on with for no prompt of a person", () => {
    const prompt = "claudemesh hands over 1 message. …"
    const hook = { session_id: "s", hook_event_name: "BeforeAgent", prompt }
    assert.isUndefined(hookInput("gemini", hook))
  })

  it("are answered in the form of their host, and without a word where there is nothing to say", () => {
    for (const host of ["codex", "gemini"] as const) {
      for (const name of Object.keys(hookEvents[host])) assert.strictEqual(hookOutput(host, name, silence), silence)
    }
    assert.deepStrictEqual(JSON.parse(hookOutput("codex", "PostToolUse", context("hello"))), {
      hookSpecificOutput: { hookEventName: "PostToolUse", additionalContext: "hello" },
    })
    assert.deepStrictEqual(JSON.parse(hookOutput("codex", "Stop", context("hello"))), {
      decision: "block",
      reason: "hello",
    })
    assert.deepStrictEqual(JSON.parse(hookOutput("gemini", "AfterAgent", context("hello"))), {
      decision: "deny",
      reason: "hello",
    })
  })

  it("confirm what came with a tool only at the end of the turn: tools of one answer end one behind the other (I8)", () => {
    const at = (event: HookEvent) => ({ event, session: "s" })
    for (const event of ["PreToolUse", "PostToolUse", "Notification", "UserPromptSubmit"] as const) {
      assert.strictEqual(becomes(at("PostToolUse"), at(event)), "open", event)
    }
    assert.strictEqual(becomes(at("PostToolUse"), at("Stop")), "shown")
    assert.strictEqual(becomes(at("PostToolUse"), { event: "Stop", session: "another" }), "undone")
    for (const event of ["PreToolUse", "PostToolUse"] as const) {
      assert.strictEqual(becomes(at("UserPromptSubmit"), at(event)), "shown")
      assert.strictEqual(becomes(at("Stop"), at(event)), "shown")
    }
  })
})
