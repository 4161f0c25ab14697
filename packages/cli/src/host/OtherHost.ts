/**
 * The hosts beside Claude Code that have hooks: Codex CLI and Gemini CLI. Their hooks are commands, so each starts this program for a
 * moment (`HookCommand.ts`), which asks the server of the same host process by its socket. `install` writes the host's name into the
 * server's environment. Here is how a hook of theirs is said in our words, and our answer in theirs. Pure; no library is loaded.
 *
 * Measured with Codex CLI 0.171.0 and Gemini CLI 0.61.0, see decision 0060.
 */
import type { HookEvent } from "./HookMoment.ts"

export const hookHosts = ["codex", "gemini"] as const
export type HookHost = (typeof hookHosts)[number]

export const isHookHost = (name: string | undefined): name is HookHost => hookHosts.some((host) => host === name)

/** By the host's own word for it. The end of a session is the end of the connection, and needs no hook. */
export const hookEvents: Readonly<Record<HookHost, Readonly<Record<string, HookEvent>>>> = {
  codex: {
    SessionStart: "SessionStart",
    UserPromptSubmit: "UserPromptSubmit",
    PreToolUse: "PreToolUse",
    PermissionRequest: "Notification",
    PostToolUse: "PostToolUse",
    Stop: "Stop",
    Interrupt: "StopFailure",
  },
  gemini: {
    SessionStart: "SessionStart",
    BeforeAgent: "UserPromptSubmit",
    BeforeTool: "PreToolUse",
    Notification: "Notification",
    AfterTool: "PostToolUse",
    AfterAgent: "Stop",
  },
}

/** What our server is told of a hook. */
export interface HookInput {
  readonly event: HookEvent
  readonly session_id: string
}

/** How each text that is handed over begins. */
export const handedWords = "claudemesh hands over"

/** `fields`: what the host wrote to its hook. Undefined where there is nothing to ask for. */
export const hookInput = (host: HookHost, fields: unknown): HookInput | undefined => {
  if (typeof fields !== "object" || fields === null) return undefined
  const { agent_id: agent, hook_event_name: name, prompt, session_id: session } = { ...noFields, ...fields }
  const event = typeof name === "string" ? eventOf(host, name) : undefined
  if (event === undefined || typeof session !== "string") return undefined
  // What is said to a subagent is not said to its session.
  if (typeof agent === "string" && agent !== "") return undefined
  // Gemini CLI takes what a turn goes on with for a prompt, and nobody has typed that.
  if (event === "UserPromptSubmit" && typeof prompt === "string" && prompt.startsWith(handedWords)) return undefined
  return { event, session_id: session }
}

const eventOf = (host: HookHost, name: string): HookEvent | undefined =>
  Object.hasOwn(hookEvents[host], name) ? hookEvents[host][name] : undefined

const noFields: Readonly<Record<"agent_id" | "hook_event_name" | "prompt" | "session_id", unknown>> = {
  agent_id: undefined,
  hook_event_name: undefined,
  prompt: undefined,
  session_id: undefined,
}

/** A hook without a word. */
export const silence = "{}"

/** `answer`: what the server says to a hook, as Claude Code takes it. */
export const hookOutput = (host: HookHost, name: string, answer: string): string => {
  const text = contextIn(answer)
  if (text === undefined) return silence
  const output =
    eventOf(host, name) === "Stop"
      ? { decision: host === "codex" ? "block" : "deny", reason: text }
      : { hookSpecificOutput: { hookEventName: name, additionalContext: text } }
  return JSON.stringify(output)
}

const contextIn = (answer: string): string | undefined => {
  const text: unknown = JSON.parse(answer)?.hookSpecificOutput?.additionalContext
  return typeof text === "string" ? text : undefined
}
